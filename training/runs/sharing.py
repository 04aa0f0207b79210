"""The fits that all pairs share, made once a cutoff before the tasks, which then carry them wherever they run.

Left to the tasks, each process and each container would make them again. A run is frozen with them: were they kept by
the first task that needs them, an array whose tasks start together would make each as often as it has tasks.
"""

from collections.abc import Mapping, Sequence

from threadpoolctl import threadpool_limits

from training.models.heads.shared import Shared, find_shared, keep, kept
from training.prices.majors import Panel, panel
from training.runs.plan import Job, cutoffs


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
