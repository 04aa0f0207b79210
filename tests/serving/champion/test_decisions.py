"""Whether a pointer is activated, for each state of the store, and what an hour with nothing new costs."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.contract import MAX_FIRST_GENERATION, MAX_GENERATION_STEP, Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Decision, Snapshot, decide
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.dying_store import DyingStore, Killed

NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
POINTER = foreign.pointer_to(foreign.champion_bytes(), foreign.price_file(), 3)
OTHER = foreign.pointer_to(foreign.champion_bytes(spread=0.006), foreign.price_file(), 3)
ROLLBACK = "rollback to generation 2, as generation 4"
STEP = MAX_GENERATION_STEP


def active(pointer: Pointer, generation: int) -> Active:
    assert pointer.champion is not None
    key = keys.serving_key(pointer.champion.sha256)
    return Active(replace(pointer, generation=generation), pointer.champion, generation, NOW, key)


# The generation of active.json or None, the last one, the pointer's file and generation, whether it was rolled back;
# the generation that is activated, None if nothing is, or the error.
ACTIVATED = [
    (None, None, POINTER, 3, False, 3),
    (None, None, POINTER, None, False, 1),
    (None, None, POINTER, 3, True, 3),  # nothing was ever active
    (None, None, POINTER, MAX_FIRST_GENERATION, False, MAX_FIRST_GENERATION),
    (3, 3, POINTER, 3, False, None),
    (3, 3, POINTER, None, False, None),
    (3, 3, POINTER, 3, True, None),  # its own champion is active
    (3, 3, POINTER, 4, False, 4),  # the same file as a new deployment
    (3, 3, OTHER, None, False, 4),
    (3, 3, OTHER, 3 + STEP, False, 3 + STEP),
    (3, 3, OTHER, 4, True, None),
    (None, 3, POINTER, 3, False, 3),  # active.json is lost
    (None, 3, OTHER, 4, False, 4),
]
REJECTED = [
    (None, None, POINTER, MAX_FIRST_GENERATION + 1, False),
    (3, 3, POINTER, 2, False),
    (3, 3, OTHER, 3, False),
    (3, 3, OTHER, 4 + STEP, False),
    (None, 3, OTHER, 2, False),
]


def snapshot(now: int | None, last: int | None, pointer: Pointer, generation: int | None, skipped: bool) -> Snapshot:
    assert pointer.champion is not None
    published = replace(pointer, generation=generation)
    states = [active(POINTER, number) if number else None for number in (now, last)]
    return Snapshot(states[0], states[1], published, pointer.champion, ROLLBACK if skipped else None)


@pytest.mark.parametrize("case", ACTIVATED)
def test_what_is_activated(case: Any) -> None:
    *state, expected = case
    decision = decide(snapshot(*state))
    assert decision.generation == expected
    assert decision.reason.startswith(
        (f"{POINTER.model_name} version " if expected else "generation 3 is active", f"{ROLLBACK}; ")
    )


@pytest.mark.parametrize("case", REJECTED)
def test_what_may_not_follow(case: Any) -> None:
    with pytest.raises(ContractError, match=r"^pointer\.(generation|champion\.sha256): .*; "):
        decide(snapshot(*case))


def test_a_decision_to_skip_says_why() -> None:
    decision = decide(snapshot(3, 3, OTHER, 4, True))
    assert decision == Decision(None, decision.reason) and str(decision.reason).startswith(f"{ROLLBACK}; ")


class CountingStore(FolderStore):
    """Counts its calls by method and key."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.calls = Counter[str]()

    def read(self, key: str, unless_etag: str | None = None) -> Any:
        self.calls[f"read {key}"] += 1
        return super().read(key, unless_etag)

    def create(self, key: str, data: bytes) -> bool:
        self.calls[f"create {key}"] += 1
        return super().create(key, data)

    def list(self, prefix: str) -> list[str]:
        self.calls[f"list {prefix}"] += 1
        return super().list(prefix)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"STORE_DIR": str(tmp_path)})


@pytest.fixture
def store(settings: Settings) -> Store:
    store = open_store(settings)
    foreign.publish_to(store, generation=3)
    return store


@pytest.mark.parametrize("damage", [None, b"{}", b"not JSON"], ids=["lost", "empty", "damaged"])
def test_an_hour_with_nothing_new_repairs_the_track_record(
    damage: bytes | None, store: Store, settings: Settings
) -> None:
    refresh(store, settings, NOW)
    record = store.read(keys.record_key()).data
    store.delete(keys.record_key())
    if damage is not None:
        assert store.create(keys.record_key(), damage)
    assert refresh(store, settings, NOW + timedelta(hours=1)).forecast.outcome == "unchanged"
    rebuilt = json.loads(store.read(keys.record_key()).data)
    assert rebuilt.keys() == json.loads(record).keys() and rebuilt["backtest"] == json.loads(record)["backtest"]


def test_an_hour_with_nothing_new_reads_six_objects_once(store: Store, settings: Settings, tmp_path: Path) -> None:
    counted = CountingStore(tmp_path)
    assert refresh(counted, settings, NOW).activation.outcome == "activated"
    assert counted.calls[f"read {keys.active_key()}"] == 1
    counted.calls.clear()
    result = refresh(counted, settings, NOW + timedelta(hours=1))
    assert (result.activation.outcome, result.forecast.outcome) == ("unchanged", "unchanged")
    copy = Active.parse(store.read(keys.active_key()).data).serving_key
    records = {keys.active_key(), keys.forecast_key(), keys.record_key()}
    expected = {*records, settings.model_info_key, copy, keys.price_key("EURUSD", "ecb")}
    assert counted.calls == {f"read {key}": 1 for key in expected}


@pytest.mark.parametrize("kill", range(1, 9))
def test_what_a_killed_refresh_left_undone_the_next_one_does(
    kill: int, store: Store, settings: Settings, tmp_path: Path
) -> None:
    dying = DyingStore(tmp_path, kill)
    try:
        refresh(dying, settings, NOW)
    except Killed:
        refresh(store, settings, NOW + timedelta(hours=1))
    found = store.list("serving")
    assert {keys.active_key(), keys.activated_key(3), keys.forecast_key(), keys.record_key()} <= set(found)


def test_a_lost_record_is_written_before_another_activation_takes_its_place(store: Store, settings: Settings) -> None:
    refresh(store, settings, NOW)
    record = store.read(keys.activated_key(3)).data
    store.delete(keys.activated_key(3))
    foreign.publish_to(store, foreign.champion_bytes(spread=0.006), 4)
    refresh(store, settings, NOW + timedelta(hours=1))
    assert store.read(keys.activated_key(3)).data == record
    assert store.list("serving/history") == [keys.activated_key(3), keys.activated_key(4)]
