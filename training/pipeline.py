"""The training job in one process: walk every family forward, select, and fit the winners on all prices.

Nothing here writes to a store or a registry: what it returns is what `training.registry` logs and
`training.publishing` publishes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import pandas as pd

from training import code_version
from training.baselines import evaluate_baselines
from training.candidate import Candidate
from training.console import Stages
from training.evaluation import FIRST_YEAR, Forecasts, walk, walk_forward
from training.export import Parity, describe, export
from training.family import Family, fit
from training.models import FAMILIES
from training.prices import PriceTable
from training.scores import score, skill_by_year
from training.selection import Selection, select


@dataclass(frozen=True)
class Job:
    """What a training run is of: the same job on the same machine gives the same scores and champion bytes."""

    table: PriceTable
    pair: str = "EURUSD"
    families: tuple[str, ...] = tuple(FAMILIES)
    first_year: int = FIRST_YEAR
    seed: int = 0
    code: str = field(default_factory=code_version)


@dataclass(frozen=True)
class Evaluation:
    """The walk-forward forecasts of a job and what they are worth."""

    scores: pd.DataFrame
    skill: pd.DataFrame  # family x year, pinball skill against EWMA at horizon 1
    selection: Selection


def columns(families: Sequence[str]) -> list[str]:
    """The price columns that these families read, `close` first."""
    return ["close", *sorted({name for family in families for name in FAMILIES[family].columns} - {"close"})]


def evaluate(job: Job, incumbent: str | None, stages: Stages) -> Evaluation:
    """Walk each family forward and score it against the baselines; `incumbent` keeps its place in a tie."""
    prices = job.table.frame[columns(job.families)]
    years = sum(1 for _ in walk_forward(prices, job.first_year))
    forecasts: dict[str, Forecasts] = {}
    for name in job.families:
        with stages.stage(f"walk forward: {name}", years) as step:
            file = partial(champion_file, job, FAMILIES[name])
            forecasts[name] = walk(file, prices, job.first_year, lambda cutoff: step(f"{cutoff:%Y}"))
    with stages.stage("baselines and scores"):
        baselines = evaluate_baselines(prices, job.first_year)
        scores = score(forecasts, baselines, prices)
        skill = skill_by_year(forecasts, baselines, prices)
    return Evaluation(scores, skill, select(scores, incumbent))


def candidates(job: Job, stages: Stages) -> dict[str, Candidate]:
    """Every family fitted on all prices and exported; these fits are never scored."""
    prices = job.table.frame[columns(job.families)]
    found: dict[str, Candidate] = {}
    with stages.stage("fit on all prices, export", len(job.families)) as step:
        for name in job.families:
            found[name] = candidate(job, FAMILIES[name], prices)
            step(name)
    return found


def candidate(job: Job, family: Family, prices: pd.DataFrame) -> Candidate:
    """One family fitted on these prices and exported, with what MLflow should tell of it."""
    model = fit(family, prices, job.pair, job.seed)
    metadata = describe(
        model,
        pair=job.pair,
        source=job.table.source,
        prices_sha256=job.table.sha256,
        trained_through=prices.index[-1].date(),
        code=job.code,
    )
    data, parity = export(model, prices, metadata)
    params = {f"head_{key}": value for key, value in model.head.params.items()} | dict(model.fitted.params)
    return Candidate(
        family=family.name,
        model_type=family.model_type,
        model=data,
        metadata=metadata,
        params={"head": model.head.name, "seed": str(job.seed), **params, **_parity(parity)},
    )


def champion_file(job: Job, family: Family, train: pd.DataFrame) -> bytes:
    """The champion that would have been published at the cutoff: it knows, and names, only the rows up to it."""
    rows = replace(job.table, frame=train)
    known = replace(rows, sha256=hashlib.sha256(rows.serialised()).hexdigest())
    return candidate(replace(job, table=known), family, train).model


def _parity(parity: Parity) -> dict[str, str]:
    """To one digit: how far the served numbers are from the model's, as a share of the price."""
    return {f"parity_{name}": f"{value:.0e}" for name, value in asdict(parity).items()}
