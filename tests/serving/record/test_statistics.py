"""What a record says and how sure that is."""

import json
import re
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lambda_fn.record import statistics as summary
from lambda_fn.record.scoring import Score
from lambda_fn.record.statistics import reliability, summarise
from lambda_fn.record.track_record import record_metrics


def row(
    day: int, horizon: int = 1, held: bool = True, loss: float = 1.0, other: float = 1.1, pit: float = 0.5
) -> Score:
    as_of = date(2020, 1, 1) + timedelta(days=day)
    return Score(
        as_of=as_of,
        target_date=as_of + timedelta(days=horizon),
        horizon=horizon,
        made_at=datetime(2020, 1, 1, tzinfo=UTC).isoformat(),
        generation=1,
        family="foreign",
        sha256="a" * 64,
        kind="live",
        close=1.1,
        outcome=1.1,
        pinball=loss,
        benchmarks=(other, None, other),
        pit=pit,
        inside=(held, held, held),
        note="",
    )


def test_ten_good_days_do_not_look_like_proof() -> None:
    [found] = summarise([row(day) for day in range(10)])["horizons"]
    assert found["coverage"]["80"]["value"] == 1.0
    assert found["coverage"]["80"]["low"] < 0.75
    [short] = summarise([row(day) for day in range(9)])["horizons"]
    assert short["skill"]["constant"] == {"value": pytest.approx(1 - 1 / 1.1, abs=1e-6), "low": None, "high": None}


def test_the_dashboards_figures_are_those_of_one_day() -> None:
    summary = summarise([row(day, held=day % 5 > 0) for day in range(30)] + [row(0, horizon=5)])
    skill = pytest.approx(1 - 1 / 1.1, abs=1e-6)
    assert record_metrics(summary) == {"RecordDays": 30, "RecordCoverage80": 0.8, "RecordSkill": skill}
    assert record_metrics(summarise([row(0, horizon=5)])) == {}


def test_figures_have_six_digits() -> None:
    rows = [row(day, held=day % 7 > 0, loss=1 / 3, other=1 / 7, pit=day % 11 / 11) for day in range(30)]
    text = json.dumps(summarise(rows))
    numbers = re.findall(r"-?[0-9]+\.[0-9]+", text)
    assert numbers and max(len(number.partition(".")[2]) for number in numbers) == 6


def test_a_benchmark_that_was_not_there_is_not_compared() -> None:
    [found] = summarise([row(day) for day in range(30)])["horizons"]
    assert set(found["skill"]) == {"constant", "garch"}


def test_an_empty_record_says_nothing() -> None:
    assert summarise([]) == {"days": 0, "from": None, "through": None, "horizons": [], "reliability": []}


def test_overlap_widens_the_interval() -> None:
    """Runs of five: five days at a time are worth one."""
    held = np.repeat(np.random.default_rng(3).random(100) < 0.8, 5).tolist()
    widths = {}
    for horizon in (1, 5):
        [found] = summarise([row(day, horizon, held[day]) for day in range(500)])["horizons"]
        widths[horizon] = found["coverage"]["80"]["high"] - found["coverage"]["80"]["low"]
    assert widths[5] > 1.5 * widths[1]


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_intervals_hold_what_they_promise(horizon: int) -> None:
    """On made-up records whose truth is known: 200 days each, moving sums where forecasts overlap."""
    rng = np.random.default_rng(7)
    caught = {"coverage": 0, "skill": 0}
    tries = 300
    for _ in range(tries):
        noise = np.convolve(rng.standard_normal(200 + horizon - 1), np.ones(horizon) / np.sqrt(horizon), "valid")
        held = noise < stats.norm.ppf(0.8)
        losses = np.exp(0.3 * noise)
        others = losses + 0.1 * np.convolve(rng.standard_normal(200 + horizon - 1), np.ones(horizon), "valid")
        rows = [row(i, horizon, bool(held[i]), float(losses[i]), float(others[i])) for i in range(200)]
        [found] = summarise(rows)["horizons"]
        caught["coverage"] += found["coverage"]["80"]["low"] <= 0.8 <= found["coverage"]["80"]["high"]
        caught["skill"] += found["skill"]["garch"]["low"] <= 0 <= found["skill"]["garch"]["high"]
    # 95 % asked for; from so few days the variance itself is uncertain
    assert caught["coverage"] / tries > 0.88
    assert caught["skill"] / tries > 0.88


@pytest.mark.parametrize("freedom", [9, 12, 30, 300])
def test_students_t(freedom: int) -> None:
    assert summary.student_quantile(freedom) == pytest.approx(float(stats.t.ppf(0.975, freedom)), abs=1e-3)
    if freedom >= 30:
        assert summary.student_quantile(freedom, 0.99) == pytest.approx(float(stats.t.ppf(0.995, freedom)), abs=1e-3)


@given(st.lists(st.floats(0.001, 0.999), max_size=60))
def test_reliability_counts_every_day_once(pits: list[float]) -> None:
    table = reliability(pits)
    assert sum(bin["share"] for bin in table) == pytest.approx(1.0 if pits else 0.0, abs=1e-5)
    assert all(0 <= bin["low"] <= 0.1 <= bin["high"] <= 1 for bin in table)
