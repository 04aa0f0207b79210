"""Bodies of a POST, as far as they come without a champion: their bytes, their series and their prices."""

import base64
import json
from datetime import date
from typing import Any

import numpy as np
import pytest

from lambda_fn.champion.base import BaseChampion
from lambda_fn.contract import DATE, TARGET_DATE
from lambda_fn.prices.business_days import days_since_1970, next_business_days
from lambda_fn.web.errors import MAX_SERIES, Problem
from lambda_fn.web.lambda_events import read_event
from lambda_fn.web.params import parse_query
from lambda_fn.web.price_body import PriceBody, parse_body, parse_prices, series_inputs
from lambda_fn.web.request import Request
from tests.support import foreign
from tests.support.events import event

ROW: list[float] = foreign.closes(foreign.WINDOW).tolist()
AS_OF = foreign.AS_OF.isoformat()


class Declared(BaseChampion):
    """A champion with these inputs beside the close, which nobody runs."""

    def __init__(self, *names: str) -> None:
        super().__init__(foreign.metadata(), "0" * 64, ["close", *names])


PLAIN, DATED = Declared(), Declared(DATE, TARGET_DATE)


def parsed(body: object, champion: BaseChampion = PLAIN) -> PriceBody:
    question = parse_query({}, foreign.HORIZON, foreign.LEVELS)
    return parse_body(json.dumps(body).encode(), champion, question)


@pytest.mark.parametrize("names", [(DATE,), (TARGET_DATE,), (DATE, TARGET_DATE)])
def test_a_champion_of_dates_needs_the_date_of_the_last_close(names: tuple[str, ...]) -> None:
    champion = Declared(*names)
    assert parsed({"close": ROW, "as_of": AS_OF}, champion).series[0].as_of == foreign.AS_OF
    with pytest.raises(Problem) as refused:
        parsed({"close": ROW}, champion)
    assert (refused.value.status, refused.value.field) == (400, "as_of")
    assert parsed({"close": ROW}).series[0].as_of is None


SERIES: list[Any] = [5, "a", None, True, {"close": ROW}, {}, [], [{"close": ROW}] * (MAX_SERIES + 1)]


@pytest.mark.parametrize("series", SERIES)
def test_series_are_a_list(series: object) -> None:
    assert parsed({"series": [{"close": ROW}]}).is_list
    with pytest.raises(Problem) as refused:
        parsed({"series": series})
    assert (refused.value.status, refused.value.field) == (400, "series")


def test_dates_are_the_business_days_up_to_the_last_close_and_after_it() -> None:
    inputs = series_inputs(DATED, parsed({"close": ROW, "as_of": AS_OF}, DATED).series)
    assert inputs[DATE] == [days_since_1970(foreign.price_rows(foreign.WINDOW))]
    targets = next_business_days(date(2026, 10, 30), foreign.HORIZON, "ecb")
    assert inputs[TARGET_DATE] == [days_since_1970(targets)]


# Prices, and the field that is wrong.
PRICES: dict[str, tuple[object, str]] = {
    "none": ([], "close"),
    "no list": ({"0": 1.1}, "close"),
    "a text": (["1.1"], "close[0]"),
    "a truth": ([1.1, True], "close[1]"),
    "nothing": ([1.1, None], "close[1]"),
    "a price below all": ([1.1, 0.0009], "close[1]"),
    "a price above all": ([1e7, 1.1e7], "close[1]"),
    "a number of 400 digits": ([10**400], "close[0]"),
    "a jump": ([1.1, 1.33], "close[1]"),
}


@pytest.mark.parametrize("name", PRICES)
def test_wrong_prices_are_refused_by_their_place(name: str) -> None:
    assert np.array_equal(parse_prices("close", [1.1, 1.31, 1.1]), [1.1, 1.31, 1.1])
    prices, field = PRICES[name]
    with pytest.raises(Problem) as refused:
        parse_prices("close", prices)
    assert (refused.value.status, refused.value.field) == (400, field)


ENCODED = base64.b64encode(b'{"close": []}').decode()


def request(body: object, in_base64: object) -> Request:
    return read_event({**event("POST", "/api/predict"), "body": body, "isBase64Encoded": in_base64})[0]


@pytest.mark.parametrize("claim", [True, "true"])
def test_a_body_in_base64_is_decoded(claim: object) -> None:
    assert request(ENCODED, claim).body() == b'{"close": []}'
    assert request(ENCODED, False).body() == ENCODED.encode()


@pytest.mark.parametrize("body", [f"{ENCODED[:4]}*{ENCODED[4:]}", f"{ENCODED[:4]}\n{ENCODED[4:]}", ENCODED[:-1], 5])
def test_a_body_that_is_no_base64_is_refused(body: object) -> None:
    with pytest.raises(Problem) as refused:
        request(body, True).body()
    assert (refused.value.status, refused.value.field) == (400, "body")
