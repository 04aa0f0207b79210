"""Run the tasks of a job on this machine, in this process or in several: fit, export and score each refit.

Before them come the fits that all pairs share, made once per cutoff and carried by every task. If the tasks made the
shared fits, each process and each container would make them again. A run is frozen with them: if the first task that
needs one stored it, an array whose tasks start together would make each as often as it has tasks.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lambda_fn.champion.runtime import Champion
from lambda_fn.fields import MAX_NAME
from training.evaluation import metrics
from training.evaluation.walk_forward import Split, forecast_origins
from training.export.candidate import Candidate
from training.export.onnx_export import CHECKED, CHECKED_REFIT, describe, export
from training.models.families import FAMILIES
from training.models.family import Family, fit
from training.models.heads.base import HeadData, truncation
from training.models.heads.pooled_fit import PooledFit, cache_fits, cached_keys, find_pooled_fit, fit_key
from training.prices.ecb import Panel, panel
from training.prices.windows import targets
from training.runs.jobs import Job, Refit, Result, Task, cutoffs, splits

Work: TypeAlias = Callable[[Job, Task], Result]
Kinds: TypeAlias = tuple[str, ...]
POOL_ATTEMPTS = 2  # attempts in a shared pool; what is still unfinished then runs in a pool of its own


def make_shared_fits(job: Job, workers: int) -> Mapping[str, PooledFit]:
    """Make the pooled fits of each cutoff of the job, by `fit_key`.

    Those that fail are left out: the tasks that need them raise the reason.
    """
    panels, all_kinds = list_panels(job), job.pooled_kinds
    cache_fits(_fit_panels(panels, all_kinds, workers))
    needed = {fit_key(majors, kinds): (majors, kinds) for majors in panels for kinds in all_kinds}
    return {key: find_pooled_fit(*args) for key, args in needed.items() if key in cached_keys()}


def list_panels(job: Job) -> list[Panel]:
    """List the panels that the job's pooled fits read, one per cutoff; none where no family needs such a fit."""
    panels: list[Panel] = []
    for cutoff in cutoffs(job) if job.pooled_kinds else ():
        try:
            panels.append(panel(job.prices.loc[:cutoff], job.pair, job.table.source))
        except ValueError:
            continue  # too few rows
    return panels


def _fit_panels(panels: Sequence[Panel], all_kinds: Sequence[Kinds], workers: int) -> dict[str, PooledFit]:
    """Fit each panel with each tuple of kinds, except for what this process has; a panel's fits share a part."""
    missing = [
        (majors, kinds)
        for majors in panels
        if (kinds := [kinds for kinds in all_kinds if fit_key(majors, kinds) not in cached_keys()])
    ]
    if workers == 1 or len(missing) < 2:
        fits = [_fit_panel(*args) for args in missing]
    else:
        fits = list(run_parallel(_fit_panel, missing, workers))
    return {key: fit for by_key in fits for key, fit in by_key.items()}


def _fit_panel(majors: Panel, all_kinds: Sequence[Kinds]) -> dict[str, PooledFit]:
    fits = {}
    for kinds in all_kinds:
        try:
            with threadpool_limits(1):  # like every fit: sums on two threads round differently
                fits[fit_key(majors, kinds)] = find_pooled_fit(majors, kinds)
        except ValueError:
            continue  # its variance does not react to news
    return fits


def run_task(job: Job, task: Task, on_refit: Callable[[str], None] = lambda description: None) -> Result:
    """Run a task; the same job and task give the same bytes, whatever ran before. Raises ExportError."""
    started = time.perf_counter()
    cache_fits(job.shared)
    scored, refits = splits(job), []
    for cutoff in task.cutoffs:
        refits.append(refit(job, task.family, task.seed, cutoff, scored.get(cutoff)))
        on_refit(f"{task.family} {cutoff:%Y}")
    return Result(task, tuple(refits), time.perf_counter() - started)


def run_here(job: Job, tasks: Sequence[Task], on_refit: Callable[[str], None]) -> list[Result]:
    """Run one task after the other in this process."""
    return [run_task(job, task, on_refit) for task in tasks]


def run_workers(
    job: Job,
    tasks: Sequence[Task],
    workers: int,
    on_done: Callable[[Result], None] = lambda result: None,
    on_killed: Callable[[int], None] = lambda unfinished: None,
    work: Work = run_task,
) -> list[Result]:
    """Run tasks in worker processes; an error that a task raises is raised here.

    Returns the results of all tasks but those whose process died each time. A dead worker breaks its pool, so that its
    neighbours' work is lost too: unfinished tasks go to a new pool, and at last each to a pool of its own, so that a
    task that kills its process costs no other task its result.

    Args:
        job: The job.
        tasks: The tasks of it to run.
        workers: The number of processes.
        on_done: Called with each result.
        on_killed: Called with the number of unfinished tasks when a pool is broken.
        work: Runs a task.
    """
    results: list[Result] = []

    def attempt(batch: Sequence[Task]) -> list[Task]:
        finished = set()
        try:
            # At least two workers, because joblib runs a single one in this process.
            options = {"return_as": "generator_unordered", "batch_size": 1, "pre_dispatch": "all"}
            for result in run_parallel(work, ((job, task) for task in batch), max(2, workers), **options):
                results.append(result)
                finished.add(result.task.index)
                on_done(result)
        except BrokenProcessPool:
            on_killed(len(batch) - len(finished))
        return [task for task in batch if task.index not in finished]

    unfinished = list(tasks)
    for _ in range(POOL_ATTEMPTS):
        unfinished = attempt(unfinished) if unfinished else unfinished
    for task in unfinished:
        attempt([task])
    return results


def refit(job: Job, family: str, seed: int, cutoff: pd.Timestamp, split: Split | None) -> Refit:
    """Fit a family on the rows up to the cutoff and score the year that its bytes forecast.

    Args:
        job: The job.
        family: The name of the family.
        seed: The seed of the fit.
        cutoff: The day of the last row of the fit.
        split: The year to score; None for the final refit, which is not scored.
    """
    seeded = replace(job, seed=seed)
    if split is None:
        final = candidate(seeded, FAMILIES[family], job.prices.loc[:cutoff])
        return Refit(cutoff, final.model, final.params)
    fitted = candidate_at_cutoff(seeded, FAMILIES[family], split.train)
    forecasts = forecast_origins(Champion.load(fitted.model), job.prices, split.test)
    losses = metrics.pinball_losses(targets(job.prices, split.test), forecasts.quantiles)
    days = (~np.isnan(losses)).sum(axis=0)
    pinball = np.nansum(losses, axis=0) / np.maximum(days, 1)  # a year that has just begun has no day at five days yet
    return Refit(cutoff, fitted.model, fitted.params, tuple(days.tolist()), tuple(pinball.tolist()))


def candidate(job: Job, family: Family, prices: pd.DataFrame, *, final: bool = True) -> Candidate:
    """Fit one family on these prices and export it, with its parameters for MLflow.

    Args:
        job: The job, whose table is named in the metadata.
        family: The family.
        prices: The rows up to the cutoff.
        final: Whether it may be published: it is checked on more windows then, and its parameters, which MLflow gets,
            include the truncation error of the window.
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
    data, parity = export(model, prices, metadata, CHECKED if final else CHECKED_REFIT)
    params = {f"head_{key}": value for key, value in model.head.params.items()} | dict(model.fitted.params)
    differences = asdict(parity)
    if final:
        history = HeadData(prices, job.pair, job.table.source)
        differences["truncation"] = truncation(model.head, history, family.inputs, CHECKED)
    # To one digit: how far the served numbers are from the model's, as a share of the price.
    parity_params = {f"parity_{name}": f"{value:.0e}" for name, value in differences.items()}
    return Candidate(
        family=family.name,
        model_type=family.model_type,
        model=data,
        metadata=metadata,
        params={"head": family.head, "seed": str(job.seed), **params, **parity_params},
    )


def candidate_at_cutoff(job: Job, family: Family, train: pd.DataFrame) -> Candidate:
    """Make the candidate that would have been published at the cutoff: it uses, and names, only the rows up to it."""
    table = replace(job.table, frame=train)
    table = replace(table, sha256=hashlib.sha256(table.serialised()).hexdigest())
    return candidate(replace(job, table=table), family, train, final=False)


def run_parallel(
    function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], workers: int, **options: Any
) -> Iterable[Any]:
    """Call the function with each tuple of arguments in a pool of processes; `options` are those of joblib."""
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", inner_max_num_threads=1):
        results: Iterable[Any] = Parallel(n_jobs=workers, **options)(delayed(function)(*call) for call in calls)
    return results
