"""The fits that all pairs share, made once a cutoff before the tasks, which then carry them wherever they run.

Left to the tasks, each process and each container would make them again. A run is frozen with them: were they kept by
the first task that needs them, an array whose tasks start together would make each as often as it has tasks.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lambda_fn.champion.runtime import Champion
from lambda_fn.fields import MAX_NAME
from training.evaluation import metrics
from training.evaluation.walk_forward import Split, forecast_origins
from training.export.candidate import Candidate
from training.export.onnx_export import CHECKED, describe, export
from training.models.families import FAMILIES
from training.models.family import Family, fit
from training.models.heads.base import Known, truncation
from training.models.heads.pooled_fit import Shared, find_shared, keep, kept
from training.prices.panel import Panel, panel
from training.prices.windows import targets
from training.runs.jobs import Job, Refit, Result, Task, cutoffs, splits


def share(job: Job, workers: int) -> Mapping[str, Shared]:
    """By the digest of its panel, the fit of each cutoff of the job; those that cannot be made are left to the tasks,
    which say why."""
    found = panels(job)
    missing = [one for one in found if one.digest not in kept()]
    keep(_fitted(missing, workers))
    return {one.digest: find_shared(one) for one in found if one.digest in kept()}


def panels(job: Job) -> list[Panel]:
    """Those that the job's fits read, one a cutoff; none where no family shares."""
    made: list[Panel] = []
    for cutoff in cutoffs(job) if job.shares else ():
        try:
            made.append(panel(job.prices.loc[:cutoff], job.pair, job.table.source))
        except ValueError:
            continue  # too few rows
    return made


def _fitted(missing: Sequence[Panel], workers: int) -> dict[str, Shared]:
    if workers == 1 or len(missing) < 2:
        fits = [_fit(one) for one in missing]
    else:
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(backend="loky", inner_max_num_threads=1):
            fits = list(Parallel(n_jobs=workers)(delayed(_fit)(one) for one in missing))
    return {one.digest: fit for one, fit in zip(missing, fits, strict=True) if fit is not None}


def _fit(majors: Panel) -> Shared | None:
    try:
        with threadpool_limits(1):  # as every fit is made: sums on two threads round differently
            return find_shared(majors)
    except ValueError:
        return None  # its variance does not answer to news


def work(job: Job, task: Task, on_refit: Callable[[str], None] = lambda words: None) -> Result:
    """Run a task; the same job and task give the same bytes, whatever ran before. Raises ExportError."""
    started = time.perf_counter()
    keep(job.shared)
    scored, done = splits(job), []
    for cutoff in task.cutoffs:
        done.append(refit(job, task.family, task.seed, cutoff, scored.get(cutoff)))
        on_refit(f"{task.family} {cutoff:%Y}")
    return Result(task, tuple(done), time.perf_counter() - started)


def refit(job: Job, family: str, seed: int, cutoff: pd.Timestamp, split: Split | None) -> Refit:
    """Fit a family on the rows up to the cutoff and score the year that its bytes forecast; without one, only fit."""
    seeded = replace(job, seed=seed)
    if split is None:
        made = candidate(seeded, FAMILIES[family], job.prices.loc[:cutoff])
        return Refit(cutoff, made.model, made.params)
    made = at_cutoff(seeded, FAMILIES[family], split.train)
    forecasts = forecast_origins(Champion.load(made.model), job.prices, split.test)
    losses = metrics.pinball_losses(targets(job.prices, split.test), forecasts.quantiles)
    days = (~np.isnan(losses)).sum(axis=0)
    pinball = np.nansum(losses, axis=0) / np.maximum(days, 1)  # a year that has just begun has no day at five days yet
    return Refit(cutoff, made.model, made.params, tuple(days.tolist()), tuple(pinball.tolist()))


def candidate(job: Job, family: Family, prices: pd.DataFrame, *, final: bool = True) -> Candidate:
    """One family fitted on these prices and exported, with its parameters for MLflow.

    The parameters of the `final` refit, which alone MLflow gets, include what its window forgets.
    """
    model = fit(family, prices, job.pair, job.seed, job.table.source)
    metadata = describe(
        model,
        pair=job.pair,
        source=job.table.source,
        prices_sha256=job.table.sha256,
        trained_through=prices.index[-1].date(),
        code=job.code,
    )
    metadata = replace(metadata, prices_trusted=job.table.trusted[:MAX_NAME] or None)
    data, parity = export(model, prices, metadata)
    params = {f"head_{key}": value for key, value in model.head.params.items()} | dict(model.fitted.params)
    differences = asdict(parity)
    if final:
        known = Known(prices, job.pair, job.table.source)
        differences["truncation"] = truncation(model.head, known, family.inputs, CHECKED)
    return Candidate(
        family=family.name,
        model_type=family.model_type,
        model=data,
        metadata=metadata,
        params={"head": family.head, "seed": str(job.seed), **params, **_parity(differences)},
    )


def at_cutoff(job: Job, family: Family, train: pd.DataFrame) -> Candidate:
    """What would have been published at the cutoff: it knows, and names, only the rows up to it."""
    rows = replace(job.table, frame=train)
    known = replace(rows, sha256=hashlib.sha256(rows.serialised()).hexdigest())
    return candidate(replace(job, table=known), family, train, final=False)


def _parity(differences: Mapping[str, float]) -> dict[str, str]:
    """To one digit: how far the served numbers are from the model's, as a share of the price."""
    return {f"parity_{name}": f"{value:.0e}" for name, value in differences.items()}
