"""The range head: its news against a loop, its export, and what it and the checks refuse."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.ranges import market, yahoo
from training.export.onnx_export import CHECKED, describe, export
from training.models.families import DEFAULT_FAMILIES, FAMILIES
from training.models.family import fit
from training.models.heads.base import HeadData, truncation
from training.models.heads.calendar_range import CalendarRange, true_range
from training.prices.read_options import Reading
from training.prices.row_checks import PriceError
from training.prices.table import load
from training.runs.jobs import usable_families

FAMILY = FAMILIES["calendar_range"]
TRUST = Reading(trust=True)  # made-up prices are not EUR/USD's


def written(path: Path, prices: pd.DataFrame) -> Path:
    prices.to_csv(path, index_label="Date")
    return path


def test_the_true_range_takes_the_gap_from_the_close_before() -> None:
    prices = market(2, 600)
    window = {name: prices[name].to_numpy()[None] for name in ("close", "high", "low")}
    expected = []
    for i in range(1, len(prices)):
        top = max(prices["high"].iloc[i], prices["close"].iloc[i - 1])
        bottom = min(prices["low"].iloc[i], prices["close"].iloc[i - 1])
        expected.append(np.log(top / bottom) ** 2 / (4 * np.log(2)))
    np.testing.assert_allclose(true_range(window)[0], expected, rtol=1e-12)


def test_it_is_exported_as_it_forecasts_and_knows_more_than_closes_do() -> None:
    """On a market whose volatility comes in waves, ranges see the wave sooner: less pinball on rows it did not see."""
    prices = market(4, 3000)
    known = prices.iloc[:2000]
    ranged, closes = (fit(FAMILIES[name], known, source="csv") for name in ("calendar_range", "calendar"))
    assert isinstance(ranged.head, CalendarRange) and ranged.family.inputs == (
        "close",
        "high",
        "low",
        "date",
        "target_date",
    )
    described = describe(
        ranged, pair="EURUSD", source="csv", prices_sha256="0" * 64, trained_through=date(2022, 8, 31), code="test"
    )
    _, parity = export(ranged, known, described)
    assert parity.graph < 1e-12
    assert truncation(ranged.head, HeadData(known, source="csv"), ranged.family.inputs, CHECKED) < 1e-6
    from training.evaluation import metrics
    from training.prices.windows import targets, windows

    later = pd.DatetimeIndex(prices.index[2000:2900])
    actual = targets(prices, later)[:, :1]
    losses = []
    for model in (ranged, closes):
        window = windows(prices, model.family.inputs, later, source="csv")
        quantiles = np.log(model.forecast(window)["quantiles"] / window["close"][:, -1][:, None, None])[:, :1]
        losses.append(float(metrics.pinball(actual, quantiles)[0]))
    assert losses[0] < 0.995 * losses[1]


def test_a_file_whose_closes_are_its_opens_loses_its_other_columns(tmp_path: Path) -> None:
    trap = load("csv", today=date(2026, 1, 1), path=written(tmp_path / "trap.csv", yahoo(market(1))), reading=TRUST)
    assert list(trap.frame.columns) == ["close"]
    assert any(note.startswith("trap.csv: high and low ") and "no model uses" in note for note in trap.notes)
    assert usable_families(trap) == DEFAULT_FAMILIES
    with pytest.raises(ValueError, match=r"^EURUSD: .* no columns high .*; .* family calendar, "):
        fit(FAMILY, trap.frame, source="csv")
    with pytest.raises(ValueError, match=r"^EURUSD: high and low .* no model uses .*; .* family calendar, "):
        fit(FAMILY, yahoo(market(1)), source="csv")


def test_closes_that_are_opens_are_dated_as_those_of_the_business_day_before(tmp_path: Path) -> None:
    """The last row of a vendor's file is of a day that is not over: its close is that of the moment."""
    rows = yahoo(market(1))
    trap = load("csv", today=date(2026, 1, 1), path=written(tmp_path / "trap.csv", rows), reading=TRUST)
    assert trap.frame["close"].tolist() == rows["close"].tolist()
    assert list(trap.frame.index[1:]) == list(rows.index[:-1])
    assert trap.origin.endswith(f"through {rows.index[-2]:%Y-%m-%d}")
    moving = rows.copy()
    moving.loc[moving.index[-1], "close"] = moving["high"].iloc[-1]
    today = load("csv", today=date(2026, 1, 1), path=written(tmp_path / "moving.csv", moving), reading=TRUST)
    assert list(today.frame.index) == list(trap.frame.index[:-1])
    assert any("last row" in note for note in today.notes) and not any("last row" in note for note in trap.notes)


def test_an_honest_file_is_tried_with_its_ranges(tmp_path: Path) -> None:
    sound = load("csv", today=date(2026, 1, 1), path=written(tmp_path / "sound.csv", market(1)), reading=TRUST)
    assert set(sound.frame.columns) == {"close", "open", "high", "low"}
    assert any(note.startswith("sound.csv: high and low ") and "the close's day " in note for note in sound.notes)
    assert set(usable_families(sound)) == set(DEFAULT_FAMILIES) | {"calendar_range"}
    gaps = market(1)
    gaps.loc[gaps.index[5], "high"] = np.nan
    path = written(tmp_path / "gaps.csv", gaps)
    assert usable_families(load("csv", today=date(2026, 1, 1), path=path, reading=TRUST)) == DEFAULT_FAMILIES
    with pytest.raises(PriceError, match="high: 1 missing price"):
        load("csv", today=date(2026, 1, 1), path=path, columns=["high"], reading=TRUST)
