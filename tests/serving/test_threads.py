"""Threads call one App while champions change and after the store fails: answers are right and never go back."""

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

from lambda_fn.api import App, handle_event
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import cache
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Blob, Unavailable
from tests.support import foreign
from tests.support.events import event
from tests.support.server_process import until

THREADS, SWAPS = 4, 3
SPREADS = (0.004, 0.005, 0.006)
REQUESTS: list[dict[str, Any]] = [
    event("GET", "/api/predict"),
    event("POST", "/api/predict", {}, {"close": foreign.closes(foreign.WINDOW).tolist()}),
    event("GET", "/health"),
]


class FailingStore(FolderStore):
    """A folder that refuses reads once it is `down`; `refused` are the keys of these reads."""

    down = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.refused: set[str] = set()

    def read(self, key: str, unless_etag: str | None = None) -> Blob | None:  # type: ignore[override]
        if self.down:
            self.refused.add(key)
            raise Unavailable("down")
        return super().read(key, unless_etag)


class Caller:
    """Sends every request again and again until `ended`; `newest` are the generations of the last answers."""

    def __init__(self, app: App, ended: threading.Event) -> None:
        self._app, self._ended = app, ended
        self.newest = [0] * len(REQUESTS)
        self.rounds = 0

    def run(self) -> None:
        while not self._ended.is_set():
            for number, request in enumerate(REQUESTS):
                generation = self._call(request)
                assert generation >= self.newest[number]
                self.newest[number] = generation
            self.rounds += 1

    def _call(self, request: dict[str, Any]) -> int:
        answer = handle_event(self._app, request)
        assert answer["statusCode"] == 200, answer["body"]
        content = json.loads(answer["body"])
        generation: int = content["champion"]["generation"]
        if "forecast" in content:
            quantiles = content["forecast"][0]["quantiles"]
            width = (quantiles["0.975"] - quantiles["0.025"]) / content["last_close"]
            assert width == pytest.approx(0.95 * SPREADS[generation % len(SPREADS)], abs=1e-5)
        return generation


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Switch between threads a thousand times as often as usual, so that races show."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("frequent_switches")
def test_no_thread_gets_a_wrong_answer_or_one_older_than_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MIN_BACKGROUND_MAX_AGE_S", 0.0)
    settings = Settings.from_env({"STORE_DIR": str(tmp_path), "CHAMPION_MAX_AGE_S": "0.1"})
    store, ended = FailingStore(tmp_path), threading.Event()

    def promote(generation: int) -> None:
        data = foreign.champion_bytes(spread=SPREADS[generation % len(SPREADS)])
        foreign.publish_to(store, data, generation)
        refresh(store, settings, datetime.now(UTC))

    promote(1)
    app = App(store, settings, time.time, background_refresh=True)
    callers = [Caller(app, ended) for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(caller.run) for caller in callers]

        def wait(holds: Callable[[], bool], what: str) -> None:
            """Wait until it holds, or until a caller fails."""
            until(lambda: holds() or any(future.done() for future in running), what)

        def wait_for_champion(generation: int) -> None:
            wait(lambda: all(min(caller.newest) == generation for caller in callers), f"generation {generation}")

        try:
            wait_for_champion(1)
            for generation in range(2, SWAPS + 2):
                promote(generation)
                wait_for_champion(generation)
            store.down = True
            wait(lambda: len(store.refused) > 1, "forecast and champion to be looked for")
            goals = [caller.rounds + 2 for caller in callers]
            wait(
                lambda: all(caller.rounds >= goal for caller, goal in zip(callers, goals, strict=True)), "more answers"
            )
        finally:
            ended.set()
        for future in running:
            future.result()
    assert {min(caller.newest) for caller in callers} == {SWAPS + 1}
