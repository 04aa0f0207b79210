"""Records of refusals: written once, read back as they are, and no trouble when they are damaged."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_fn.champion.refusals import MAX_REASON, Refusal, is_first, lift, read_status, record_key, shorten_reason
from lambda_fn.contract import Pointer
from lambda_fn.fields import ContractError
from lambda_fn.store.object_store import Store

pytestmark = pytest.mark.both_stores  # conditional writes, which the two stores do in different ways

NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)
KEY = "serving/refused/x.json"
REFUSAL = Refusal("because", NOW, "r-1", {"pointer": "models/best_model_info.json"})


@settings(deadline=None)  # of a loaded machine
@given(
    st.builds(
        Refusal,
        reason=st.text(min_size=1, max_size=50),
        refused_at=st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 st adds the zone
        request_id=st.text(max_size=9),
        about=st.dictionaries(st.text(min_size=1, max_size=9).map("x_{}".format), st.text() | st.integers()),
    )
)
def test_a_refusal_round_trips(refusal: Refusal) -> None:
    assert Refusal.parse(refusal.to_json()) == refusal


def test_what_would_be_read_back_as_another_is_not_written() -> None:
    with pytest.raises(ContractError, match="refusal: cannot be written"):
        replace(REFUSAL, about={"reason": "another"}).to_json()


@given(st.text(st.characters(exclude_categories=[]), max_size=2 * MAX_REASON))
def test_any_reason_can_be_recorded(reason: str) -> None:
    """Also halves of characters, which come from what was refused."""
    refusal = replace(REFUSAL, reason=shorten_reason(reason))
    assert Refusal.parse(refusal.to_json()) == refusal


def test_only_the_first_request_is_first(store: Store) -> None:
    assert is_first(store, KEY, REFUSAL)
    assert is_first(store, KEY, REFUSAL), "another try of the same event"
    assert not is_first(store, KEY, replace(REFUSAL, request_id="r-2"))
    assert not is_first(store, KEY, replace(REFUSAL, request_id=""))
    assert read_status(store, KEY) == ("refused", "because", None)
    assert read_status(store, "serving/refused/y.json") is None


@pytest.mark.parametrize("damage", [b"", b"\xff", b"[]", b"{}", b'{"reason": 1}', b"[" * 5000])
def test_a_damaged_record_is_written_anew_and_counts_as_none(store: Store, damage: bytes) -> None:
    store.create(KEY, damage)
    assert read_status(store, KEY) is not None
    assert is_first(store, KEY, REFUSAL)
    assert json.loads(store.read(KEY).data)["reason"] == "because"
    assert not is_first(store, KEY, replace(REFUSAL, request_id="r-2"))


def test_a_record_that_was_lifted_is_none_and_the_next_is_the_first(store: Store) -> None:
    assert is_first(store, KEY, replace(REFUSAL, about={"champion": "a"}))
    for _ in range(2):
        lift(store, KEY, NOW)
        assert read_status(store, KEY) is None
        assert json.loads(store.read(KEY).data)["reason"] == "because", "it stays to be read"
    assert is_first(store, KEY, replace(REFUSAL, request_id="r-2", about={"champion": "a"}))
    assert read_status(store, KEY) == ("refused", "because", "a")
    assert is_first(store, KEY, replace(REFUSAL, request_id="r-3", about={"champion": "b"})), "another champion"
    lift(store, "serving/refused/y.json", NOW)
    assert read_status(store, "serving/refused/y.json") is None


def test_a_damaged_record_can_be_lifted(store: Store) -> None:
    store.create(KEY, b"{")
    lift(store, KEY, NOW)
    assert read_status(store, KEY) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=3).map("x_{}".format), JSON, max_size=3), st.randoms())
def test_a_pointer_has_one_key_however_it_is_written(extra: dict[str, object], random: Random) -> None:
    pointer = Pointer("LSTM", "EURUSD_LSTM", "3", "models:/EURUSD_LSTM@champion", metrics={"rmse": 1.0}, extra=extra)
    found = list(pointer.to_object().items())
    random.shuffle(found)
    written = json.dumps(dict(found), indent=random.choice([None, 1, 4]), ensure_ascii=random.choice([False, True]))
    assert record_key(written.encode(), "EURUSD") == record_key(pointer, "EURUSD")
    assert record_key(replace(pointer, generation=7), "EURUSD") != record_key(pointer, "EURUSD")


def test_bytes_that_are_no_pointer_have_a_key_of_their_own() -> None:
    assert record_key(b"{", "EURUSD") != record_key(b"[", "EURUSD")
    assert record_key(b"{", "GBPUSD").startswith("serving/GBPUSD/refused/")
