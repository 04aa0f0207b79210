"""What the log tells: every step of the suite with the time that it took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 180.0  # of a loaded machine; nothing is asserted of time


class Steps:
    """Writes a line a step, past pytest's capturing; `write` takes one line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._began = time.monotonic()

    @contextmanager
    def __call__(self, words: str) -> Iterator[None]:
        """One step; its line comes when it is over, also when it failed."""
        began = time.monotonic()
        outcome = "failed: "
        try:
            yield
            outcome = ""
        finally:
            now = time.monotonic()
            self._write(f"  [{now - self._began:6.1f} s] {now - began:6.2f} s  {outcome}{words}")


def until(holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Waits until it holds; fails after `patience_s` seconds naming what it waited for."""
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s:.0f} s for {what}")
        time.sleep(0.02)
