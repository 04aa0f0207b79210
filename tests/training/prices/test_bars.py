"""Large files of bars are read in blocks; the result is that of reading them cell by cell."""

import gzip
import io
import tracemalloc
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.prices import bars as bars_module
from training.prices import decompress, reader
from training.prices.read_options import PLAIN, Reading
from training.prices.reader import read_rows
from training.prices.row_checks import PriceError, Rows
from training.prices.table import load

START = datetime(2024, 1, 1)  # noqa: DTZ001  # files name no zone
NEW_YORK = Reading(resample="17:00 America/New_York")


def bars(count: int = 2400, minutes: int = 60) -> list[tuple[datetime, float]]:
    """Bars from a Monday on, over a change to summer time, without weekends."""
    rng = np.random.default_rng(1)
    moments = (START + timedelta(minutes=minutes * i) for i in range(2 * count))
    weekdays = [at for at in moments if at.weekday() < 5][:count]
    return [
        (at, 1.1 + price) for at, price in zip(weekdays, rng.normal(0, 0.001, count).cumsum().round(5), strict=True)
    ]


def text_of(header: str, row: Callable[[datetime, str], str], comma: bool = False) -> str:
    lines = [row(at, f"{price:.5f}".replace(".", "," if comma else ".")) for at, price in bars()]
    return "\n".join([*([header] if header else []), *lines, ""])


def epoch(at: datetime) -> int:
    return int((at - START).total_seconds()) + 1_704_067_200


TEXTS = {
    "HistData": text_of("", lambda at, p: f"{at:%Y%m%d %H%M%S};{p};{p};{p};{p};0"),
    "MetaTrader 4": text_of("", lambda at, p: f"{at:%Y.%m.%d},{at:%H:%M},{p},{p},{p},{p},7"),
    "MetaTrader 5": text_of(
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>", lambda at, p: f"{at:%Y.%m.%d\t%H:%M:%S}\t{p}\t{p}\t{p}\t{p}"
    ),
    "Dukascopy": text_of("Gmt time,Close", lambda at, p: f"{at:%d.%m.%Y %H:%M:%S}.000,{p}"),
    "JForex": text_of("Time (EET),Close", lambda at, p: f"{at:%Y.%m.%d %H:%M:%S},{p}"),
    "TradeStation": text_of('"Date","Time","Close"', lambda at, p: f"{at:%m/%d/%Y},{at:%H%M},{p}"),
    "seconds": text_of("time,close", lambda at, p: f"{epoch(at)},{p}"),
    "milliseconds": text_of("timestamp,close", lambda at, p: f"{epoch(at)}000,{p}"),
    "offset": text_of("time,close", lambda at, p: f"{at.isoformat()}+02:00,{p}"),
    "days first": text_of("date,close", lambda at, p: f"{at:%d/%m/%Y %H:%M},{p}"),
    "midnight without a time": text_of("date,close", lambda at, p: f"{at:%Y-%m-%d}{at:' '%H:%M},{p}".replace("' '", " ")
                                       if at.hour else f"{at:%Y-%m-%d},{p}"),
    "afternoons": text_of("date,close", lambda at, p: f"{at:%m/%d/%Y %I:%M:%S %p},{p}"),
    "named months": text_of("date;close", lambda at, p: f"{at:%d %b %Y %H:%M};{p}"),
    "commas": text_of("date;close", lambda at, p: f"{at:%Y-%m-%d %H:%M};{p}", comma=True),
    "quotes": text_of("date,close", lambda at, p: f'"{at:%Y-%m-%d %H:%M}","{p}"'),
    "bid and ask": text_of("time,bid,ask", lambda at, p: f"{at:%Y-%m-%d %H:%M},{p},{float(p) + 0.001:.5f}"),
    "gaps": text_of("date,close", lambda at, p: f"{at:%Y-%m-%d %H:%M},{'' if at.hour == 3 else p}"),
    "words": text_of("date,close", lambda at, p: f"{at:%Y-%m-%d %H:%M},{'?' if at.hour == 3 else p}"),
    "a date format": text_of("date,close", lambda at, p: f"{at:%Y|%d|%m %H-%M},{p}"),
}  # fmt: skip


def daily(text: str, reading: Reading, size: int, monkeypatch: pytest.MonkeyPatch) -> Rows:
    monkeypatch.setattr(reader, "BULK", size)
    monkeypatch.setattr(reader, "HEAD", 4096)
    monkeypatch.setattr(bars_module, "BLOCK", 10_000)
    return read_rows(text.encode(), "my.csv", reading)


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("name", TEXTS)
def test_blocks_are_read_as_cells_are(name: str, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(resample="17:00 America/New_York", date_format="%Y|%d|%m %H-%M" if "format" in name else None)
    lines = TEXTS[name].splitlines(keepends=True)
    header = lines[:1] if lines[0][:1].isalpha() or (lines[0][:1] in '<"' and "20" not in lines[0]) else []
    rows = lines[len(header) :]
    text = "".join([*header, *(rows if order == "ascending" else rows[::-1])])
    cells, blocks = (daily(text, reading, size, monkeypatch) for size in (len(text) + 1, 0))
    assert blocks.days == cells.days and len(cells.days) > 95
    assert blocks.columns.keys() == cells.columns.keys()
    for column, values in cells.columns.items():
        np.testing.assert_array_equal(blocks.columns[column], values)
    assert not blocks.faults and not cells.faults


def test_faults_of_rows_are_found_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = TEXTS["commas"].splitlines()
    lines[1500], lines[2000] = "2024-03-01 00:00", "oops;1,1"
    rows = daily("\n".join(lines), NEW_YORK, 0, monkeypatch)
    odd, unread = rows.faults
    assert odd.startswith("my.csv: 1 row ") and "length: row 1501; " in odd
    assert "1 unreadable date: row 2000" in unread  # the row before is left out


def test_bars_are_recognised_by_the_head_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows is not read, however much it is."""
    rows = daily(TEXTS["Dukascopy"] + "x" * 100_000, PLAIN, 0, monkeypatch)
    assert "intraday bars, 60 minutes apart" in rows.diagnoses[0]


def test_a_large_file_that_is_daily_is_read_cell_by_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "date,close\n" + "".join(f"{START + timedelta(days=i):%Y-%m-%d},1.{i + 100}\n" for i in range(400))
    assert len(daily(text, PLAIN, 0, monkeypatch).days) == 400
    with pytest.raises(PriceError, match="no column"):
        daily("date,close\n2024-01-01,1\n", Reading(close_column="x"), 0, monkeypatch)


def test_packed_bars_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BULK", 0)
    rows = read_rows(gzip.compress(TEXTS["seconds"].encode()), "my.csv.gz", NEW_YORK)
    assert "unpacked (gzip)" in rows.notes[0] and len(rows.days) > 95


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("title", ["Date", None])
def test_parquet_is_read_in_blocks(zone: str | None, title: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BULK", 0)
    moments, prices = zip(*bars(), strict=True)
    index = pd.DatetimeIndex(moments, name=title).tz_localize(zone, nonexistent="shift_forward")
    out = io.BytesIO()
    pd.DataFrame({"Close": prices}, index=index).to_parquet(out)
    cells = read_rows(out.getvalue(), "my.parquet", NEW_YORK)
    monkeypatch.setattr(decompress, "LARGE", 0)
    blocks = read_rows(out.getvalue(), "my.parquet", NEW_YORK)
    assert blocks.days == cells.days and len(cells.days) > 95
    np.testing.assert_array_equal(blocks.columns["close"], cells.columns["close"])


def test_memory_grows_by_the_numbers_and_not_by_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar of five numbers takes 40 bytes, and as objects of Python it would take over 500."""
    monkeypatch.setattr(reader, "BULK", 0)
    peaks = []
    for copies in (20, 60):
        data = (TEXTS["HistData"] * copies).encode()
        tracemalloc.start()
        read_rows(data, "my.csv", NEW_YORK)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / (40 * 2400) < 250


def test_bars_without_a_whole_day_are_refused(tmp_path: Path) -> None:
    """A few bars of a Monday morning make no daily close; there is nothing to clean then."""
    path = tmp_path / "my.csv"
    path.write_text("date,close\n" + "".join(f"2024-01-01 0{hour}:00,1.1\n" for hour in range(8)))
    with pytest.raises(PriceError, match="0 rows, at least 1 are needed"):
        load("csv", path=path, today=date(2026, 11, 1), min_rows=1, reading=NEW_YORK)


def test_a_date_that_does_not_exist_is_the_only_one_with_a_time(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    days = "".join(f"2024-01-{day:02},1.1\n" for day in (*range(1, 6), *range(8, 13), *range(15, 20)))
    path.write_text(f"date,close\n{days}2024-02-31 12:00,1.1\n")
    with pytest.raises(PriceError, match="1 unreadable date: row 17 "):
        load("csv", path=path, today=date(2026, 11, 1), min_rows=1)
