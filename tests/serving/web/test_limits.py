"""What a request may ask for: refused by name over the limit, and every answer within its bytes."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.contract import MAX_HORIZON, MAX_LEVELS
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.plausibility import HIGHEST, LOWEST
from lambda_fn.web.errors import MAX_SERIES
from lambda_fn.web.forecast import forecast_days
from lambda_fn.web.params import ForecastQuery, central_intervals, parse_query
from lambda_fn.web.price_body import MAX_COLUMNS, MAX_FORECAST_BYTES, MAX_VALUES
from tests.support import foreign
from tests.support.local_api import LocalApi, local_api

CLOSES: list[float] = foreign.closes(foreign.WINDOW).tolist()
MOST = 5_000_000  # bytes of an answer


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    found = local_api(tmp_path_factory.mktemp("api"))
    found.promote(foreign.champion_bytes(), 1)
    return found


def test_more_columns_than_allowed_are_refused_by_name(api: LocalApi) -> None:
    columns = {f"c{i}": CLOSES for i in range(MAX_COLUMNS - 1)}
    sent = {"close": CLOSES, "as_of": "2026-10-30", **columns}
    assert api.post(sent).status == 200
    answer = api.post(sent | {"one_more": CLOSES})
    assert (answer.status, answer.error["field"]) == (400, "body")
    assert "66 names" in answer.error["message"] and "at most 64 columns and as_of" in answer.error["cure"]
    many = api.post({"series": [{f"n{i}": 0 for i in range(60_000)}]})
    assert (many.status, many.error["field"]) == (400, "body")


def test_more_values_than_allowed_are_refused_by_their_column(api: LocalApi) -> None:
    closes = foreign.closes(MAX_VALUES + 1).tolist()
    assert api.post({"close": closes[1:]}).status == 200
    answer = api.post({"close": closes})
    assert (answer.status, answer.error["field"]) == (400, "close")
    assert "the last 10,000 at most" in answer.error["cure"]


def naive_intervals(levels: list[float]) -> dict[str, tuple[int, int]]:
    """Each pair of levels that lie as far from one half, narrowest first."""
    return {
        f"{round(100 * (levels[upper] - levels[lower]), 6):g}": (lower, upper)
        for lower in reversed(range(len(levels)))
        for upper in range(lower + 1, len(levels))
        if abs(levels[lower] + levels[upper] - 1) < 1e-9
    }


@given(st.sets(st.integers(1, 999), max_size=MAX_LEVELS), st.sets(st.integers(1, 499), max_size=20))
def test_intervals_are_those_that_looking_at_every_pair_finds(single: set[int], both: set[int]) -> None:
    thousandths = single | both | {1000 - n for n in both}
    levels = [n / 1000 for n in sorted(thousandths)]
    found = central_intervals(levels)
    assert found == naive_intervals(levels)
    assert list(found) == list(naive_intervals(levels))


def day_bytes(question: ForecastQuery, levels: tuple[float, ...], close: float, horizon: int) -> int:
    """Of one series' part of an answer, with prices of as many digits as there can be."""
    days = next_business_days(foreign.AS_OF, question.horizon, "ecb")
    quantiles = close * (1 + 0.1 * np.linspace(-1, 1, len(levels)) * np.ones((horizon, 1)) / 3)
    mean = np.full(horizon, close * (1 + 1 / 3e3))
    found = {
        "as_of": "2026-10-30",
        "last_close": close,
        "forecast": forecast_days(question, levels, days, close, quantiles.tolist(), mean.tolist()),
    }
    return len(json.dumps(found)) + len(", ")


@given(
    horizon=st.integers(1, MAX_HORIZON),
    close=st.floats(LOWEST, HIGHEST),
    more=st.sets(st.integers(1, 999_999), max_size=(MAX_LEVELS - 3) // 2),
    query=st.sampled_from([{}, {"horizon": "1"}, {"level": "95"}]),
)
def test_an_answer_is_no_longer_than_its_question_says(
    horizon: int, close: float, more: set[int], query: dict[str, str]
) -> None:
    millionths = more | {1_000_000 - n for n in more} | {25_000, 500_000, 975_000}
    levels = tuple(n / 1_000_000 for n in sorted(millionths))
    question = parse_query(query, horizon, levels)
    assert day_bytes(question, levels, close, horizon) <= question.max_json_bytes()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    """A champion with all the days and levels that the contract allows."""
    found = local_api(tmp_path_factory.mktemp("wide"))
    below = sorted({25, *range(2, 500, 10)} - {492})
    levels = [n / 1000 for n in (*below, 500, *(1000 - n for n in reversed(below)))]
    assert len(levels) == MAX_LEVELS
    data = foreign.champion_bytes(horizon=MAX_HORIZON, levels=levels, spread=0.005)
    assert found.promote(data, 1).outcome == "activated"
    return found


def length(answer: Any) -> int:
    return len(json.dumps(answer.json))


def test_the_longest_answer_of_the_widest_champion_stays_below_five_megabytes(wide: LocalApi) -> None:
    one = {"close": CLOSES, "as_of": "2026-10-30"}
    answer = wide.post({"series": [one] * MAX_SERIES})
    assert (answer.status, answer.error["field"]) == (400, "series")
    assert "100 values" in answer.error["message"] and "too long" in answer.error["message"]
    [room] = map(int, re.findall(r"\d+", answer.error["cure"]))
    assert 1 <= room < MAX_SERIES
    longest = wide.post({"series": [one] * room})
    assert longest.status == 200 and length(longest) < MOST
    assert wide.post({"series": [one] * (room + 1)}).status == 400
    narrower = wide.post({"series": [one] * MAX_SERIES}, horizon="1", level="95")
    assert narrower.status == 200 and length(narrower) < MOST


def test_as_many_series_as_ever_fit_for_a_usual_champion() -> None:
    """Eleven levels, a month of days."""
    levels = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
    assert MAX_FORECAST_BYTES // parse_query({}, 21, levels).max_json_bytes() >= MAX_SERIES


def test_the_longest_model_card_stays_below_five_megabytes(tmp_path: Path) -> None:
    found = local_api(tmp_path)
    extra = {"unknown": "\N{GRINNING FACE}" * 200_000}
    assert found.promote(foreign.champion_bytes(), 1, extra=extra).outcome == "activated"
    assert length(found.get("/api/champion")) < MOST
