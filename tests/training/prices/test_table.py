"""The price table: the embedded history, users' files in all their forms, and the store's price files."""

import hashlib
import re
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.prices.price_file import serialise
from lambda_fn.settings import Settings
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support.errors import has_cure
from tests.support.facts import lacking
from tests.support.price_cells import TODAY, Cells, clean
from training.prices.row_checks import PriceError
from training.prices.table import PriceTable, load, store_prices

FORMS = ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d 00:00:00"]
SMALL = "Date,Close\n2024-06-25,1.07\n2024-06-26,1.08\n2024-06-27,1.09\n"


def csv_table(folder: Path, text: str | bytes, columns: tuple[str, ...] = (), name: str = "my.csv") -> PriceTable:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load("csv", path=path, today=TODAY, columns=columns, min_rows=1)


def refusal(folder: Path, text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(PriceError) as caught:
        csv_table(folder, text)
    return caught.value.faults


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(Settings.from_env({"STORE_DIR": str(tmp_path / "store")}))


# The ECB's embedded history


def test_embedded_history(ecb: PriceTable) -> None:
    frame = ecb.frame
    assert len(frame) >= 7126
    assert frame.loc["1999-01-04", "close"] == 1.1789
    assert frame.loc["2026-10-30", "close"] == 1.1172
    assert frame.loc["2026-10-30", "eurjpy"] == 175.68
    assert list(frame.columns[:3]) == ["close", "euraud", "eurbgn"]
    assert "eurusd" not in frame
    assert frame.index.name == "date"
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert set(frame.dtypes) == {np.dtype(np.float64)}
    assert not frame["close"].isna().any()
    assert ecb.source == "ecb"
    assert ecb.origin.startswith("European Central Bank, embedded through 2026-")


def test_digest_is_that_of_the_price_file(ecb: PriceTable) -> None:
    days = [stamp.date() for stamp in ecb.frame.index]
    written = serialise(days, {str(name): ecb.frame[name].tolist() for name in ecb.frame})
    assert ecb.serialised() == written
    assert ecb.sha256 == hashlib.sha256(written).hexdigest()
    assert load("ecb", today=date(2026, 11, 1)).sha256 == ecb.sha256


def test_declared_columns_of_the_ecb_must_be_clean() -> None:
    load("ecb", today=date(2026, 11, 2), columns=("eurjpy", "eurgbp", "eurchf"))
    with pytest.raises(PriceError) as caught:
        load("ecb", today=date(2026, 11, 2), columns=("eurtry", "eurxyz"))
    assert any("eurtry: " in fault and " missing prices: row " in fault for fault in caught.value.faults)
    assert any("no column eurxyz" in fault for fault in caught.value.faults)


def test_old_embedded_rates_are_noted() -> None:
    assert load("ecb", today=date(2026, 11, 2), min_rows=7000).notes == ()
    (note,) = load("ecb", today=date(2027, 5, 1)).notes
    last = load("ecb", today=date(2026, 11, 2)).frame.index[-1].date()
    assert f"{last}, {(date(2027, 5, 1) - last).days} days ago; --fresh " in note


def test_history_that_is_too_short_says_what_for(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text(SMALL)
    with pytest.raises(PriceError, match=r"^my\.csv: 3 rows, at least 513 .*\(one window .*\); "):
        load("csv", path=path, today=TODAY)
    with pytest.raises(PriceError, match=r"at least 2600 are needed \(the first refit\)"):
        load("csv", path=path, today=TODAY, min_rows=2600, reason="the first refit")


# Users' files


@st.composite
def rewritten(draw: st.DrawFn, cells: Cells) -> bytes:
    """The rows as another program might have saved them: other form, names, and order of columns and rows."""
    # In few rows every day may be up to 12, and shuffled ones then do not say which part is the day.
    form = draw(st.sampled_from(FORMS if len(cells) >= 25 else [form for form in FORMS if "/%" not in form]))
    separator = draw(st.sampled_from(",;\t"))
    decimal = draw(st.sampled_from(".,")) if separator == ";" else "."
    columns = [
        [draw(st.sampled_from(["Date", "DATE", " date ", "Timestamp"]))],
        [draw(st.sampled_from(["Close", " CLOSE", '"close"', "Last"]))],
        [draw(st.sampled_from(["Low", "low "]))],
    ]
    for day, close, low in cells:
        columns[0].append(date.fromisoformat(day).strftime(form))
        columns[1].append(close.replace(".", decimal))
        columns[2].append(low.replace(".", decimal))
    header, *rows = zip(*draw(st.permutations(columns)), strict=True)
    lines = [separator.join(row) for row in (header, *draw(st.permutations(rows)))]
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = newline.join(lines) + draw(st.sampled_from(["", newline, newline * 3]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()


@given(clean(), st.data())
def test_any_form_of_the_same_prices_is_the_same_table(cells: Cells, data: st.DataObject) -> None:
    with_low = [[day, close, repr(float(close) * 0.999)] for day, close in cells]
    plain = "\n".join(["date,close,low", *(",".join(row) for row in with_low)])
    with tempfile.TemporaryDirectory() as folder:
        one = csv_table(Path(folder), plain)
        other = csv_table(Path(folder), data.draw(rewritten(with_low)))
    pd.testing.assert_frame_equal(one.frame, other.frame)
    assert one.sha256 == other.sha256
    assert one.frame["close"].tolist() == [float(close) for _, close in cells]


def test_usual_columns_in_any_order(tmp_path: Path) -> None:
    text = (
        "Volume,Adj Close,Symbol,Open,High,Low,Date,Close,\n"
        '0,1.07,EURUSD,1.06,1.08,1.05,26.06.2024,"1.07",\n'
        "n/a,1.08,EURUSD,1.07,1.09,?,27.06.2024, 1.08 ,\n"
    )
    table = csv_table(tmp_path, text, columns=("high",))
    assert list(table.frame.columns) == ["close", "adj_close", "high", "low", "open", "volume"]
    assert table.frame["close"].tolist() == [1.07, 1.08]
    assert table.frame["volume"].isna().tolist() == [False, True]
    assert table.source == "csv"
    assert table.origin == "my.csv through 2024-06-27"
    left_out, unread = table.notes
    assert left_out.startswith("my.csv: column symbol has no numbers")
    assert unread.startswith("my.csv: low: ") and unread.endswith(": 1")


@pytest.mark.parametrize(
    ("header", "note"),
    [("time,last", "column time read as date"), ("Timestamp,Price", "column Price read as close")],
)
def test_other_names_are_noted(tmp_path: Path, header: str, note: str) -> None:
    table = csv_table(tmp_path, SMALL.replace("Date,Close", header))
    assert table.frame["close"].tolist() == [1.07, 1.08, 1.09]
    assert any(note in found for found in table.notes)


def test_other_names_yield_to_the_right_one(tmp_path: Path) -> None:
    table = csv_table(tmp_path, "date,price,close\n2024-06-26,9,1.08\n2024-06-27,9,1.09\n")
    assert table.frame["close"].tolist() == [1.08, 1.09]
    (fault,) = refusal(tmp_path, "date,price,last\n2024-06-26,1.08,1.09\n")
    assert fault.startswith("my.csv: no column close; ")
    assert not lacking(fault, ": price, last; ", "--close-column")


@pytest.mark.parametrize(
    ("rows", "facts"),
    [
        ((1, 2, 3), None),
        ((3, 2, 1), "my.csv: newest first"),
        ((1, 3, 2), "my.csv: not sorted, .* 4; sorted"),
    ],
)
def test_sorted_with_a_note(tmp_path: Path, rows: tuple[int, ...], facts: str | None) -> None:
    lines = SMALL.splitlines()
    table = csv_table(tmp_path, "\n".join([lines[0], *(lines[i] for i in rows)]))
    assert table.frame["close"].tolist() == [1.07, 1.08, 1.09]
    assert len(table.notes) == (facts is not None)
    assert not facts or re.match(facts, table.notes[0])


@pytest.mark.parametrize(
    ("content", "start", "facts"),
    [
        (b"", "", ["empty; ", "Date,Close"]),
        (b"\n\n  \n", "", ["empty; ", "Date,Close"]),
        (b"Date,Close\n\n", "", ["no rows; "]),
        (b"PK\x03\x04\xff\xfe", "not UTF-8 text, byte 5 is invalid; ", ["CSV in UTF-8"]),
        ("Date,Close\n".encode("utf-16"), "", ["no rows; "]),
        ("Date,Close\n".encode("utf-16")[:-1], "incomplete UTF-16 text", []),
        (b"Date,Close\n2024-06-27,1\0\n", "not a text", ["zero bytes; "]),
        (b"<html><body>\nNot found</body></html>", "not a CSV", ["'<html><body>': ", "(HTML)"]),
        (b"1.07\n1.08\n", "not a price", ["'1.07'; ", "Date,Close"]),
        (b'Date,Close\n2024-06-26,"1.08\n2024-06-27,1.09\n', "not CSV ", ["row 2 ", "quotes"]),
        (b"Open,Close\n1.07,1.08\n", "no column date; ", [": open, close; ", "--date-column"]),
        (b"Date,Close,close\n2024-06-26,1,1\n", "two columns ", [" close; "]),
        (b"Date,Close\n2024-06-26,1,0834\n", "1 too long row: row 2 (3 cells, the header has 2); quote", []),
        (b"Date,Close\n2024-06-26\n", "1 too short row: row 2 (1 cell, the header has 2); ", []),
        (b"Date,Close\n2024-06-26,1_0\n", "close: 1 unreadable price: row 2 ('1_0')", []),
        (b"Date;Close\n2024-06-26;1.083,4\n", "close: 1 unreadable price: row 2 ('1.083,4')", []),
        (b"Date,Close\n2024-06-26 17:00,1\n", "1 intraday date: row 2 ('2024-06-26 17:00'); ", []),
        (b"Date,Close\n01/02/2024,1\n", "1 ambiguous date: row 2 ('01/02/2024'); ", ["--date-format %d/%m/%Y"]),
        (b"// nothing\n# more\n", "", ["comments; ", "Date,Close"]),
        (b"sep=;\n\n", "", ["empty; ", "Date,Close"]),
        (b"\n\nDate,Close\n\n2024-06-26,-1\n", "close: 1 negative price: row 5", []),
        (b'Date,Close,Note\n2024-06-26,1,"two\nlines"\n2024-06-27,0,""\n', "close: 1 zero price: row 4", []),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: bytes, start: str, facts: list[str]) -> None:
    fault = refusal(tmp_path, content)[0]
    assert fault.startswith(f"my.csv: {start}") and has_cure(fault)
    assert not lacking(fault, *facts)


def test_faults_of_text_dates_and_prices_are_listed_together(tmp_path: Path) -> None:
    found = refusal(tmp_path, "Day,Close\nx,0\ny,-1\nz,oops,extra\n")
    assert [re.sub("my.csv: (close: )?", "", fault).split(";")[0] for fault in found] == [
        "no column date",
        "1 too long row: row 4 (3 cells, the header has 2)",
        "1 unreadable price: row 4 ('oops')",
        "1 zero price: row 2",
        "1 negative price: row 3",
    ]


@given(st.binary(max_size=300) | st.text(alphabet='01269-/.,;:\t\n"dateclos ', max_size=200).map(str.encode))
def test_nothing_but_price_errors_escapes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for header in (b"", b"date,close\n", b"date;close\n"):
            try:
                csv_table(Path(folder), header + content)
            except PriceError as error:
                assert all(fault.startswith("my.csv: ") for fault in error.faults)


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    for path, what in (
        (tmp_path, "is a directory; "),
        (tmp_path / "none.csv", "no such file; "),
        (tmp_path / ("x" * 300), "cannot be read "),
        (Path("\0"), "cannot be read "),
    ):
        with pytest.raises(PriceError, match=f"^{re.escape(f'{path}: {what}')}") as caught:
            load("csv", path=path, today=TODAY)
        assert has_cure(str(caught.value))
    with pytest.raises(PriceError, match="no file given"):
        load("csv", today=TODAY)


# The store's price files


def numbered(folder: Path, count: int, first: str = "1.07", extra: str = "") -> PriceTable:
    """A table of `count` business days from 2024-01-01 on."""
    days = pd.bdate_range("2024-01-01", periods=count).strftime("%Y-%m-%d")
    closes = [first, *["1.08"] * (count - 1)]
    lines = [f"{day},{close}{',1' if extra else ''}" for day, close in zip(days, closes, strict=True)]
    return csv_table(folder, "\n".join([f"date,close{extra}", *lines]))


def stored(store: Store) -> bytes:
    blob = store.read("prices/EURUSD-csv.csv")
    assert blob is not None
    return blob.data


def test_price_file_is_created_once(store: Store, tmp_path: Path) -> None:
    table = numbered(tmp_path, 3)
    assert store_prices(store, "EURUSD", table) == "prices/EURUSD-csv.csv: created, 3 rows"
    assert stored(store) == b"date,close\n2024-01-01,1.07\n2024-01-02,1.08\n2024-01-03,1.08\n"
    assert store_prices(store, "EURUSD", table) == "prices/EURUSD-csv.csv: unchanged"
    assert store.list("prices") == ["prices/EURUSD-csv.csv"]


def test_longer_table_is_appended_only_when_asked(store: Store, tmp_path: Path) -> None:
    short, long = numbered(tmp_path, 3), numbered(tmp_path, 8)
    store_prices(store, "EURUSD", short)
    assert "behind, 5 new rows" in store_prices(store, "EURUSD", long)
    assert stored(store) == short.serialised()
    assert "appended, 5 new rows" in store_prices(store, "EURUSD", long, append=True)
    assert stored(store) == long.serialised()
    done = store_prices(store, "EURUSD", short, append=True)
    assert done.startswith("prices/EURUSD-csv.csv: unchanged; ") and "5 rows more" in done
    assert stored(store) == long.serialised()


def test_other_history_is_refused_by_its_first_date_unless_replaced(store: Store, tmp_path: Path) -> None:
    before = numbered(tmp_path, 3)
    store_prices(store, "EURUSD", before)
    other = numbered(tmp_path, 5, first="1.075")
    for append in (False, True):
        with pytest.raises(
            PriceError, match=r"history differs from 2024-01-01 on, close was 1.07 and is 1.075; --replace"
        ):
            store_prices(store, "EURUSD", other, append=append)
    with pytest.raises(PriceError, match="its columns are date,close and this table's date,close,eurjpy"):
        store_prices(store, "EURUSD", numbered(tmp_path, 3, extra=",eurjpy"))
    assert stored(store) == before.serialised()
    assert "replaced, 5 rows" in store_prices(store, "EURUSD", other, replace=True)
    assert stored(store) == other.serialised()


def test_cut_off_price_file_is_no_prefix(store: Store, tmp_path: Path) -> None:
    table = numbered(tmp_path, 3)
    store.create("prices/EURUSD-csv.csv", table.serialised()[:-3])
    with pytest.raises(PriceError, match=r"history differs from 2024-01-03 on, close was 1. and is 1.08"):
        store_prices(store, "EURUSD", table, append=True)


def test_write_of_another_process_in_between_is_not_lost(tmp_path: Path) -> None:
    class Busy(FolderStore):
        """Another process is faster by a moment."""

        def replace(self, key: str, data: bytes, etag: str | None) -> bool:
            assert super().replace(key, b"theirs", self.read(key).etag)
            return super().replace(key, data, etag)

    store = Busy(tmp_path / "store")
    store.create("prices/EURUSD-csv.csv", numbered(tmp_path, 3).serialised())
    with pytest.raises(PriceError, match=r"^prices/EURUSD-csv\.csv: another process .*; try again"):
        store_prices(store, "EURUSD", numbered(tmp_path, 5), append=True)
    assert (tmp_path / "store/prices/EURUSD-csv.csv").read_bytes() == b"theirs"


def test_sources_and_pairs_have_their_own_files(store: Store, tmp_path: Path, ecb: PriceTable) -> None:
    store_prices(store, "EURUSD", numbered(tmp_path, 3))
    store_prices(store, "EURUSD", ecb, append=True)
    store_prices(store, "GBPUSD", load("ecb", today=date(2026, 11, 1), pair="GBPUSD"))
    assert store.list("prices") == ["prices/EURUSD-csv.csv", "prices/EURUSD-ecb.csv", "prices/GBPUSD-ecb.csv"]
    assert stored(store).count(b"\n") == 4
