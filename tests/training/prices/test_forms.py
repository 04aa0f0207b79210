"""Each form of the registry is read from a file as its source exports it, and from any table that is written so."""

import gzip
import io
import tempfile
import zipfile
from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.facts import lacking
from tests.support.price_cells import business_days
from tests.support.price_formats import CLOSED
from tests.support.price_forms import WRITERS, Bar, bars_of, days_of, headed
from training.prices.read_options import PLAIN, Reading
from training.prices.row_checks import PriceError
from training.prices.table import PriceTable, load

TODAY = date(2026, 11, 1)
FILES = Path(__file__).parent / "forms"
CLOSES = [1.0956, 1.0919, 1.0953, 1.0921, 1.0946, 1.094, 1.0946, 1.0987, 1.0942, 1.0945, 1.0882, 1.0877, 1.0875, 1.0887]
DAYS = business_days(date(2024, 1, 19), len(CLOSES))  # from 2 January on
BARS = bars_of(zip(DAYS, CLOSES, strict=True))
SAMPLES = sorted(WRITERS)


@cache
def all_days() -> list[date]:
    return business_days(date(2026, 10, 30), 6000)


def read(path: Path, reading: Reading = PLAIN, pair: str = "EURUSD") -> PriceTable:
    return load("csv", path=path, today=TODAY, pair=pair, min_rows=1, reading=reading)


def closes(table: PriceTable) -> list[tuple[date, float]]:
    return days_of(table.frame["close"])


def table_of(data: bytes | str, reading: Reading = PLAIN) -> PriceTable:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my.csv"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return read(path, reading)


def refused(data: bytes | str, reading: Reading = PLAIN) -> str:
    with pytest.raises(PriceError) as caught:
        table_of(data, reading)
    return str(caught.value)


def test_every_format_has_its_file() -> None:
    assert sorted(path.name for path in FILES.iterdir()) == SAMPLES


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_file_of_each_form_is_read(sample: str) -> None:
    assert closes(read(FILES / sample, CLOSED.get(sample, PLAIN))) == list(zip(DAYS, CLOSES, strict=True))


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_file_is_written_as_its_form_is(sample: str) -> None:
    assert (FILES / sample).read_text(encoding="utf-8") == WRITERS[sample](BARS)


@st.composite
def tables(draw: st.DrawFn, least: int = 12, most: int = 40) -> list[Bar]:
    """Bars of four decimals, as every form has at least."""
    count = draw(st.integers(least, most))
    days = all_days()
    start = draw(st.integers(0, len(days) - count))
    moves = draw(st.lists(st.integers(-40, 40), min_size=count, max_size=count))
    level = draw(st.integers(8000, 15000))
    found = []
    for move in moves:
        level += move
        found.append(level / 10_000)
    return bars_of(zip(days[start : start + count], found, strict=True))


def expected(bars: list[Bar]) -> list[tuple[date, float]]:
    return [(bar.day, bar.close) for bar in bars]


@given(st.sampled_from(SAMPLES), tables(least=25))
@settings(deadline=None, max_examples=150)
def test_any_table_comes_back_from_every_form(sample: str, bars: list[Bar]) -> None:
    assert closes(table_of(WRITERS[sample](bars), CLOSED.get(sample, PLAIN))) == expected(bars)


@given(st.sampled_from(SAMPLES), tables(least=120, most=130), st.data())
@settings(deadline=None, max_examples=150)
def test_a_cut_table_comes_back_short_or_is_refused(sample: str, bars: list[Bar], data: st.DataObject) -> None:
    text = WRITERS[sample](bars).encode()
    cut = text[: data.draw(st.integers(len(text) - len(text) // 8, len(text)))]
    try:
        table = table_of(cut, CLOSED.get(sample, PLAIN))
    except PriceError:
        return
    whole, found = dict(expected(bars)), closes(table)
    assert len(found) >= 100  # from where the digits of the last price are compared with the others'
    wrong = [day for day, close in found if whole[day] != close]
    noted = any("cut off" in note for note in table.notes)
    assert len(wrong) <= noted, wrong


@given(st.sampled_from(SAMPLES), tables(least=25), st.data())
@settings(deadline=None, max_examples=150)
def test_corrupt_bytes_are_refused_or_do_no_harm(sample: str, bars: list[Bar], data: st.DataObject) -> None:
    """A letter instead of any digit, mark or separator: never another date, never another number of rows but one."""
    text = WRITERS[sample](bars)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.sampled_from("xQ?")) + text[at + 1 :]
    try:
        found = closes(table_of(changed, CLOSED.get(sample, PLAIN)))
    except PriceError:
        return
    assert set(found) <= set(expected(bars))
    assert len(found) >= len(bars) - 1


def test_order_of_rows_is_of_no_matter() -> None:
    header, *rows = WRITERS["stooq.csv"](BARS).splitlines()
    assert closes(table_of("\n".join([header, *sorted(rows, key=hash)]))) == expected(BARS)


# What packs a table


PLAIN_TEXT = WRITERS["yahoo.csv"](BARS)


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.csv", text)
    return out.getvalue()


def frame() -> pd.DataFrame:
    return pd.DataFrame({"Close": CLOSES}, index=pd.DatetimeIndex(DAYS, name="Date"))


def spreadsheet() -> bytes:
    out = io.BytesIO()
    frame().to_excel(out)
    return out.getvalue()


def parquet() -> bytes:
    out = io.BytesIO()
    frame().to_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(PLAIN_TEXT.encode()),
        zipped(prices=PLAIN_TEXT),
        gzip.compress(zipped(prices=PLAIN_TEXT)),
        PLAIN_TEXT.encode("utf-16"),
        PLAIN_TEXT.encode("utf-8-sig"),
        WRITERS["investing-de.csv"](BARS).encode("cp1252"),
        WRITERS["investing-ru.csv"](BARS).encode("cp1251"),
        "sep=;\n" + WRITERS["twelve-data.csv"](BARS),
        "# a comment\n// another\n" + PLAIN_TEXT,
        "EUR/USD, daily\nSource: somebody\n\n" + PLAIN_TEXT + "\nSource: somebody\n",
        PLAIN_TEXT.replace(",", "|"),
        spreadsheet(),
        parquet(),
    ],
    ids=lambda data: None,
)
def test_what_a_table_is_packed_in_is_taken_off(data: bytes | str) -> None:
    assert closes(table_of(data)) == expected(BARS)


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (zipped(one=PLAIN_TEXT, two="other\n"), ["is a zip ", "2 files (one.csv, two.csv); "]),
        (gzip.compress(PLAIN_TEXT.encode())[:-20], ["gzip file (", "; "]),
        (parquet()[:-20], ["Parquet file ", "; "]),
        (spreadsheet()[:-200], ["not UTF-8 text", "; "]),
        (b'{"Error Message": "the limit is reached"}', ["is JSON ", """'{"Error Message": """, "; "]),
        (b'[{"t": 1, "c": 1.1}', ["invalid JSON", "; "]),
        (b"<!DOCTYPE html>\n<html>", ["web page (HTML)", "'<!DOCTYPE html>'", "; "]),
        (b'<?xml version="1.0"?>\n<gesmes:Envelope>', ["it is XML; "]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ["(.xls); ", ".xlsx"]),
    ],
)
def test_what_is_no_table_is_called_what_it_is(data: bytes, facts: list[str]) -> None:
    fault = refused(data)
    assert fault.startswith("my.csv: ") and not lacking(fault, *facts)


def test_series_of_other_pairs_are_named() -> None:
    other = WRITERS["ecb-sdmx.csv"](BARS)
    sterling = other.replace("EXR.D.USD", "EXR.D.CHF").replace(",USD,", ",CHF,")
    fault = refused(sterling)
    assert "EXR.D.CHF.EUR.SP00.A, EXR.D.GBP.EUR.SP00.A and " in fault and " series of EURUSD; " in fault
    assert "BBEX3.D.CHF.EUR" in refused(WRITERS["bundesbank.csv"](BARS).replace("D.USD.", "D.CHF."))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my.csv"
        path.write_text(other)
        pounds = closes(read(path, pair="EURGBP"))
    assert pounds == [(bar.day, round(bar.close * 0.8, 6)) for bar in BARS]


# What the options say


def test_columns_are_named_by_options() -> None:
    text = headed("Tag,One,Two", lambda bar: [bar.day, bar.close, bar.close + 0.1])(BARS)
    assert "no column close" in refused(text)
    assert closes(table_of(text, Reading(date_column="Tag", close_column="One"))) == expected(BARS)
    assert closes(table_of(text, Reading(date_column="1", close_column="2"))) == expected(BARS)
    assert "--close-column: no column 'Mid'; choose among Tag, One, Two" in refused(
        text, Reading(date_column="Tag", close_column="Mid")
    )
    bare = text.split("\n", 1)[1]
    assert not lacking(refused(bare), "no header and 3 columns; ", "Date,Close", "--close-column 5")
    assert closes(table_of(bare, Reading(close_column="2"))) == expected(BARS)


def test_dates_and_marks_are_named_by_options() -> None:
    odd = headed("Date,Close", lambda bar: [f"{bar.day:%Y-%d-%m}", bar.close])(BARS)
    assert closes(table_of(odd, Reading(date_format="%Y-%d-%m"))) == expected(BARS)
    thousands = headed("Date,Close", lambda bar: [bar.day, f"{bar.close:.3f}".replace(".", ",")])
    text = thousands(BARS)
    rounded = [(bar.day, round(bar.close, 3)) for bar in BARS]
    assert closes(table_of(text)) == rounded  # the rate decides
    assert closes(table_of(text, Reading(decimal=","))) == rounded
    assert closes(table_of(text, Reading(decimal="."))) == [(day, round(close * 1000)) for day, close in rounded]
