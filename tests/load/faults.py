"""Each fault of a store by the real clock: how long an answer takes meanwhile, and when the service is itself again.

    python -m tests.load.faults --seconds 5

With something in memory every answer is 200 and of what was there before, in at most 0.3 s, and the newest is served
5 s after the store is back. With nothing every answer is 503 within 2 s, and the first 200 comes 3 s after the store.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from lambda_fn.api import App, handle_event
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import fault_proxy, foreign, seaweedfs
from tests.support.events import event
from tests.support.fault_proxy import FAULTS, Proxy

EVERY_S = 0.05  # between two questions
PATIENCE_S = 30.0
LIMITS = (0.3, 5.0, 2.0, 3.0)  # of the columns
CLOSES: list[float] = foreign.closes(foreign.WINDOW).tolist()
QUESTIONS = (event("GET", "/api/predict"), event("POST", "/api/predict", {}, {"close": CLOSES}))


class Measured(NamedTuple):
    """Seconds: the slowest answer and the way back, with something in memory and with nothing."""

    slowest: float
    itself_again: float
    slowest_503: float
    first_200: float


@dataclass
class Scene:
    """A bucket behind a proxy, and the generation that is active in it."""

    direct: Settings
    proxy: Proxy
    generation: int = 0

    def promote(self) -> None:
        """Past the proxy."""
        self.generation += 1
        store = open_store(self.direct, patient=True)
        foreign.publish_to(store, foreign.champion_bytes(spread=0.004 + self.generation % 9 / 1e3), self.generation)
        refresh(store, self.direct, datetime.now(UTC))

    def app(self) -> App:
        """With nothing in memory."""
        settings = self.direct._replace(s3_endpoint=self.proxy.endpoint)
        return App(open_store(settings), settings, time.time)

    def struck(self, fault: str) -> AbstractContextManager[None]:
        if fault == "refused":
            return fault_proxy.refusing(self.proxy)
        return _each(self.proxy, fault)


@contextmanager
def _each(proxy: Proxy, fault: str) -> Iterator[None]:
    proxy.choose = lambda path: fault
    try:
        yield
    finally:
        proxy.choose = lambda path: None


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    with seaweedfs.running(folder) as s3, seaweedfs.variables(s3.environ()), fault_proxy.before(s3.endpoint) as proxy:
        found = Scene(Settings.from_env(s3.environ())._replace(champion_max_age_s=1.0), proxy)
        found.promote()
        yield found


def _asked(app: App, seconds: float) -> Iterator[tuple[float, dict[str, Any]]]:
    """How long each answer took, and the answer, for so many seconds."""
    began, number = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        asked = time.monotonic()
        answer = handle_event(app, QUESTIONS[number % len(QUESTIONS)])
        yield time.monotonic() - asked, answer
        number += 1
        time.sleep(EVERY_S)


def _until(app: App, wanted: str) -> float:
    """Seconds until every kind of question is answered with these words."""
    began = time.monotonic()
    while not all(wanted in handle_event(app, question)["body"] for question in QUESTIONS):
        if time.monotonic() - began > PATIENCE_S:
            raise AssertionError(f"waited {PATIENCE_S:g} s for {wanted}")
        time.sleep(EVERY_S)
    return time.monotonic() - began


def measure(found: Scene, fault: str, seconds: float) -> Measured:
    """Raises AssertionError for an answer that should not be."""
    app, cold = found.app(), found.app()
    before = f'"generation": {found.generation},'
    _until(app, before)
    with found.struck(fault):
        found.promote()
        took, answers = zip(*_asked(app, seconds), strict=True)
        assert all(answer["statusCode"] == 200 and before in answer["body"] for answer in answers)
    back = _until(app, f'"generation": {found.generation},')
    with found.struck(fault):
        took_503, answers = zip(*_asked(cold, seconds), strict=True)
        assert all(answer["statusCode"] == 503 and "Retry-After" in answer["headers"] for answer in answers)
    return Measured(max(took), back, max(took_503), _until(cold, before.partition(" ")[0]))


def main() -> int:
    asked = argparse.ArgumentParser("python -m tests.load.faults", description="Faults of a store by the real clock.")
    asked.add_argument("--seconds", type=float, default=5, help="of each fault, with and without memory")
    asked.add_argument("--only", default="", help="one of them")
    options = asked.parse_args()
    logging.getLogger("lambda_fn").addHandler(logging.NullHandler())
    table = Table("fault", "slowest answer", "itself again", "slowest 503", "first 200", box=None)
    worst = [0.0] * len(LIMITS)
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as found:
        names = [name for name in ("refused", *FAULTS) if options.only in name]
        for name in track(names, "faults", console=Console(stderr=True)):
            measured = measure(found, name, options.seconds)
            table.add_row(name, *(f"{seconds:.3f} s" for seconds in measured))
            worst = [max(pair) for pair in zip(worst, measured, strict=True)]
    table.add_row("at most", *(f"{seconds:.3f} s" for seconds in worst), style="bold")
    Console().print(table)
    return 1 if any(seconds > limit for seconds, limit in zip(worst, LIMITS, strict=True)) else 0


if __name__ == "__main__":
    sys.exit(main())
