"""What is active heals: whatever is lost or damaged of it, and wherever a refresh is killed, the next one mends it."""

import itertools
import json
import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lambda_fn import contract
from lambda_fn.champion.cache import ChampionCache
from lambda_fn.champion.sandbox import Pool
from lambda_fn.contract import Active, Pointer
from lambda_fn.jobs import activation
from lambda_fn.jobs.activation import Activation, Refused, activate
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.dying_store import DyingStore, Killed

pytestmark = pytest.mark.both_stores  # conditional writes, which the two stores do in different ways

NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
POINTER = "models/best_model_info.json"
OTHER = foreign.champion_bytes(spread=0.006)
RECORD = keys.activated_key(3)


def served(store: Store, settings: Settings) -> int:
    """The generation that a process which starts now serves."""
    return ChampionCache(store, settings, lambda: NOW.timestamp(), Pool()).current().active.generation


def standing(store: Store) -> dict[str, bytes]:
    """Everything that refresh wrote but what it refused."""
    return {key: store.read(key).data for key in store.list("serving") if "/refused/" not in key}


def put_bad_pointer(store: Store) -> None:
    """Newer than what is active, and refused: nothing that heals comes from it."""
    foreign.publish_to(store, foreign.champion_bytes(drift=0.5), 4)


def nothing_new(store: Store) -> None:
    """The pointer is that of what is active."""


def activated(store: Store, settings: Settings) -> dict[str, bytes]:
    """Generation 3 is active; what the store has of it."""
    foreign.publish_to(store, generation=3)
    assert activate(store, settings, NOW)[:2] == ("activated", 3)
    return standing(store)


def test_every_activation_leaves_a_record_of_what_was_active(store: Store, settings: Settings) -> None:
    assert activated(store, settings)[RECORD] == store.read(keys.ACTIVE_KEY).data
    foreign.publish_to(store, OTHER, 5)
    activate(store, settings, LATER)
    assert store.list("serving/history") == [RECORD, keys.activated_key(5)]
    assert Active.parse(store.read(RECORD).data).activated_at == NOW


@pytest.mark.parametrize("damage", [None, b"", b"{broken", b"\xff" * 9])
@pytest.mark.parametrize("part", range(3))
def test_what_is_lost_or_damaged_is_written_again(
    store: Store, settings: Settings, part: int, damage: bytes | None
) -> None:
    before = activated(store, settings)
    key = sorted(before)[part]
    store.delete(key)
    if damage is not None:
        store.create(key, damage)
    activate(store, settings, NOW)
    assert standing(store) == before
    assert served(store, settings) == 3
    assert activate(store, settings, NOW) == Activation("unchanged", 3, "generation 3 is active")


@pytest.mark.parametrize("lost", [set(each) for n in range(1, 4) for each in itertools.combinations(range(3), n)])
@pytest.mark.parametrize("publish", [nothing_new, put_bad_pointer, lambda store: store.delete(POINTER)])
def test_it_heals_whatever_is_published_now(tmp_path: Path, lost: set[int], publish: Callable[[Store], None]) -> None:
    """Only with all of it lost, and a pointer that is no good, nothing says what was active."""
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = open_store(settings)
    before = activated(store, settings)
    publish(store)
    for part in lost:
        store.delete(sorted(before)[part])
    try:
        result = activate(store, settings, NOW)
    except Refused as error:
        result = Activation("refused", error.generation, str(error))
    nothing_left = {0, 2} <= lost and publish is not nothing_new
    assert result.generation == (None if nothing_left else 3)
    if not nothing_left:
        assert standing(store) == before
        assert served(store, settings) == 3


def test_the_copy_heals_by_name(store: Store, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    before = activated(store, settings)
    copy = next(key for key in before if key.endswith(".onnx"))
    foreign.put(store, copy, b"damaged")
    with caplog.at_level(logging.WARNING):
        result = activate(store, settings, NOW)
    assert result == Activation("unchanged", 3, f"generation 3 is active; {copy} was restored")
    assert f"healed: {copy} was restored" in caplog.text


def test_a_copy_that_cannot_heal_is_said_and_does_not_keep_the_next_champion_out(
    store: Store, settings: Settings
) -> None:
    before = activated(store, settings)
    copy = next(key for key in before if key.endswith(".onnx"))
    store.delete(copy)
    published = keys.champion_key(copy.rpartition("/")[2].removesuffix(".onnx"))
    store.delete(published)
    result = activate(store, settings, NOW)
    assert result[:2] == ("unchanged", 3) and f"has no {published}" in result.reason
    foreign.publish_to(store, OTHER, 4)
    assert activate(store, settings, NOW)[:2] == ("activated", 4)
    assert served(store, settings) == 4


def test_an_active_file_that_names_another_copy_is_damaged(store: Store, settings: Settings) -> None:
    before = activated(store, settings)
    active = replace(Active.parse(before[keys.ACTIVE_KEY]), serving_key="serving/champions/other.onnx")
    foreign.put(store, keys.ACTIVE_KEY, active.to_json())
    put_bad_pointer(store)
    with pytest.raises(Refused):
        activate(store, settings, NOW)
    assert standing(store) == before


@pytest.mark.parametrize("lost", [(), (keys.ACTIVE_KEY,), (keys.ACTIVE_KEY, RECORD)])
@pytest.mark.parametrize("kill", range(1, 6))
def test_killed_at_any_write_the_next_refresh_ends_where_one_without_a_kill_does(
    tmp_path: Path, kill: int, lost: tuple[str, ...]
) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = DyingStore(tmp_path, 0)
    activated(store, settings)
    foreign.publish_to(store, OTHER, 4)
    for key in lost:
        store.delete(key)
    store.left = kill
    try:
        activate(store, settings, LATER)
    except Killed:
        store.left = 0
        if not lost:
            assert served(store, settings) in (3, 4)
    assert activate(store, settings, LATER).generation == 4
    assert served(store, settings) == 4
    found = standing(store)
    assert found[keys.activated_key(4)] == found[keys.ACTIVE_KEY]
    assert len([key for key in found if key.endswith(".onnx")]) == 2


@pytest.mark.parametrize("kill", range(1, 4))
def test_killed_while_healing_the_next_refresh_goes_on(tmp_path: Path, kill: int) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = DyingStore(tmp_path, 0)
    before = activated(store, settings)
    put_bad_pointer(store)
    for key in before:
        if key != RECORD:
            store.delete(key)
    store.left = kill
    with pytest.raises((Killed, Refused)):
        activate(store, settings, LATER)
    store.left = 0
    with pytest.raises(Refused) if not store.list("serving/refused") else nullcontext():
        activate(store, settings, LATER)
    assert standing(store) == before


def test_a_generation_far_above_the_active_one_is_refused_by_name(store: Store, settings: Settings) -> None:
    activated(store, settings)
    pointer = foreign.publish_to(store, OTHER, 3 + contract.MAX_GENERATION_STEP + 1)
    with pytest.raises(Refused, match=r"^pointer\.generation: 1004\b.*\b1,000\b.*\bgeneration 3; "):
        activate(store, settings, NOW)
    foreign.put(store, POINTER, replace(pointer, generation=3 + contract.MAX_GENERATION_STEP).to_json())
    assert activate(store, settings, NOW)[:2] == ("activated", 1003)


def test_the_first_generation_leaves_room_for_others(store: Store, settings: Settings) -> None:
    foreign.publish_to(store, OTHER, contract.MAX_FIRST_GENERATION + 1)
    with pytest.raises(Refused, match=rf"^pointer\.generation: {contract.MAX_FIRST_GENERATION + 1}\b.*\bfirst\b.*; "):
        activate(store, settings, NOW)
    foreign.publish_to(store, OTHER, contract.MAX_FIRST_GENERATION)
    assert activate(store, settings, NOW)[:2] == ("activated", contract.MAX_FIRST_GENERATION)


def test_the_same_generation_with_other_bytes_is_refused_by_name(store: Store, settings: Settings) -> None:
    before = activated(store, settings)
    foreign.publish_to(store, OTHER, 3)
    with pytest.raises(Refused, match=r"pointer.champion.sha256: .* active generation 3"):
        activate(store, settings, NOW)
    assert standing(store) == before


def test_a_lost_active_file_is_no_way_back_to_a_lower_generation(store: Store, settings: Settings) -> None:
    before = activated(store, settings)
    store.delete(keys.ACTIVE_KEY)
    foreign.publish_to(store, OTHER, 2)
    with pytest.raises(Refused, match=r"^pointer\.generation: 2 .*\blower\b.*\bgeneration 3; .*eurusd rollback"):
        activate(store, settings, NOW)
    assert standing(store) == before


def test_a_promotion_while_refresh_reads_is_no_lower_generation(tmp_path: Path) -> None:
    """Another refresh activates the next generation between the reads of this one."""
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    overtaking = Overtaken(tmp_path)
    foreign.publish_to(overtaking, generation=3)
    for key in (keys.ACTIVE_KEY, POINTER):
        overtaking.after, overtaking.settings = key, settings
        overtaking.number += 1
        assert activate(overtaking, settings, NOW).outcome in ("activated", "unchanged")
        assert overtaking.after == "", "it was overtaken"
        assert served(overtaking, settings) == overtaking.number
    assert overtaking.list("serving/refused") == []


class Overtaken(FolderStore):
    """Once, after the key `after` was read, somebody publishes and activates another champion."""

    after, number, settings = "", 3, Settings.from_env({})

    def read(self, key, unless_etag=None):  # type: ignore[no-untyped-def]
        try:
            return super().read(key, unless_etag)
        finally:
            if key == self.after:
                self.after = ""
                mine = open_store(self.settings)
                foreign.publish_to(mine, foreign.champion_bytes(spread=0.004 + 0.001 * self.number), self.number)
                activate(mine, self.settings, NOW)


@pytest.mark.parametrize("error", [OverflowError("int too large"), MemoryError(), AssertionError("\ud800")])
def test_whatever_a_check_ends_in_is_a_refusal_of_that_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = open_store(settings)
    before = activated(store, settings)
    foreign.publish_to(store, OTHER, 4)

    def ends(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(activation, "check_champion", ends)
        with pytest.raises(Refused, match=f"its check failed with {type(error).__name__}"):
            activate(store, settings, NOW)
        assert activate(store, settings, NOW)[:2] == ("refused", 3)
    assert standing(store) == before
    assert activate(store, settings, NOW)[:2] == ("activated", 4)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "nested": lambda data: data.replace(b"{", b'{"unknown": ' + nested(500) + b",", 1),
    "long name": lambda data: data.replace(b'"EURUSD_Foreign"', b'"' + b"x" * 101 + b'"'),
    "large": lambda data: data.replace(b"{", b'{"unknown": "' + b"x" * 2**20 + b'",', 1),
    "half a character": lambda data: data.replace(b"{", b'{"unknown": "\\ud800",', 1),
    "absurd date": lambda data: data.replace(b'"inputs": {', b'"inputs": {"date": [1e300],', 1),
    "absurd day": lambda data: data.replace(b'"inputs": {', b'"inputs": {"target_date": [9223372036854775808],', 1),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_pointer_that_could_not_be_read_back_is_never_activated(store: Store, settings: Settings, case: str) -> None:
    before = activated(store, settings)
    pointer = foreign.publish_to(store, OTHER, 4)
    data = HOSTILE[case](pointer.to_json())
    assert data != pointer.to_json()
    foreign.put(store, POINTER, data)
    with pytest.raises(Refused, match=r"pointer"):
        activate(store, settings, NOW)
    assert standing(store) == before
    assert served(store, settings) == 3


def test_a_published_copy_of_the_active_file_is_a_pointer(store: Store, settings: Settings) -> None:
    before = activated(store, settings)
    foreign.put(store, POINTER, before[keys.ACTIVE_KEY])
    assert activate(store, settings, LATER) == Activation("unchanged", 3, "generation 3 is active")
    assert Pointer.parse(before[keys.ACTIVE_KEY]).extra == {}


def test_a_damaged_refusal_record_is_written_anew(store: Store, settings: Settings) -> None:
    activated(store, settings)
    put_bad_pointer(store)
    for request in ("first", "second"):
        with pytest.raises(Refused):
            activate(store, settings, NOW, request_id=request)
        [key] = store.list("serving/refused")
        assert json.loads(store.read(key).data)["request_id"] == request
        assert activate(store, settings, NOW, request_id="timer").outcome == "refused"
        foreign.put(store, key, b"\xff{")
