"""Whatever is published, lost, repeated, interleaved or killed, and whatever the clock does: what readers see was
checked, never goes back, and all of them end at the same. On a folder, and shorter on a real S3 server.

The short form of `make soak`: EXAMPLES and STEPS of the environment make it longer.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lambda_fn import ingest
from lambda_fn.api import App, handle_event
from lambda_fn.jobs.activation import Refused
from lambda_fn.refresh import refresh, rollback
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import BACK_OFF_S
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign, seaweedfs
from tests.support.ecb_server import DAYS, history
from tests.support.events import event
from tests.support.local_api import Clock

EXAMPLES, STEPS = (int(os.environ.get(name, usual)) for name, usual in (("EXAMPLES", "10"), ("STEPS", "14")))
FIRST_ROWS = foreign.WINDOW + 2
READERS = 2
CLOSES = foreign.closes(foreign.WINDOW).tolist()
POINTER = "models/best_model_info.json"
SPREADS = st.sampled_from([0.004, 0.005, 0.006, 0.007])
AT = st.integers(0, 25)  # the store operation before which something happens; beyond the last: nothing does
EVENTS = st.integers(0, 2)
OPERATIONS = "read", "head", "tail", "create", "replace", "list", "delete"
SHIFT = st.integers(-400_000, 400_000)  # seconds


class Killed(BaseException):
    """Ends a job as a kill does: no handler of errors sees it."""


class StepStore:
    """A store that does `then` before its operation number `at`, once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.at = -1
        self.then: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        if name in OPERATIONS:
            self.at -= 1
            if self.at == -1:
                self.then()
        return getattr(self._store, name)


class Service(RuleBasedStateMachine):
    """A store, the jobs on it, and readers that stay."""

    def open(self) -> Store:
        """The store for whoever is neither stopped nor interrupted. A bucket's may be slow here, and is waited for."""
        return open_store(self.settings, patient=True)

    @contextmanager
    def place(self) -> Iterator[dict[str, str]]:
        """The environment of an empty store."""
        with tempfile.TemporaryDirectory() as folder:
            yield {"STORE_DIR": folder}

    @initialize()
    def begin(self) -> None:
        self.entered = self.place()
        self.settings = Settings.from_env(self.entered.__enter__())
        self.store: Any = StepStore(self.open())
        self.clock = Clock()
        self.rows = FIRST_ROWS
        self.published: list[bytes] = []  # pointers, good and bad, in their order
        self.good: dict[str, float] = {}  # the spread of each champion that may be served, by its digest
        self.newest = 0  # generation that anybody made
        self.seen = [(0, DAYS[0])] * READERS  # the newest that each reader saw of GETs
        self.posted = [0] * READERS  # and of POSTs
        self.ledger: dict[str, bytes] = {}
        self.readers = [App(self.open(), self.settings, self.clock) for _ in range(READERS)]
        self.take_prices()
        self.publish(0.005)
        self.activate()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            try:
                self.check_that_all_end_at_the_same()
            finally:
                self.entered.__exit__(None, None, None)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def take_prices(self) -> None:
        ingest.ingest_and_forecast(self.store, self.settings, self.now, fetch=lambda _: history(self.rows))

    def activate(self) -> None:
        with suppress(Refused):
            refresh(self.store, self.settings, self.now)

    # What happens

    @rule(spread=SPREADS, events=EVENTS)
    def a_champion_is_published(self, spread: float, events: int) -> None:
        self.publish(spread)
        self._tell(events)

    @rule()
    def the_champion_is_rolled_back(self) -> None:
        self.newest = max(self.newest, rollback(self.store, self.settings, True, self.now)["generation"])

    @rule(events=EVENTS)
    def a_bad_champion_is_published(self, events: int) -> None:
        self._publish(foreign.champion_bytes(drift=0.5))
        self._tell(events)

    def _tell(self, events: int) -> None:
        """The store's event of a new pointer: it may be lost or come twice."""
        for _ in range(events):
            self.activate()

    def publish(self, spread: float) -> None:
        data = foreign.champion_bytes(spread=spread)
        self.good[hashlib.sha256(data).hexdigest()] = spread
        self._publish(data)

    def _publish(self, data: bytes) -> None:
        prices = self.open().read(keys.price_key("EURUSD", "ecb")).data
        self.newest += 1
        foreign.publish_to(self.open(), data, self.newest, prices)
        self.published.append(self.open().read(POINTER).data)

    @precondition(lambda self: len(self.published) > 1)
    @rule(data=st.data(), events=EVENTS)
    def an_old_pointer_comes_late(self, data: st.DataObject, events: int) -> None:
        foreign.put(self.open(), POINTER, data.draw(st.sampled_from(self.published)))
        self._tell(events)

    @precondition(lambda self: self.rows < len(DAYS))
    @rule(ingested=st.booleans())
    def a_day_passes(self, ingested: bool) -> None:
        self.rows += 1
        if ingested:
            self.take_prices()

    @rule()
    def ingest_runs(self) -> None:
        self.take_prices()

    @precondition(lambda self: self.rows > FIRST_ROWS)
    @rule(refreshed=st.booleans())
    def the_prices_are_those_of_an_older_version(self, refreshed: bool) -> None:
        key = keys.price_key("EURUSD", "ecb")
        lines = self.open().read(key).data.splitlines(keepends=True)
        foreign.put(self.open(), key, b"".join(lines[: FIRST_ROWS + 1]))
        if refreshed:
            self.activate()

    @rule()
    def refresh_runs(self) -> None:
        self.activate()

    @rule(shift=SHIFT)
    def the_clock_jumps(self, shift: int) -> None:
        self.clock.ahead(shift)

    @rule(job=st.sampled_from(["activate", "take_prices", "go_back"]), at=AT)
    def a_job_is_killed(self, job: str, at: int) -> None:
        def kill() -> None:
            raise Killed

        self._meanwhile(getattr(self, job), at, kill)

    @rule(
        job=st.sampled_from(["activate", "take_prices"]),
        other=st.sampled_from(["activate", "take_prices", "publish_another", "an_old_one", "go_back"]),
        at=AT,
    )
    def a_job_runs_within_another(self, job: str, other: str, at: int) -> None:
        self._meanwhile(getattr(self, job), at, getattr(self, other))

    def go_back(self) -> None:
        rollback(self.store, self.settings, True, self.now)

    def publish_another(self) -> None:
        self.publish(0.0055)

    def an_old_one(self) -> None:
        foreign.put(self.open(), POINTER, self.published[0])

    def _meanwhile(self, job: Callable[[], None], at: int, then: Callable[[], None]) -> None:
        self.store.at, self.store.then = at, then
        try:
            with suppress(Killed):
                job()
        finally:
            self.store.at = -1

    # What readers see

    @invariant()
    def readers_never_go_back(self) -> None:
        if not hasattr(self, "store"):
            return
        self.clock.ahead(self.settings.champion_max_age_s)
        for reader in range(READERS):
            self._ask(reader)

    def _ask(self, reader: int) -> tuple[int, object]:
        """The generation and the day of a GET, whose numbers, as a POST's, are those of a champion that was checked."""
        found = self._answer(reader, event("GET", "/api/predict"))
        seen = found["champion"]["generation"], datetime.fromisoformat(found["as_of"]).date()
        assert seen >= self.seen[reader], "what a reader saw was newer"
        self.seen[reader] = seen
        generation = self._answer(reader, event("POST", "/api/predict", body={"close": CLOSES}))["champion"][
            "generation"
        ]
        assert generation >= self.posted[reader], "what a reader saw was newer"
        self.posted[reader] = generation
        return seen

    def _ask_for_the_newest(self, reader: int) -> tuple[int, object]:
        """Of a slow store nobody waits for, it is the answer after this one."""
        for _ in range(20):
            found = self._ask(reader)
            if not self._answer(reader, event("GET", "/api/predict"))["stale"]:
                break
            self.clock.ahead(BACK_OFF_S)
        return found

    def _answer(self, reader: int, request: dict[str, Any]) -> Any:
        answer = handle_event(self.readers[reader], request)
        found = json.loads(answer["body"])
        assert answer["statusCode"] == 200, found
        low, high = (found["forecast"][0]["quantiles"][level] for level in ("0.025", "0.975"))
        width = 0.95 * self.good[found["champion"]["sha256"]]
        assert (high - low) / found["last_close"] == pytest.approx(width, abs=1e-5), "a champion that nobody checked"
        return found

    @invariant()
    def the_ledger_only_grows(self) -> None:
        if not hasattr(self, "store"):
            return
        store = self.open()
        found = {key: store.read(key).data for key in store.list("record/EURUSD")}
        assert self.ledger.items() <= found.items()
        self.ledger = found

    def check_that_all_end_at_the_same(self) -> None:
        """Whatever was stopped is made up for by the jobs' next turns."""
        self.clock.ahead(timedelta(days=30).total_seconds())
        self.activate()
        self.take_prices()
        self.clock.ahead(timedelta(minutes=2).total_seconds())
        ends = {self._ask_for_the_newest(reader) for reader in range(READERS)}
        self.activate()
        self.take_prices()
        self.readers.append(App(self.open(), self.settings, self.clock))
        self.seen.append((0, DAYS[0]))
        self.posted.append(0)
        assert ends == {self._ask_for_the_newest(READERS)}
        assert ends == {(max(self.seen)[0], DAYS[self.rows - 1])}
        self.the_ledger_only_grows()


def length(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize="EXAMPLES" not in os.environ,
        phases=[phase for phase in Phase if phase != Phase.shrink or "EXAMPLES" in os.environ],
    )


TestService = Service.TestCase
TestService.settings = length(EXAMPLES, STEPS)


@pytest.mark.skipif(not seaweedfs.installed(), reason="its server is for Linux only")
def test_on_a_real_bucket(bucket_environ: dict[str, str]) -> None:
    class OnBucket(Service):
        @contextmanager
        def place(self) -> Iterator[dict[str, str]]:
            store = open_store(Settings.from_env(bucket_environ), patient=True)
            for key in store.list(""):
                store.delete(key)
            yield bucket_environ

    run_state_machine_as_test(OnBucket, settings=length(max(2, EXAMPLES // 5), max(8, STEPS // 2)))
