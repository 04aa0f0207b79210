"""A training run as a list of tasks: each fits one family with one seed at a span of cutoffs.

Tasks share nothing, so they may run in any order, on any machine and more than once. A set of hyper-parameters is a
family of its own (`training.models`), so it is fanned out like one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from lambda_fn.contract import DATE, TARGET_DATE
from training.evaluation.walk_forward import FIRST_YEAR, Split, walk_forward
from training.models.families import FAMILIES, USUAL
from training.models.heads.pooled_fit import Shared
from training.models.heads.registry import find_head
from training.prices.ohlc_check import RANGE_COLUMNS, recognise
from training.prices.panel import COLUMNS
from training.prices.table import PriceTable
from training.runs.code_version import code_version

SPAN = 6  # refits a task: enough to pay for the start of a process with TensorFlow, few enough to share out


@dataclass(frozen=True)
class Job:
    """What a training run is of: the same job on the same machine gives the same scores and champion bytes."""

    table: PriceTable
    pair: str = "EURUSD"
    families: tuple[str, ...] = USUAL
    first_year: int = FIRST_YEAR
    seed: int = 0
    seeds: int = 1  # of each family whose fit is random: seed, seed + 1, ...
    span: int = SPAN  # no result depends on it
    code: str = field(default_factory=code_version)
    first: int = 0  # index of the first task: in a run of several pairs the others' come before
    shared: Mapping[str, Shared] = field(default_factory=dict, repr=False)  # fits that need not be made again

    @property
    def prices(self) -> pd.DataFrame:
        """The columns that the families read, and of the ECB's table those that a fit shares parameters with."""
        frame = self.table.frame
        majors = (
            [name for name in COLUMNS if name in frame.columns] if self.shares and self.table.source == "ecb" else []
        )
        return frame[list(dict.fromkeys((*columns(self.families), *majors)))]

    @property
    def shares(self) -> bool:
        """Whether a family is fitted with parameters that all pairs share."""
        return any(find_head(FAMILIES[name].head).shares for name in self.families)

    def members(self, family: str) -> range:
        """The seeds with which a family is fitted; their average is what it forecasts."""
        return range(self.seed, self.seed + (self.seeds if FAMILIES[family].random else 1))


@dataclass(frozen=True)
class Task:
    """One family with one seed at consecutive cutoffs; that of the last row is the champion to be, never scored."""

    index: int
    family: str
    seed: int
    cutoffs: tuple[pd.Timestamp, ...]
    pair: str = "EURUSD"

    def describe(self) -> str:
        first, last = (f"{cutoff:%Y-%m-%d}" for cutoff in (self.cutoffs[0], self.cutoffs[-1]))
        return f"task {self.index} ({self.family}, seed {self.seed}, cutoffs {first} to {last} of {self.pair})"


def columns(families: Sequence[str]) -> list[str]:
    """The price columns that these families read, `close` first."""
    return [
        "close",
        *sorted({name for family in families for name in FAMILIES[family].inputs} - {"close", DATE, TARGET_DATE}),
    ]


def suited(table: PriceTable) -> tuple[str, ...]:
    """The families that a table has the columns for, without gaps; ranges only where they are of their close's day."""
    frame, found = table.frame, recognise(table.frame)
    whole = {name for name in frame.columns if not frame[name].isna().any()}
    if found is None or not found.is_usable:
        whole -= set(RANGE_COLUMNS)
    return tuple(name for name in FAMILIES if set(columns([name])) <= whole | {"close"})


def cutoffs(job: Job) -> list[pd.Timestamp]:
    """Of every refit: those of the years that are forecast, and the last row, ascending."""
    prices = job.prices
    return [*(split.cutoff for split in walk_forward(prices, job.first_year)), pd.Timestamp(prices.index[-1])]


def splits(job: Job) -> dict[pd.Timestamp, Split]:
    """The scored refits by their cutoff."""
    return {split.cutoff: split for split in walk_forward(job.prices, job.first_year)}


def tasks(job: Job) -> list[Task]:
    """All tasks of a job, by family, seed and cutoff; `index` is the position in the run."""
    refits = cutoffs(job)
    spans = [tuple(refits[start : start + job.span]) for start in range(0, len(refits), job.span)]
    units = [(name, seed, span) for name in job.families for seed in job.members(name) for span in spans]
    return [Task(index, *unit, job.pair) for index, unit in enumerate(units, job.first)]


def numbered(jobs: Iterable[Job]) -> Iterator[Job]:
    """The jobs of a run of several pairs, each with the index of its first task."""
    first = 0
    for job in jobs:
        yield replace(job, first=first)
        first += len(tasks(job))


@dataclass(frozen=True)
class Refit:
    """One exported fit. `days` and `pinball` are of its own year, a number a horizon; empty where it is not scored."""

    cutoff: pd.Timestamp
    model: bytes  # the champion file
    params: Mapping[str, float | str]
    days: tuple[int, ...] = ()
    pinball: tuple[float, ...] = ()  # percent of log return


@dataclass(frozen=True)
class Result:
    """What a task leaves."""

    task: Task
    refits: tuple[Refit, ...]
    seconds: float
