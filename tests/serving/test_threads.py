"""Threads of a server that ask one App while champions are swapped, and when the store has gone: each gets good answers
that never go back."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.api import App
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import last_known_good
from lambda_fn.store.folder import FolderStore
from lambda_fn.store.objects import Blob, Unavailable
from tests.support import foreign
from tests.support.events import event
from tests.support.server_process import until

THREADS, SWAPS = 4, 3
SPREADS = (0.004, 0.005, 0.006)
QUESTIONS: list[dict[str, Any]] = [
    event("GET", "/api/predict"),
    event("POST", "/api/predict", {}, {"close": foreign.closes(foreign.WINDOW).tolist()}),
    event("GET", "/health"),
]


class Leaving(FolderStore):
    """Can be read until it is `gone`; `refused` are the keys that were read in vain."""

    gone = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.refused: set[str] = set()

    def read(self, key: str, unless_etag: str | None = None) -> Blob | None:  # type: ignore[override]
        if self.gone:
            self.refused.add(key)
            raise Unavailable("gone")
        return super().read(key, unless_etag)


class Asker:
    """Asks every question again and again until `ended`; `newest` are the generations of the last answers."""

    def __init__(self, app: App, ended: threading.Event) -> None:
        self._app, self._ended = app, ended
        self.newest = [0] * len(QUESTIONS)
        self.rounds = 0

    def run(self) -> None:
        while not self._ended.is_set():
            for number, question in enumerate(QUESTIONS):
                generation = self._ask(question)
                assert generation >= self.newest[number]
                self.newest[number] = generation
            self.rounds += 1

    def _ask(self, question: dict[str, Any]) -> int:
        answer = self._app.resolve(question)
        assert answer["statusCode"] == 200, answer["body"]
        content = json.loads(answer["body"])
        generation: int = content["champion"]["generation"]
        if "forecast" in content:
            quantiles = content["forecast"][0]["quantiles"]
            width = (quantiles["0.975"] - quantiles["0.025"]) / content["last_close"]
            assert width == pytest.approx(0.95 * SPREADS[generation % len(SPREADS)], abs=1e-5)
        return generation


@pytest.fixture
def eager() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual: what can go wrong between two of them does."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager")
def test_no_thread_gets_a_wrong_answer_or_one_older_than_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_known_good, "LEAST_BESIDE_S", 0.0)
    settings = Settings.from_env({"STORE_DIR": str(tmp_path), "CHAMPION_MAX_AGE_S": "0.1"})
    store, ended = Leaving(tmp_path), threading.Event()

    def promote(generation: int) -> None:
        data = foreign.champion_bytes(spread=SPREADS[generation % len(SPREADS)])
        foreign.publish_to(store, data, generation)
        refresh(store, settings, datetime.now(UTC))

    promote(1)
    app = App(store, settings, time.time, beside=True)
    askers = [Asker(app, ended) for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(asker.run) for asker in askers]

        def wait(holds: Callable[[], bool], what: str) -> None:
            """Until it holds, or an asker has failed."""
            until(lambda: holds() or any(each.done() for each in running), what)

        def wait_for_champion(generation: int) -> None:
            wait(lambda: all(min(asker.newest) == generation for asker in askers), f"generation {generation}")

        try:
            wait_for_champion(1)
            for generation in range(2, SWAPS + 2):
                promote(generation)
                wait_for_champion(generation)
            store.gone = True
            wait(lambda: len(store.refused) > 1, "forecast and champion to be looked for")
            goals = [asker.rounds + 2 for asker in askers]
            wait(lambda: all(asker.rounds >= goal for asker, goal in zip(askers, goals, strict=True)), "more answers")
        finally:
            ended.set()
        for each in running:
            each.result()
    assert {min(asker.newest) for asker in askers} == {SWAPS + 1}
