"""Execution of a job's tasks on this machine: in this process, or in several by joblib's loky."""

from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeAlias

from joblib import Parallel, delayed, parallel_config

from training.runs.fit_task import run_task
from training.runs.jobs import Job, Result, Task

Work: TypeAlias = Callable[[Job, Task], Result]
POOL_ATTEMPTS = 2  # attempts in a shared pool; what is still unfinished then runs in a pool of its own


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
            for result in _run_pool(job, batch, workers, work):
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


def _run_pool(job: Job, tasks: Sequence[Task], workers: int, work: Work) -> "Sequence[Result]":
    """The results as they are finished; at least two workers, as joblib runs a single one in this process.

    Args:
        job: The job.
        tasks: The tasks of it to run.
        workers: The number of processes.
        work: Runs a task.
    """
    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=max(2, workers), return_as="generator_unordered", batch_size=1, pre_dispatch="all")
        results: Sequence[Result] = pool(delayed(work)(job, task) for task in tasks)
    return results
