"""Probabilities of an official forecast that was made up: the digits that are told, and which day is meant."""

import pytest

from lambda_fn.web.errors import Problem
from lambda_fn.web.probability import probability_fields
from tests.support import records

OFFICIAL = records.official()  # 1.0, 1.1 and 1.2 at 2.5 %, 50 % and 97.5 %
SECOND = OFFICIAL.days[1].isoformat()


@pytest.mark.parametrize(("side", "price"), [("below", 1.0337), ("above", 1.0337), ("below", 1.1719)])
def test_a_probability_has_six_decimals(side: str, price: float) -> None:
    probability = probability_fields(OFFICIAL, {side: str(price)})["probability"]
    assert 0.01 < probability < 0.99
    assert round(probability, 6) == probability != round(probability, 5)


@pytest.mark.parametrize("query", [{"date": SECOND}, {"horizon": "2"}, {"h": "2"}])
def test_a_day_is_named_in_one_way(query: dict[str, str]) -> None:
    assert probability_fields(OFFICIAL, {"below": "1.1", **query})["date"] == SECOND


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
        probability_fields(OFFICIAL, {"below": "1.1", **query})
    assert (refused.value.status, refused.value.field) == (400, field)
