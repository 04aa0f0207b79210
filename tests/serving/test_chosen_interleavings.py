"""Clicks in MLflow, publishing that is killed after any write, hourly runs, rollbacks, refusals and kills, interleaved:
generations only rise, only checked champions are active, no good pointer is refused, and all end in one state.

EXAMPLES and STEPS of the environment make it longer.
"""

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lambda_fn.jobs.activation import Refused
from lambda_fn.registry.webhook import AliasEvent
from lambda_fn.store import keys
from lambda_fn.store.object_store import Unavailable
from tests.serving.test_chosen import BAD, CHAMPIONS, POINTER, Service
from tests.serving.test_interleavings import AT, EXAMPLES, STEPS, Killed, StepStore, length
from tests.support import foreign, registry_fake

NAMES = st.sampled_from(sorted(CHAMPIONS))
DELIVERIES = st.integers(0, 2)
PUBLISHING_WRITES = 4  # champion, reservation, alias, pointer


class Promotions(RuleBasedStateMachine):
    """A service whose generation 1 is of EURUSD_A, with a registry that anybody may edit."""

    @initialize(signed=st.booleans())
    def begin(self, signed: bool) -> None:
        self.entered = ExitStack()
        folder = self.entered.enter_context(tempfile.TemporaryDirectory())
        self.service = Service(Path(folder), self.entered.enter_context(registry_fake.serving()), signed)
        self.service.register("Bad", data=BAD)
        self.steps: Any = StepStore(self.service.store)
        self.service.store = cast("Any", self.steps)
        self.highest = 1

    def teardown(self) -> None:
        if hasattr(self, "service"):
            try:
                self.check_that_all_end_in_one_state()
            finally:
                self.entered.close()

    def tell(self, name: str, times: int) -> None:
        for _ in range(times):
            with suppress(Refused, Unavailable):
                self.service.refresh(AliasEvent(f"EURUSD_{name}", self.service.now))

    def hourly(self) -> None:
        with suppress(Refused):
            self.service.refresh()

    @rule(name=NAMES, times=DELIVERIES)
    def somebody_chooses(self, name: str, times: int) -> None:
        self.service.click(f"EURUSD_{name}", is_delivered=False)
        self.tell(name, times)

    @rule(times=DELIVERIES)
    def somebody_chooses_a_bad_version(self, times: int) -> None:
        self.service.click("EURUSD_Bad", is_delivered=False)
        self.tell("Bad", times)

    @rule(name=NAMES, writes=st.integers(1, PUBLISHING_WRITES), times=DELIVERIES, late=st.booleans())
    def training_publishes(self, name: str, writes: int, times: int, late: bool) -> None:
        """It is killed after so many writes, unless it makes all; the event may come before the pointer."""
        service = self.service
        numbers = [int(Path(key).stem) for key in service.store.list("models/history")]
        generation = max([service.active.generation, *numbers]) + 1
        before = dict(service.registry.aliases)
        pointer = service.reserve(name, generation)
        if writes < PUBLISHING_WRITES - 1:
            service.registry.aliases.clear()
            service.registry.aliases.update(before)
        if writes == 1:
            service.store.delete(keys.history_key(generation))
        if not late:
            self.tell(name, times)
        if writes == PUBLISHING_WRITES:
            foreign.put(service.store, POINTER, pointer.to_json())
            with suppress(Refused):
                service.refresh(False)
        if late:
            self.tell(name, times)

    @rule()
    def the_champion_is_rolled_back(self) -> None:
        service = self.service
        if service.rollback()["outcome"] == "activated":
            model, version = service.active.pointer.model_name, service.active.champion.sha256
            self.hourly()
            if len(service.registry.holders()) == 1:  # with several, a choice that nobody saw may be among them
                assert (service.active.pointer.model_name, service.active.champion.sha256) == (model, version)

    @rule()
    def an_hour_passes(self) -> None:
        self.hourly()

    @rule(down=st.booleans())
    def mlflow_is_down_or_takes_no_changes(self, down: bool) -> None:
        self.service.registry.is_down, self.service.registry.fails_to_change = down, not down
        self.hourly()
        self.service.registry.is_down = self.service.registry.fails_to_change = False

    @rule(job=st.sampled_from(["hourly", "roll_back", "choose"]), at=AT)
    def a_job_is_killed(self, job: str, at: int) -> None:
        def kill() -> None:
            raise Killed

        jobs: dict[str, Callable[[], object]] = {
            "hourly": self.hourly,
            "roll_back": self.service.rollback,
            "choose": lambda: self.somebody_chooses("B", 1),
        }
        self.steps.at, self.steps.then = at, kill
        try:
            with suppress(Killed):
                jobs[job]()
        finally:
            self.steps.at = -1

    @invariant()
    def generations_only_rise_and_champions_were_checked(self) -> None:
        if hasattr(self, "service"):
            active = self.service.active
            assert active.generation >= self.highest
            self.highest = active.generation
            assert active.pointer.model_name != "EURUSD_Bad"

    def check_that_all_end_in_one_state(self) -> None:
        """Two runs later nothing changes, no good pointer was refused, and the next choice is served and shown."""
        service = self.service
        for _ in range(2):
            self.hourly()
        before = service.store.read(keys.active_key()).data
        for name in (*CHAMPIONS, "Bad"):
            if (f"EURUSD_{name}", "1") not in service.registry.holders():
                service.refresh(AliasEvent(f"EURUSD_{name}", service.now))
        assert service.store.read(keys.active_key()).data == before
        self.generations_only_rise_and_champions_were_checked()
        for key in service.store.list("serving/refused"):
            record = json.loads(service.store.read(key).data)
            assert "superseded_by" in record or "rolled_back_to" in record or "Bad" in str(record["pointer"]), record
        service.click("EURUSD_C")
        assert service.active.pointer.model_name == "EURUSD_C"
        assert service.tag("C").startswith(f"active as generation {service.active.generation} ")
        assert ("EURUSD_C", "1") in service.registry.holders()


TestPromotions = Promotions.TestCase
TestPromotions.settings = length(max(3, EXAMPLES // 2), STEPS)
