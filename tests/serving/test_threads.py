"""Threads of a server that ask one App while champions are swapped, and when the store has gone: each gets good answers
that never go back."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.api import App
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.folder import FolderStore
from lambda_fn.store.objects import Blob, Unavailable
from tests.support import foreign
from tests.support.events import event
from tests.support.server_process import until

THREADS, SWAPS = 6, 4
SPREADS = (0.004, 0.005, 0.006)
QUESTIONS: list[dict[str, Any]] = [
    event("GET", "/api/predict"),
    event("POST", "/api/predict", {}, {"close": foreign.closes(foreign.WINDOW).tolist()}),
    event("GET", "/health"),
]


class Leaving(FolderStore):
    """Can be read until it is `gone`."""

    gone = False

    def read(self, key: str, unless_etag: str | None = None) -> Blob | None:  # type: ignore[override]
        if self.gone:
            raise Unavailable("gone")
        return super().read(key, unless_etag)


@pytest.fixture
def eager() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual: what can go wrong between two of them does."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


def generation_of(app: App, question: dict[str, Any]) -> int:
    found: int = json.loads(app.resolve(question)["body"])["champion"]["generation"]
    return found


@pytest.mark.usefixtures("eager")
def test_no_thread_gets_a_wrong_answer_or_one_older_than_before(tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path), "CHAMPION_MAX_AGE_S": "1"})
    store, ended = Leaving(tmp_path), threading.Event()

    def promote(generation: int) -> None:
        data = foreign.champion_bytes(spread=SPREADS[generation % len(SPREADS)])
        foreign.publish_to(store, data, generation)
        refresh(store, settings, datetime.now(UTC))

    def ask() -> int:
        newest = [0] * len(QUESTIONS)
        while not ended.is_set():
            for number, question in enumerate(QUESTIONS):
                answer = app.resolve(question)
                assert answer["statusCode"] == 200, answer["body"]
                found = json.loads(answer["body"])
                generation = found["champion"]["generation"]
                assert generation >= newest[number]
                newest[number] = generation
                if "forecast" in found:
                    quantiles = found["forecast"][0]["quantiles"]
                    width = (quantiles["0.975"] - quantiles["0.025"]) / found["last_close"]
                    assert width == pytest.approx(0.95 * SPREADS[generation % len(SPREADS)], abs=1e-5)
        return min(newest)

    promote(1)
    app = App(store, settings, time.time, beside=True)
    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(ask) for _ in range(THREADS)]
        try:
            for generation in range(2, SWAPS + 2):
                time.sleep(0.5)
                promote(generation)
            until(lambda: all(generation_of(app, question) == SWAPS + 1 for question in QUESTIONS), "the last champion")
            store.gone = True
            time.sleep(2)
        finally:
            ended.set()
        assert {done.result() for done in asked} == {SWAPS + 1}
