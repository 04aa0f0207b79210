"""Questions and answers as pure functions."""

from datetime import date, timedelta
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.prices.volatility import annualise, quantile_sd
from lambda_fn.web.errors import Problem
from lambda_fn.web.forecast import Distribution, forecast_days
from lambda_fn.web.params import central_intervals, parse_query

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
DAYS = [date(2026, 11, 2), date(2026, 11, 3)]


def test_central_intervals_of_the_usual_levels() -> None:
    assert list(central_intervals(LEVELS)) == ["50", "80", "90", "95", "98"]
    assert central_intervals(LEVELS)["80"] == (3, 7)
    assert central_intervals((0.005, 0.3, 0.5, 0.995)) == {"99": (0, 3)}
    assert central_intervals((0.1, 0.5, 0.8)) == {}


@given(st.sets(st.integers(1, 499), min_size=1, max_size=20))
def test_every_symmetric_pair_is_an_interval_of_its_coverage(halves: set[int]) -> None:
    levels = sorted([half / 1000 for half in halves] + [0.5] + [1 - half / 1000 for half in halves])
    found = central_intervals(levels)
    assert len(found) == len(halves)
    widths = [upper - lower for lower, upper in found.values()]
    assert widths == sorted(widths)
    for coverage, (lower, upper) in found.items():
        assert levels[upper] - levels[lower] == pytest.approx(float(coverage) / 100)
        assert lower + upper == len(levels) - 1


def test_an_empty_query_asks_for_everything() -> None:
    question = parse_query({}, 5, LEVELS)
    assert question.horizon == 5
    assert question.positions == tuple(range(11))
    assert list(question.intervals) == ["50", "80", "90", "95", "98"]


@pytest.mark.parametrize("text", ["80,95", "95,80", " 95 , 80", "80.0,95,80"])
def test_level_narrows_to_intervals_their_bounds_and_the_median(text: str) -> None:
    question = parse_query({"level": text, "horizon": "3"}, 5, LEVELS)
    assert question.horizon == 3
    assert question.intervals == {"80": (3, 7), "95": (1, 9)}
    assert [LEVELS[position] for position in question.positions] == [0.025, 0.1, 0.5, 0.9, 0.975]


@pytest.mark.parametrize(
    ("query", "field", "available"),
    [
        ({"horizon": "6"}, "horizon", "1 to 5"),
        ({"horizon": "0"}, "horizon", "1 to 5"),
        ({"horizon": "-1"}, "horizon", "1 to 5"),
        ({"horizon": "1.0"}, "horizon", "1 to 5"),
        ({"horizon": ""}, "horizon", "1 to 5"),
        ({"horizon": "٣"}, "horizon", "1 to 5"),
        ({"horizon": "1_0"}, "horizon", "1 to 5"),
        ({"horizon": "1,2"}, "horizon", "1 to 5"),
        ({"horizon": "9" * 5000}, "horizon", "1 to 5"),
        ({"level": "85"}, "level", "50, 80, 90, 95, 98"),
        ({"level": "0.8"}, "level", "50, 80, 90, 95, 98"),
        ({"level": "80,"}, "level", "50, 80, 90, 95, 98"),
        ({"level": "nan"}, "level", "50, 80, 90, 95, 98"),
        ({"level": "1e1"}, "level", "50, 80, 90, 95, 98"),
    ],
)
def test_a_bad_query_is_refused_by_its_name_with_what_is_available(
    query: dict[str, str], field: str, available: str
) -> None:
    with pytest.raises(Problem) as caught:
        parse_query(query, 5, LEVELS)
    problem = caught.value
    assert (problem.status, problem.field) == (400, field)
    assert available in problem.cure
    assert len(problem.message) < 200


@given(st.dictionaries(st.text(), st.text(), max_size=3) | st.fixed_dictionaries({"level": st.text()}))
def test_any_query_is_answered_or_refused(query: dict[str, str]) -> None:
    try:
        question = parse_query(query, 5, LEVELS)
    except Problem as problem:
        assert problem.status == 400
    else:
        assert 1 <= question.horizon <= 5
        assert question.intervals


def test_the_days_of_a_known_forecast() -> None:
    quantiles, mean = [[1.09, 1.10, 1.12], [1.07, 1.10, 1.14]], [1.1, 1.1000000004]
    found = forecast_days(parse_query({}, 2, (0.1, 0.5, 0.9)), (0.1, 0.5, 0.9), DAYS, 1.1, quantiles, mean)
    assert found[0] == {
        "date": "2026-11-02",
        "horizon": 1,
        "mean": 1.1,
        "median": 1.1,
        "quantiles": {"0.1": 1.09, "0.5": 1.1, "0.9": 1.12},
        "intervals": {"80": {"lower": 1.09, "upper": 1.12}},
        "volatility": pytest.approx(annualise(quantile_sd((0.1, 0.5, 0.9), quantiles[0]), 1), abs=1e-6),
        "returns": {
            "mean": 0.0,
            "median": 0.0,
            "quantiles": {"0.1": -0.00909091, "0.5": 0.0, "0.9": 0.01818182},
            "intervals": {"80": {"lower": -0.00909091, "upper": 0.01818182}},
        },
    }
    assert (found[1]["date"], found[1]["horizon"], found[1]["mean"]) == ("2026-11-03", 2, 1.1)


def test_the_volatility_is_that_of_the_champion_if_it_states_one() -> None:
    quantiles, levels = [[1.09, 1.10, 1.12], [1.07, 1.10, 1.14]], (0.1, 0.5, 0.9)
    found = forecast_days(parse_query({}, 2, levels), levels, DAYS, 1.1, quantiles, [1.1, 1.1], [0.005, 0.008])
    assert [day["volatility"] for day in found] == [0.080623, 0.091214]  # 0.005 * sqrt(260), 0.008 * sqrt(260 / 2)


def test_a_return_of_nothing_is_not_minus_zero() -> None:
    just_below = 1.1 * (1 - 1e-12)
    selection = parse_query({}, 1, (0.1, 0.5, 0.9))
    found = forecast_days(selection, (0.1, 0.5, 0.9), None, 1.1, [[just_below] * 3], [just_below])
    assert str(found[0]["returns"]["median"]) == "0.0"
    assert found[0]["date"] is None


@given(
    last_close=st.floats(0.01, 1e6),
    steps=st.lists(st.lists(st.floats(0, 0.1), min_size=11, max_size=11), min_size=1, max_size=5),
    query=st.sampled_from([{}, {"level": "80"}, {"level": "98,50"}]),
)
def test_answers_keep_the_order_of_quantiles(
    last_close: float, steps: list[list[float]], query: dict[str, str]
) -> None:
    quantiles = last_close * (0.5 + np.cumsum(np.array(steps), axis=1))
    days = [DAYS[0] + timedelta(days=i) for i in range(len(steps))]
    question = parse_query(query, len(steps), LEVELS)
    for day in forecast_days(question, LEVELS, days, last_close, quantiles.tolist(), quantiles[:, 5].tolist()):
        for side in (cast(Distribution, day), day["returns"]):
            values = list(side["quantiles"].values())
            assert values == sorted(values)
            assert list(side["quantiles"]) == [f"{LEVELS[i]:g}" for i in question.positions]
            assert side["median"] == side["quantiles"]["0.5"]
            for interval in side["intervals"].values():
                assert interval["lower"] <= side["median"] <= interval["upper"]
        assert day["median"] == pytest.approx(last_close * (1 + day["returns"]["median"]), abs=1e-6 + last_close * 1e-8)
