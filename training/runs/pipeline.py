"""From the results of a job's tasks to its score table, its champion and the files that may be published.

Nothing here writes to a store or a registry: what it returns is what `training.publishing.mlflow_runs` logs and
`training.publishing.publish` publishes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.champion.runtime import Champion
from training.console import Stages
from training.errors import NamedError
from training.evaluation.baselines import evaluate_baselines
from training.evaluation.breakdown import breakdown, reliability
from training.evaluation.scores import judge, score, skill_by_year
from training.evaluation.selection import Selection, select
from training.evaluation.walk_forward import Forecasts, champion_inputs, walk
from training.export.candidate import Candidate, average, check_average
from training.export.onnx_export import CHECKED
from training.models.economic_calendar import KINDS, embedded
from training.models.families import FAMILIES
from training.models.heads.pooled_fit import AFTER, FIXING, LAGS
from training.prices.windows import complete_origins, day_numbers
from training.runs.jobs import Job, Refit, Result, Task, cutoffs, tasks

Members: TypeAlias = Mapping[str, Mapping[int, Mapping[pd.Timestamp, Refit]]]
"""Family -> seed -> cutoff -> refit: only members of which every refit is there."""


class IncompleteError(NamedError, ValueError):
    """So much of a run is missing that there is nothing to choose from."""


@dataclass(frozen=True)
class Evaluation:
    """The walk-forward forecasts of a job and what they are worth."""

    scores: pd.DataFrame
    skill: pd.DataFrame  # family x year, pinball skill against EWMA at horizon 1
    selection: Selection
    forecasts: Mapping[str, Forecasts]  # of each family
    baselines: Mapping[str, Forecasts]
    spread: pd.DataFrame  # pinball of single seeds, a row a family with several and horizon
    comparisons: pd.DataFrame  # every pair's one-sided tests
    confidence: pd.DataFrame  # by family, the model confidence set and the test of superior ability
    reliability: pd.DataFrame  # by family, horizon and level
    breakdown: pd.DataFrame  # by family and year, regime of volatility, days with news and without


def gather(job: Job, results: Iterable[Result]) -> tuple[Members, list[Task]]:
    """The complete members, and the tasks of which there is no result; raises IncompleteError when no member is
    complete. The order of the results does not matter."""
    found = {result.task.index: result for result in results}
    missing = [task for task in tasks(job) if task.index not in found]
    refits: dict[str, dict[int, dict[pd.Timestamp, Refit]]] = {}
    for result in found.values():
        member = refits.setdefault(result.task.family, {}).setdefault(result.task.seed, {})
        member.update({done.cutoff: done for done in result.refits})
    needed = set(cutoffs(job))
    members = {
        family: {seed: refits[family][seed] for seed in job.members(family) if _covers(refits, family, seed, needed)}
        for family in job.families
    }
    complete = {family: own for family, own in members.items() if own}
    if not complete:
        raise IncompleteError(f"no family is complete: {missing[0].describe()} has no result; run it")
    return complete, missing


def _covers(
    refits: Mapping[str, Mapping[int, Mapping[pd.Timestamp, Refit]]],
    family: str,
    seed: int,
    needed: set[pd.Timestamp],
) -> bool:
    return needed <= set(refits.get(family, {}).get(seed, {}))


def losses(job: Job, members: Members, missing: Sequence[Task]) -> list[str]:
    """In words, for each family that lost something: which tasks have no result, and what is left out."""
    words = []
    for family in job.families:
        lost = [task for task in missing if task.family == family]
        if not lost:
            continue
        kept, named = len(members.get(family, {})), "; ".join(task.describe() for task in lost)
        out = f"the average is of {kept} of {len(job.members(family))} seeds" if kept else f"{family} is left out"
        words.append(f"warning: no result: {named}: {out}")
    return words


def evaluate(job: Job, members: Members, incumbent: str | None, stages: Stages) -> Evaluation:
    """Score each family, as the average of its seeds, against the baselines; a test alone unseats `incumbent`."""
    prices = job.prices
    forecasts: dict[str, Forecasts] = {}
    with stages.stage("averages and forecasts", len(members)) as step:
        for family, own in members.items():
            forecasts[family] = walked(job, own)
            step(family)
    with stages.stage("baselines and scores"):
        baselines = evaluate_baselines(prices, job.first_year)
        scores = score(forecasts, baselines, prices)
        skill = skill_by_year(forecasts, baselines, prices)
    with stages.stage("tests"):
        comparisons, confidence = judge(forecasts, baselines, prices)
        found = Evaluation(
            scores,
            skill,
            select(scores, comparisons, tuple(FAMILIES), incumbent),
            forecasts,
            baselines,
            spread(members),
            comparisons,
            confidence,
            reliability(forecasts, baselines, prices),
            breakdown(forecasts, baselines, prices, news_days(prices, job.table.source)),
        )
    return found


def news_days(prices: pd.DataFrame, source: str) -> NDArray[np.bool_]:
    """Whether scheduled news falls on the return between each two rows, [rows - 1]."""
    days = day_numbers(pd.DatetimeIndex(prices.index))
    lag = LAGS[FIXING if source == "ecb" else AFTER]
    hits = [np.diff(embedded().passed(kind, days, lag)) > 0 for kind in KINDS]
    return np.asarray(np.any(hits, axis=0))


def walked(job: Job, seeds: Mapping[int, Mapping[pd.Timestamp, Refit]]) -> Forecasts:
    """What a family's exported bytes, the average of its seeds, forecast for each year."""

    def file(train: pd.DataFrame) -> bytes:
        return average([own[pd.Timestamp(train.index[-1])].model for own in seeds.values()])

    return walk(file, job.prices, job.first_year)


def spread(members: Members) -> pd.DataFrame:
    """How far the seeds of a family lie apart: the pinball loss of each alone, over all its days."""
    rows = []
    for family, own in members.items():
        if len(own) > 1:
            each = np.array([_pinball(list(refits.values())) for refits in own.values()])
            rows += [
                {"family": family, "horizon": h, "seeds": len(own), "low": low, "high": high, "sd": sd}
                for h, (low, high, sd) in enumerate(
                    zip(each.min(axis=0), each.max(axis=0), each.std(axis=0, ddof=1), strict=True), start=1
                )
            ]
    return pd.DataFrame(rows, columns=["family", "horizon", "seeds", "low", "high", "sd"])


def _pinball(refits: Sequence[Refit]) -> list[float]:
    """A member's mean loss by horizon."""
    scored = sorted((done for done in refits if done.days), key=lambda done: done.cutoff)
    weights, years = np.array([done.days for done in scored]), np.array([done.pinball for done in scored])
    return [float(value) for value in np.average(years, axis=0, weights=weights)]


def candidates(job: Job, members: Members) -> dict[str, Candidate]:
    """Each family's final refit, the average of its seeds, which is never scored."""
    last = cutoffs(job)[-1]
    return {family: _candidate(job, family, own, last) for family, own in members.items()}


def _candidate(
    job: Job, family: str, members: Mapping[int, Mapping[pd.Timestamp, Refit]], last: pd.Timestamp
) -> Candidate:
    final = [refits[last] for refits in members.values()]
    files = [done.model for done in final]
    model = average(files)
    champion = Champion.load(model)
    params = dict(final[0].params)
    if len(final) > 1:
        inputs = champion_inputs(champion, job.prices, complete_origins(job.prices)[-CHECKED:])
        params["parity_average"] = f"{check_average(model, files, inputs):.0e}"
        params["seed"] = ", ".join(str(seed) for seed in members)
        first = spread({family: members}).iloc[0]
        params |= {"seeds": len(final), "seeds_pinball_low_h1": first["low"], "seeds_pinball_high_h1": first["high"]}
        params["seeds_pinball_sd_h1"] = first["sd"]
    return Candidate(family, FAMILIES[family].model_type, model, champion.metadata, params)
