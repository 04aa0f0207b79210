"""A job's tasks on this machine: in this process, or in several by joblib's loky."""

from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeAlias

from joblib import Parallel, delayed, parallel_config

from training.runs.fit_task import work
from training.runs.jobs import Job, Result, Task

Work: TypeAlias = Callable[[Job, Task], Result]
TOGETHER = 2  # times that what is left is tried in one pool; whoever kills a worker there is then found one by one


def run_here(job: Job, tasks: Sequence[Task], on_refit: Callable[[str], None]) -> list[Result]:
    """One task after the other in this process."""
    return [work(job, task, on_refit) for task in tasks]


def run_workers(
    job: Job,
    tasks: Sequence[Task],
    workers: int,
    on_done: Callable[[Result], None] = lambda result: None,
    on_killed: Callable[[int], None] = lambda left: None,
    work: Work = work,
) -> list[Result]:
    """The results of all tasks but those whose process died each time; an error that a task raises is raised.

    A dead worker breaks its pool, so that its neighbours' work is lost too: what is left goes to a new pool, and at
    last each task to a pool of its own, so that a task that kills its process costs nobody else's result.
    """
    results: list[Result] = []

    def attempt(batch: Sequence[Task]) -> list[Task]:
        done = set()
        try:
            for result in _pool(job, batch, workers, work):
                results.append(result)
                done.add(result.task.index)
                on_done(result)
        except BrokenProcessPool:
            on_killed(len(batch) - len(done))
        return [task for task in batch if task.index not in done]

    left = list(tasks)
    for _ in range(TOGETHER):
        left = attempt(left) if left else left
    for task in left:
        attempt([task])
    return results


def _pool(job: Job, tasks: Sequence[Task], workers: int, work: Work) -> "Sequence[Result]":
    """The results as they come; at least two workers, as joblib runs one in this process."""
    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=max(2, workers), return_as="generator_unordered", batch_size=1, pre_dispatch="all")
        found: Sequence[Result] = pool(delayed(work)(job, task) for task in tasks)
    return found
