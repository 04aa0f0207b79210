"""What a worker may do instead of its work: die. A module of its own, as workers import it."""

import os
import signal
from pathlib import Path

from training.runs.plan import Job, Task
from training.runs.results import Result
from training.runs.work import work


def dies_at_first(folder: Path, job: Job, task: Task) -> Result:
    """Task 1 kills its process the first time it is tried."""
    mark = folder / f"tried-{task.index}"
    if task.index == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(job, task)


def dies_always(job: Job, task: Task) -> Result:
    """Task 1 kills its process each time."""
    if task.index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(job, task)
