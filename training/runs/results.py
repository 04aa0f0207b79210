"""What the tasks of a run leave: the exported refits of each."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from training.runs.plan import Task


@dataclass(frozen=True)
class Refit:
    """One exported fit. `days` and `pinball` are of its own year, a number a horizon; empty where it is not scored."""

    cutoff: pd.Timestamp
    model: bytes  # the champion file
    params: Mapping[str, float | str]
    days: tuple[int, ...] = ()
    pinball: tuple[float, ...] = ()  # percent of log return


@dataclass(frozen=True)
class Result:
    """What a task leaves."""

    task: Task
    refits: tuple[Refit, ...]
    seconds: float
