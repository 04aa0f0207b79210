"""Jobs and their tasks: each task fits one family with one seed at a span of cutoffs.

Tasks share nothing, so they may run in any order, on any machine and more than once. A set of hyper-parameters is a
family of its own (`training.models`), so it is fanned out like one.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from lambda_fn import __version__
from lambda_fn.contract import DATE, TARGET_DATE
from training import plugins
from training.evaluation.walk_forward import FIRST_YEAR, Split, walk_forward
from training.models.families import DEFAULT_FAMILIES, FAMILIES
from training.models.heads.pooled_fit import PooledFit
from training.models.heads.registry import find_head
from training.prices.ecb import COLUMNS
from training.prices.table import PriceTable
from training.prices.table_checks import RANGE_COLUMNS, measure_ranges

ROOT = Path(__file__).parents[2]
PACKAGES = ("lambda_fn", "training")
SUFFIXES = (".csv", ".py", ".toml")
SPAN = 6  # refits per task: enough to pay for the start of a process with TensorFlow, few enough to distribute


def code_version(root: Path = ROOT) -> str:
    """Return the version and a digest of all code and data that a fit may depend on, and of plugins' versions.

    The digest also identifies the code where there is no git, as in a container.
    """
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in SUFFIXES:
                data = path.read_bytes()
                digest.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode() + data)
    digest.update("\0".join(plugins.versions()).encode())
    return f"{__version__}+{digest.hexdigest()[:12]}"


@dataclass(frozen=True)
class Job:
    """A training run of one pair: the same job on the same machine gives the same scores and champion bytes."""

    table: PriceTable
    pair: str = "EURUSD"
    families: tuple[str, ...] = DEFAULT_FAMILIES
    first_year: int = FIRST_YEAR
    seed: int = 0
    seeds: int = 1  # of each family whose fit is random: seed, seed + 1, ...
    span: int = SPAN  # refits per task; no result depends on it
    code: str = field(default_factory=code_version)
    first: int = 0  # index of the first task: in a run of several pairs those of other pairs may come before
    shared: Mapping[str, PooledFit] = field(default_factory=dict, repr=False)  # fits that need not be made again

    @property
    def prices(self) -> pd.DataFrame:
        """Columns that the families read, and in the ECB's table the other majors, where a fit reads the panel."""
        frame = self.table.frame
        majors = (
            [name for name in COLUMNS if name in frame.columns]
            if self.reads_panel and self.table.source == "ecb"
            else []
        )
        return frame[list(dict.fromkeys((*columns(self.families), *majors)))]

    @property
    def reads_panel(self) -> bool:
        """True if the fit of a family reads the panel of the majors."""
        return any(find_head(FAMILIES[name].head).reads_panel for name in self.families)

    @property
    def pooled_kinds(self) -> list[tuple[str, ...]]:
        """The kinds of events of each pooled fit that the families need, each once."""
        return list(dict.fromkeys(kinds for name in self.families if (kinds := find_head(FAMILIES[name].head).kinds)))

    def members(self, family: str) -> range:
        """Seeds with which a family is fitted; its forecast is their average."""
        return range(self.seed, self.seed + (self.seeds if FAMILIES[family].random else 1))


@dataclass(frozen=True)
class Task:
    """One family with one seed at consecutive cutoffs; the cutoff at the last row is the final refit, never scored."""

    index: int
    family: str
    seed: int
    cutoffs: tuple[pd.Timestamp, ...]
    pair: str = "EURUSD"

    def describe(self) -> str:
        first, last = (f"{cutoff:%Y-%m-%d}" for cutoff in (self.cutoffs[0], self.cutoffs[-1]))
        return f"task {self.index} ({self.family}, seed {self.seed}, cutoffs {first} to {last} of {self.pair})"


def columns(families: Sequence[str]) -> list[str]:
    """List the price columns that these families read, `close` first."""
    return [
        "close",
        *sorted({name for family in families for name in FAMILIES[family].inputs} - {"close", DATE, TARGET_DATE}),
    ]


def usable_families(table: PriceTable) -> tuple[str, ...]:
    """List the families whose columns a table has without gaps; ranges only where they are of their close's day."""
    frame, ranges = table.frame, measure_ranges(table.frame)
    complete = {name for name in frame.columns if not frame[name].isna().any()}
    if ranges is None or not ranges.is_usable:
        complete -= set(RANGE_COLUMNS)
    return tuple(name for name in FAMILIES if set(columns([name])) <= complete | {"close"})


def cutoffs(job: Job) -> list[pd.Timestamp]:
    """List the cutoffs of all refits, ascending: those of the years that are forecast, and the last row."""
    prices = job.prices
    return [*(split.cutoff for split in walk_forward(prices, job.first_year)), pd.Timestamp(prices.index[-1])]


def splits(job: Job) -> dict[pd.Timestamp, Split]:
    """Map the cutoff of each scored refit to its split."""
    return {split.cutoff: split for split in walk_forward(job.prices, job.first_year)}


def tasks(job: Job) -> list[Task]:
    """List all tasks of a job, by family, seed and cutoff; `index` is the position in the run."""
    refits = cutoffs(job)
    spans = [tuple(refits[start : start + job.span]) for start in range(0, len(refits), job.span)]
    units = [(name, seed, span) for name in job.families for seed in job.members(name) for span in spans]
    return [Task(index, *unit, job.pair) for index, unit in enumerate(units, job.first)]


def number_tasks(jobs: Iterable[Job]) -> Iterator[Job]:
    """Yield the jobs of a run of several pairs, each with the index of its first task."""
    first = 0
    for job in jobs:
        yield replace(job, first=first)
        first += len(tasks(job))


@dataclass(frozen=True)
class Refit:
    """One exported fit. `days` and `pinball` are of its own year, one number per horizon; empty if it is not scored."""

    cutoff: pd.Timestamp
    model: bytes  # the champion file
    params: Mapping[str, float | str]
    days: tuple[int, ...] = ()
    pinball: tuple[float, ...] = ()  # percent of log return


@dataclass(frozen=True)
class Result:
    """The result of a task."""

    task: Task
    refits: tuple[Refit, ...]
    seconds: float
