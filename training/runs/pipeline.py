"""Evaluation of a job: from the results of its tasks to the score table, the champion and the files to publish.

Nothing here writes to a store or a registry: `training.publishing.mlflow_runs` logs the results and
`training.publishing.publish` publishes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.champion.runtime import Champion
from training.console import Stages
from training.errors import NamedError
from training.evaluation.baselines import evaluate_baselines
from training.evaluation.scores import breakdown, compare_families, reliability, score, skill_by_year
from training.evaluation.selection import Look, Selection, select
from training.evaluation.walk_forward import Forecasts, backtest, origin_inputs
from training.export.candidate import Candidate
from training.export.onnx_export import CHECKED, average, check_average
from training.models.economic_calendar import load_events
from training.models.families import FAMILIES
from training.models.heads.pooled_fit import AFTER, FIXING, LAGS
from training.prices.windows import complete_origins, day_numbers
from training.runs.jobs import Job, Refit, Result, Task, cutoffs, tasks

Members: TypeAlias = Mapping[str, Mapping[int, Mapping[pd.Timestamp, Refit]]]
"""Family -> seed -> cutoff -> refit: only members that have every refit."""


class IncompleteError(NamedError, ValueError):
    """No family of a run has all its results, so there is nothing to choose from."""


@dataclass(frozen=True)
class Evaluation:
    """The walk-forward forecasts of a job with their scores and tests."""

    scores: pd.DataFrame
    skill: pd.DataFrame  # family x year, pinball skill against EWMA at horizon 1
    selection: Selection
    forecasts: Mapping[str, Forecasts]  # of each family
    baselines: Mapping[str, Forecasts]
    spread: pd.DataFrame  # pinball of single seeds, a row per horizon and family with several seeds
    comparisons: pd.DataFrame  # one-sided tests of every ordered pair
    confidence: pd.DataFrame  # by family, the model confidence set and the test of superior ability
    reliability: pd.DataFrame  # by family, horizon and level
    breakdown: pd.DataFrame  # by family and year, regime of volatility, days with news and without, kind of news
    look: Look | None = None  # of a run with several families that is logged

    def as_look(self, previous: Sequence[date]) -> "Evaluation":
        """Return this evaluation as the look after those on the `previous` days, if it has several families."""
        if len(self.forecasts) == 1:
            return self
        selection, days = self.selection, int(self.scores["n"].max())
        last = previous[-1] if previous else None
        look = Look(len(previous) + 1, last, days, selection.challengers, selection.level)
        return replace(self, look=look)


def gather(job: Job, results: Iterable[Result]) -> tuple[Members, list[Task]]:
    """Gather the complete members, and list the tasks that have no result. The order of the results does not matter.

    Raises IncompleteError when no member is complete.
    """
    by_index = {result.task.index: result for result in results}
    missing = [task for task in tasks(job) if task.index not in by_index]
    refits: dict[tuple[str, int], dict[pd.Timestamp, Refit]] = {}
    for result in by_index.values():
        member = refits.setdefault((result.task.family, result.task.seed), {})
        member.update({refit.cutoff: refit for refit in result.refits})
    all_cutoffs = set(cutoffs(job))
    members: dict[str, dict[int, dict[pd.Timestamp, Refit]]] = {}
    for family in job.families:
        for seed in job.members(family):
            if all_cutoffs <= set(refits.get((family, seed), {})):
                members.setdefault(family, {})[seed] = refits[family, seed]
    if not members:
        raise IncompleteError(f"no family is complete: {missing[0].describe()} has no result; run it")
    return members, missing


def describe_missing(job: Job, members: Members, missing: Sequence[Task]) -> list[str]:
    """Describe for each family the tasks that have no result, and the consequence."""
    warnings = []
    for family in job.families:
        missing_tasks = [task for task in missing if task.family == family]
        if not missing_tasks:
            continue
        seeds, descriptions = len(members.get(family, {})), "; ".join(task.describe() for task in missing_tasks)
        consequence = (
            f"the average uses only {seeds} of {len(job.members(family))} seeds" if seeds else f"{family} is left out"
        )
        warnings.append(f"warning: no result: {descriptions}: {consequence}")
    return warnings


def evaluate(job: Job, members: Members, incumbent: str | None, stages: Stages) -> Evaluation:
    """Score each family, as the average of its seeds, against the baselines, and select the champion.

    Args:
        job: The job.
        members: Its complete members.
        incumbent: The family of the present champion, which only a significantly better one replaces.
        stages: Shows the progress.
    """
    prices = job.prices
    forecasts: dict[str, Forecasts] = {}
    with stages.stage("averages and forecasts", len(members)) as step:
        for family, seeds in members.items():
            forecasts[family] = walk_forward_forecasts(job, seeds)
            step(family)
    with stages.stage("baselines and scores"):
        baselines = evaluate_baselines(prices, job.first_year)
        scores = score(forecasts, baselines, prices)
        skill = skill_by_year(forecasts, baselines, prices)
    with stages.stage("tests"):
        comparisons, confidence = compare_families(forecasts, baselines, prices)
        return Evaluation(
            scores,
            skill,
            select(scores, comparisons, tuple(FAMILIES), incumbent),
            forecasts,
            baselines,
            spread(members),
            comparisons,
            confidence,
            reliability(forecasts, baselines, prices),
            breakdown(forecasts, baselines, prices, event_days(prices, job.table.source)),
        )


def event_days(prices: pd.DataFrame, source: str) -> dict[str, NDArray[np.bool_]]:
    """Masks [rows - 1] by kind of event: True where its news falls on the return between two rows."""
    days = day_numbers(pd.DatetimeIndex(prices.index))
    lag, events = LAGS[FIXING if source == "ecb" else AFTER], load_events()
    return {kind: np.diff(events.count_until(kind, days, lag)) > 0 for kind in events.days}


def walk_forward_forecasts(job: Job, seeds: Mapping[int, Mapping[pd.Timestamp, Refit]]) -> Forecasts:
    """Forecast each year with a family's exported bytes, the average of its seeds."""

    def average_refits(train: pd.DataFrame) -> bytes:
        return average([refits[pd.Timestamp(train.index[-1])].model for refits in seeds.values()])

    return backtest(average_refits, job.prices, job.first_year)


def spread(members: Members) -> pd.DataFrame:
    """Spread of the seeds of a family: the lowest, the highest and the standard deviation of their pinball losses.

    The loss of a seed is over all its days. A row per horizon and family with several seeds.
    """
    rows = []
    for family, seeds in members.items():
        if len(seeds) > 1:
            losses = []  # [seed][horizon], over all days of all years
            for refits in seeds.values():
                scored = [refit for _, refit in sorted(refits.items()) if refit.days]
                years, weights = [refit.pinball for refit in scored], [refit.days for refit in scored]
                losses.append(np.average(np.array(years), axis=0, weights=np.array(weights)))
            by_seed = np.array(losses)
            rows += [
                {"family": family, "horizon": h, "seeds": len(seeds), "low": low, "high": high, "sd": sd}
                for h, (low, high, sd) in enumerate(
                    zip(by_seed.min(axis=0), by_seed.max(axis=0), by_seed.std(axis=0, ddof=1), strict=True), start=1
                )
            ]
    return pd.DataFrame(rows, columns=["family", "horizon", "seeds", "low", "high", "sd"])


def candidates(job: Job, members: Members) -> dict[str, Candidate]:
    """Make each family's final refit, the average of its seeds, which is never scored."""
    last = cutoffs(job)[-1]
    by_family = {}
    for family, seeds in members.items():
        final = [refits[last] for refits in seeds.values()]
        files = [refit.model for refit in final]
        model = average(files)
        champion = Champion.load(model)
        params = dict(final[0].params)
        if len(final) > 1:
            inputs = origin_inputs(champion, job.prices, complete_origins(job.prices)[-CHECKED:])
            params["parity_average"] = f"{check_average(model, files, inputs):.0e}"
            params["seed"] = ", ".join(str(seed) for seed in seeds)
            first = spread({family: seeds}).iloc[0]
            params["seeds"] = len(final)
            params |= {f"seeds_pinball_{name}_h1": first[name] for name in ("low", "high", "sd")}
        by_family[family] = Candidate(family, FAMILIES[family].model_type, model, champion.metadata, params)
    return by_family
