"""Ends runs of a champion that take too long."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import onnxruntime as ort

LOOKS_EVERY_S = 0.25


class Watchdog:
    """One thread for all runs of a process, started with the first. It looks now and then whether a run is over its
    time: a timer of its own for each run would cost ten times what a forecast does."""

    def __init__(self) -> None:
        self._due: dict[int, tuple[float, ort.RunOptions]] = {}
        self._pid = 0  # of the process in which the thread runs: a forked one has none
        self._lock = threading.Lock()

    @contextmanager
    def over(self, options: ort.RunOptions, seconds: float) -> Iterator[None]:
        """Sets `options.terminate` when the block takes longer than that: its run then ends with an error."""
        self._start()
        self._due[id(options)] = time.monotonic() + seconds, options
        try:
            yield
        finally:
            del self._due[id(options)]

    def _start(self) -> None:
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                threading.Thread(target=self._look, name="watchdog", daemon=True).start()
                self._pid = os.getpid()

    def _look(self) -> None:
        while True:
            time.sleep(LOOKS_EVERY_S)
            now = time.monotonic()
            for due, options in list(self._due.values()):
                if now > due:
                    options.terminate = True
