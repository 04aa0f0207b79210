"""Every known format has its outcome: `tests.support.price_formats` is the table."""

import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.facts import lacking
from tests.support.price_formats import READ, TABLE, Format
from tests.support.price_sources import USD, ohlc, rate
from training.prices import formats
from training.prices.row_checks import PriceError
from training.prices.table import PriceTable, load

TODAY = date(2026, 11, 4)


def read(folder: Path, case: Format) -> PriceTable:
    data = case.data() if callable(case.data) else case.data
    path = folder / "my.file"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return load("csv", path=path, today=TODAY, pair=case.pair, min_rows=1, reading=case.reading)


@pytest.mark.parametrize("case", TABLE, ids=[case.name for case in TABLE])
def test_every_format_has_its_outcome(tmp_path: Path, case: Format) -> None:
    if case.facts != READ:
        with pytest.raises(PriceError) as caught:
            read(tmp_path, case)
        (fault,) = caught.value.faults
        assert fault.startswith("my.file: ") and not lacking(fault, *case.facts)
        return
    close = read(tmp_path, case).frame["close"]
    assert list(close.index) == list(USD.index)
    np.testing.assert_allclose(close.to_numpy(), rate(case.pair).to_numpy(), rtol=2e-5)


def test_sundays_are_merged_into_the_next_day_where_there_are_fridays(tmp_path: Path) -> None:
    case = next(case for case in TABLE if case.name == "Sunday rows")
    table, plain = read(tmp_path, case), ohlc()
    mondays = pd.DatetimeIndex(plain.index).day_of_week == 0
    mondays[: np.flatnonzero(mondays)[0] + 1] = False
    assert (table.frame["low"][mondays] < plain["Low"][mondays] - 0.005).all()
    assert (table.frame["low"][~mondays] == plain["Low"][~mondays]).all()
    assert any("rows of Sundays merged" in note for note in table.notes)
    saturdays = pd.concat([plain, plain.iloc[[4]].set_axis(pd.DatetimeIndex(["2025-11-01"]))]).to_csv()
    with pytest.raises(PriceError, match="weekend date"):
        read(tmp_path, Format("a Saturday row", saturdays))


def test_columns_that_nobody_uses_are_not_stored(tmp_path: Path) -> None:
    wide = next(case for case in TABLE if case.name == "thousands of columns")
    assert list(read(tmp_path, wide).frame.columns) == ["close"]
    path = tmp_path / "my.csv"
    assert isinstance(wide.data, str)
    path.write_text(wide.data)
    table = load("csv", path=path, today=TODAY, min_rows=1, columns=["c7"])
    assert list(table.frame.columns) == ["close", "c7"]
    path.write_text(wide.data.replace(",1\n", "\n"))
    with pytest.raises(PriceError, match="260 too short rows: row 2 "):
        load("csv", path=path, today=TODAY, min_rows=1)


def test_a_column_of_the_pair_is_stored_once(tmp_path: Path) -> None:
    table = read(tmp_path, next(case for case in TABLE if case.name == "a column a pair"))
    assert list(table.frame.columns) == ["close", "gbpusd", "usdjpy"]


def test_the_names_of_formats_are_unique() -> None:
    assert len({case.name for case in TABLE}) == len(TABLE)


def test_a_new_format_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven columns without a header are refused until an entry names them."""
    text = "".join(f"{day:%Y%m%d};EURUSD;1.0;{price};0.9;1.2;x\n" for day, price in USD.items())
    with pytest.raises(PriceError, match="7 columns"):
        read(tmp_path, Format("a new vendor", text))
    entry = """
    name = "a new vendor"
    cells = ["[0-9]{8}", "[A-Z]{6}"]
    header = ["date", "ticker", "open", "close", "low", "high", "flag"]
    """
    vendor = formats.Format(**tomllib.loads(entry))
    every_format = (*formats.known_formats(), vendor)
    monkeypatch.setattr(formats, "known_formats", lambda: every_format)
    close = read(tmp_path, Format("a new vendor", text)).frame["close"]
    np.testing.assert_allclose(close.to_numpy(), USD.to_numpy())
