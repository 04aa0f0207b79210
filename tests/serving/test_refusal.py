"""Records of refusals: written once, read back as they are, and no trouble when they are damaged."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.champion.refusal import MAX_REASON, Refusal, is_first, reason_of, shortened
from lambda_fn.fields import ContractError
from lambda_fn.store.objects import Store

NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)
KEY = "serving/refused/x.json"
REFUSAL = Refusal("because", NOW, "r-1", {"pointer": "models/best_model_info.json"})


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
    refusal = replace(REFUSAL, reason=shortened(reason))
    assert Refusal.parse(refusal.to_json()) == refusal


def test_only_the_first_request_is_first(store: Store) -> None:
    assert is_first(store, KEY, REFUSAL)
    assert is_first(store, KEY, REFUSAL), "another try of the same event"
    assert not is_first(store, KEY, replace(REFUSAL, request_id="r-2"))
    assert not is_first(store, KEY, replace(REFUSAL, request_id=""))
    assert reason_of(store, KEY) == "because"
    assert reason_of(store, "serving/refused/y.json") is None


@pytest.mark.parametrize("damage", [b"", b"\xff", b"[]", b"{}", b'{"reason": 1}', b"[" * 5000])
def test_a_damaged_record_is_written_anew_and_counts_as_none(store: Store, damage: bytes) -> None:
    store.create(KEY, damage)
    assert reason_of(store, KEY) is not None
    assert is_first(store, KEY, REFUSAL)
    assert json.loads(store.read(KEY).data)["reason"] == "because"
    assert not is_first(store, KEY, replace(REFUSAL, request_id="r-2"))
