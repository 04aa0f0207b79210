"""Closes of any hour are taken; closes that are dated on another day are refused where the numbers show it."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.hourly import FIXING, PAIRS, closes, fixings, redated, yfinance
from training.prices.pair_check import MIN_CORRELATION, Comparison, compare
from training.prices.row_checks import PriceError
from training.prices.table import load
from training.runs.jobs import usable_families

TODAY = date(2026, 11, 1)


def compared(close: pd.Series, pair: str) -> Comparison:
    return compare(pd.DataFrame({"close": close}), pair)


def own_day(close: pd.Series, pair: str) -> float:
    """Correlation of a close's return with that of the fixing of its date."""
    both = np.log(pd.DataFrame({"close": close, "fixing": fixings(pair)}).dropna().to_numpy())
    return float(np.corrcoef(np.diff(both, axis=0).T)[0, 1])


@pytest.mark.parametrize("pair", PAIRS)
def test_closes_of_every_hour_are_taken(pair: str) -> None:
    for hour in range(24):
        assert compared(closes(pair, hour), pair).doubt == "", hour


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("days", [-2, -1, 1, 2])
def test_closes_of_another_day_are_refused_where_the_own_day_shows_nothing(pair: str, days: int) -> None:
    refused = []
    for hour in range(24):
        shifted = redated(closes(pair, hour), days)
        if own_day(shifted, pair) < MIN_CORRELATION - 0.05:
            assert "of another day: " in compared(shifted, pair).doubt, hour
            refused.append(hour)
        elif own_day(shifted, pair) > MIN_CORRELATION + 0.05:
            assert compared(shifted, pair).doubt == "", hour
    assert abs(days) == 1 or refused == list(range(24))
    # A date that is a day early shows from the fixing on, one that is a day late before it.
    assert set(refused) >= set(range(FIXING, 24) if days < 0 else range(FIXING + 1))


def test_a_direction_is_named_only_where_it_is_certain() -> None:
    """The cure, followed to the letter, gives the right dates."""
    fixing = fixings("EURUSD")
    assert "date each close a business day later" in compared(redated(fixing, -1), "EURUSD").doubt
    assert "date each close 2 business days earlier" in compared(redated(fixing, 2), "EURUSD").doubt
    new_york = redated(closes("EURUSD", 23), 2)
    doubt = compared(new_york, "EURUSD").doubt
    assert "too late)" in doubt and "date each close" not in doubt
    # A day earlier it would be taken, though it is another day's still.
    assert compared(redated(closes("EURUSD", 23), 1), "EURUSD").doubt == ""


def test_late_closes_are_noted() -> None:
    late = compared(closes("EURUSD", 23), "EURUSD").note
    assert late.startswith("closes late ") and " the next day " in late
    early = compared(redated(closes("EURUSD", 23), 1), "EURUSD").note
    assert early.startswith("closes early ") and " the day before " in early
    assert compared(fixings("EURUSD"), "EURUSD") == Comparison()


@pytest.mark.parametrize("seed", range(5))
def test_a_yfinance_export_trains_without_its_highs_and_lows(tmp_path: Path, seed: int) -> None:
    frame = yfinance(seed)
    path = tmp_path / "EURUSD=X.csv"
    frame.to_csv(path)
    table = load("csv", path=path, today=TODAY)
    assert table.frame["close"].tolist() == frame["Close"].tolist()
    assert any(note.startswith("EURUSD=X.csv: high and low ") and "no model uses" in note for note in table.notes)
    assert list(table.frame.columns) == ["close"]
    assert "calendar_range" not in usable_families(table)


def test_new_york_closes_pass_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    closes("EURUSD", 23).rename("Close").to_csv(path, index_label="Date")
    assert any(note.startswith("my.csv: closes late ") for note in load("csv", path=path, today=TODAY).notes)
    redated(closes("EURUSD", 23), -1).rename("Close").to_csv(path, index_label="Date")
    with pytest.raises(PriceError, match=r"^my\.csv: .* of another day: "):
        load("csv", path=path, today=TODAY)
