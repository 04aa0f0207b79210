"""How long an answer that could be given from memory may wait for the store."""

import math
import time
from collections.abc import Callable
from typing import Protocol

WAIT_S = 0.25


class Event(Protocol):
    """What is waited for, such as threading's."""

    def wait(self, timeout: float) -> bool:
        """Whether it came within so many seconds."""


class Allowance:
    """What one answer may wait in all, however many of its values are looked for."""

    def __init__(self, total_s: float = WAIT_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._total_s = total_s
        self._clock = clock
        self._began = -math.inf
        self._spent = 0.0

    def wait(self, done: Event) -> bool:
        """Whether it was done within what is left; an answer takes less than a second, so each second has it anew."""
        now = self._clock()
        if now - self._began > 1:
            self._began, self._spent = now, 0.0
        came = done.wait(max(self._total_s - self._spent, 0))
        self._spent += self._clock() - now
        return came
