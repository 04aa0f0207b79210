"""Workers that die instead of working. A module of its own, as workers import it."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeAlias

from tests.support.server_process import until
from training.commands.context import Context
from training.errors import NamedError
from training.runs.jobs import Job, Result, Task

Work: TypeAlias = Callable[[Job, Task], Result]


def work(job: Job, task: Task) -> Result:
    """The real work, which imports what a fit needs."""
    from training.runs.task_runner import run_task

    return run_task(job, task)


@dataclass(frozen=True)
class Finished:
    """Work that was done before: it costs a worker no imports and no fits."""

    results: Mapping[int, Result]  # by the index of their task

    def __call__(self, job: Job, task: Task) -> Result:
        return self.results[task.index]


@dataclass(frozen=True)
class DiesAtFirst:
    """Kill the process of task 1 the first time that it is tried; `folder` remembers that."""

    work: Work
    folder: Path

    def __call__(self, job: Job, task: Task) -> Result:
        mark = self.folder / f"tried-{task.index}"
        if task.index == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work(job, task)


@dataclass(frozen=True)
class DiesAlways:
    """Kill the process of task 1 each time."""

    work: Work

    def __call__(self, job: Job, task: Task) -> Result:
        if task.index == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work(job, task)


def meet(folder: Path, context: Context, workers: int = 0) -> NoReturn:
    """Work of a pair that is done in a worker process only together with another pair's."""
    pair = context.settings.pair
    if workers:
        (folder / f"here-{pair}").touch()
        until(lambda: len(list(folder.glob("here-*"))) == 2, "another pair")
        with (folder / "met").open("a") as file:
            file.write(f"{pair}\n")
    raise NamedError("no work")


def kill(folder: Path, context: Context, workers: int = 0) -> NoReturn:
    """Work of a pair that kills its process, if it is a worker."""
    if workers and context.settings.pair == "EURGBP":
        os.kill(os.getpid(), signal.SIGKILL)
    raise NamedError("no work")
