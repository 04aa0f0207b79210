"""Whether a file's high and low are of the day of its close is told by its numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ranges import market, yahoo
from training.prices.table_checks import MIN_RANGE_ROWS, measure_ranges


@given(st.integers(0, 10_000), st.integers(MIN_RANGE_ROWS, 1500))
@settings(max_examples=30, deadline=None)
def test_a_file_whose_closes_are_its_opens_is_told_from_an_honest_one(seed: int, rows: int) -> None:
    prices = market(seed, rows)
    honest, trap = measure_ranges(prices), measure_ranges(yahoo(prices))
    assert honest is not None and honest.is_usable and not honest.is_after_close
    assert trap is not None and trap.is_after_close and not trap.is_usable


def test_it_is_told_without_the_open() -> None:
    """The column open is often missing; the ranges alone give it away."""
    trap = measure_ranges(yahoo(market(0)).drop(columns="open"))
    assert trap is not None and trap.is_after_close
    note = trap.describe("eurusd.csv")
    assert note.startswith("eurusd.csv: high and low ") and "no model uses" in note
    assert f" {trap.same_day:.2f} with " in note and f" {trap.next_day:.2f} with " in note


def test_the_trap_would_have_paid(market_of: pd.DataFrame) -> None:
    """Why it matters: in such a file the row's range knows the next return, in an honest one only the past does."""
    honest, trap = measure_ranges(market_of), measure_ranges(yahoo(market_of))
    assert honest is not None and trap is not None
    assert trap.next_day > trap.same_day + 0.2
    assert honest.same_day > honest.next_day + 0.2


@pytest.fixture
def market_of() -> pd.DataFrame:
    return market(3)


def test_few_rows_gaps_and_flat_days_are_not_used() -> None:
    prices = market(1, 500)
    few = measure_ranges(prices.iloc[: MIN_RANGE_ROWS - 1])
    assert few is not None and not few.is_usable and not few.is_after_close and "too few" in few.describe("x")
    assert measure_ranges(prices[["close"]]) is None
    gaps = prices.copy()
    gaps.loc[gaps.index[::7], "high"] = np.nan
    found = measure_ranges(gaps)
    assert found is not None and found.is_usable and found.rows < 500
    flat = measure_ranges(prices.assign(high=prices["close"], low=prices["close"]))
    assert flat is not None and not flat.is_usable and not flat.is_after_close
    apart = measure_ranges(prices.assign(close=prices["close"] * 1.05))
    assert apart is not None and not apart.is_usable
    assert measure_ranges(prices.iloc[:2]) is not None
