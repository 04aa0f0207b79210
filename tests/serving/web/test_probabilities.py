"""Probabilities of an official forecast that was made up: the digits that are told, and which day is meant."""

from types import SimpleNamespace
from typing import cast

import pytest

from lambda_fn.record.timeliness import assess
from lambda_fn.store.cache import CachedValue
from lambda_fn.web.endpoints.probability import probability
from lambda_fn.web.errors import Problem
from lambda_fn.web.probability import parse
from lambda_fn.web.records import CachedRecord
from lambda_fn.web.request import Request
from lambda_fn.web.state import PairState
from tests.support import records

OFFICIAL = records.official()  # 1.0, 1.1 and 1.2 at 2.5 %, 50 % and 97.5 %
LATEST = CachedValue(CachedRecord(OFFICIAL, "etag"), 0.0, stale=False)
TIMELINESS = assess(OFFICIAL, OFFICIAL.made_at.replace(year=2026, month=10, day=30))
SECOND = OFFICIAL.days[1].isoformat()


@pytest.mark.parametrize(("side", "price"), [("below", 1.0337), ("above", 1.0337), ("below", 1.1719)])
def test_a_probability_has_six_decimals(side: str, price: float) -> None:
    state = SimpleNamespace(records=SimpleNamespace(official=lambda: (LATEST, TIMELINESS)))
    answer = probability(cast(PairState, state), Request("GET", "/api/probability", {side: str(price)}))
    assert 0.01 < answer["probability"] < 0.99
    assert round(answer["probability"], 6) == answer["probability"] != round(answer["probability"], 5)


@pytest.mark.parametrize("query", [{"date": SECOND}, {"horizon": "2"}, {"h": "2"}])
def test_a_day_is_named_in_one_way(query: dict[str, str]) -> None:
    assert parse(OFFICIAL, {"below": "1.1", **query}, TIMELINESS).day == OFFICIAL.days[1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"date": SECOND, "horizon": "2"}, "date"),
        ({"date": SECOND, "h": "2"}, "date"),
        ({"horizon": "2", "h": "2"}, "h"),
        ({"date": OFFICIAL.as_of.isoformat()}, "date"),
        ({"horizon": "6"}, "horizon"),
        ({"above": "1.1"}, "above"),
        ({"below": "0.0009"}, "below"),
    ],
)
def test_two_ways_at_once_or_none_that_there_is_are_refused(query: dict[str, str], field: str) -> None:
    with pytest.raises(Problem) as refused:
        parse(OFFICIAL, {"below": "1.1", **query}, TIMELINESS)
    assert (refused.value.status, refused.value.field) == (400, field)
