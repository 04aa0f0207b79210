"""Price files: one format, exact round trips, reads of the end alone, and the last known good."""

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.champion.model_inputs import input_arrays, table_inputs
from lambda_fn.champion.runtime import Champion
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import days_since_1970
from lambda_fn.prices.price_file import Table, parse, parse_tail, read_table, serialise
from lambda_fn.store.keys import price_key
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store
from tests.support import foreign

KEY = price_key("EURUSD", "ecb")
NAN = float("nan")


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Ascending dates, a close and up to three other columns, gaps and odd floats anywhere."""
    dates = sorted(draw(st.sets(st.dates(), min_size=0, max_size=20)))
    names = ["close", *draw(st.sets(st.sampled_from(["eurjpy", "eurgbp", "high"])))]
    values = st.floats(allow_infinity=False) | st.integers(1, 300).map(float)
    columns = {name: draw(st.lists(values, min_size=len(dates), max_size=len(dates))) for name in names}
    return Table(dates, {name: np.array(column, dtype=np.float64) for name, column in columns.items()})


def as_lists(columns: dict[str, Any]) -> dict[str, list[float]]:
    return {name: column.tolist() for name, column in columns.items()}


@given(tables())
def test_a_table_round_trips_bit_by_bit(table: Table) -> None:
    data = serialise(table.dates, as_lists(table.columns))
    found = parse(data)
    assert found.dates == table.dates
    assert list(found.columns) == ["close", *sorted(set(table.columns) - {"close"})]
    for name, column in table.columns.items():
        np.testing.assert_array_equal(found.columns[name], column)
    assert serialise(found.dates, as_lists(found.columns)) == data


@given(tables(), st.integers(0, 25))
def test_the_tail_is_the_end_of_the_table(table: Table, rows: int) -> None:
    body = serialise(table.dates, as_lists(table.columns)).partition(b"\n")[2]
    names = ["close", *sorted(set(table.columns) - {"close"})]
    found = parse_tail(body, rows, names, ["close"])
    assert found.dates == (table.dates[-rows:] if rows else [])
    assert list(found.columns) == ["close"]
    np.testing.assert_array_equal(found.columns["close"], table.columns["close"][-rows:] if rows else [])


def test_the_format() -> None:
    columns = {"eurjpy": [175.68, NAN], "close": [1.1172, 1.0], "eurchf": [0.1 + 0.2, 2.0]}
    data = serialise([date(2026, 10, 29), date(2026, 10, 30)], columns)
    assert data == (b"date,close,eurchf,eurjpy\n2026-10-29,1.1172,0.30000000000000004,175.68\n2026-10-30,1.0,2.0,\n")


@pytest.mark.parametrize(
    ("dates", "columns", "message"),
    [
        ([date(2026, 1, 2)], {"high": [1.0]}, "no column close; add it"),
        ([date(2026, 1, 2)], {"close": [1.0, 2.0]}, "2 values of close for 1 dates"),
        ([date(2026, 1, 2), date(2026, 1, 2)], {"close": [1.0, 2.0]}, "2026-01-02 follows 2026-01-02; "),
        ([date(2026, 1, 5), date(2026, 1, 2)], {"close": [1.0, 2.0]}, "2026-01-02 follows 2026-01-05; sort the rows"),
    ],
)
def test_a_wrong_table_is_not_written(dates: list[date], columns: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ContractError, match=f"^prices: {message}"):
        serialise(dates, columns)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "header .*''; .*date,close"),
        (b"Date,Close\n2026-01-02,1.1\n", "header .*'Date,Close'; .*date,close"),
        (b"date,close\n02.01.2026,1.1\n", "'02.01.2026' .*2026-10-30"),
        (b"date,close\n2026-01-02,one\n", r"2026-01-02 .*\bclose; "),
        (b"date,close,high\n2026-01-02,1.1\n", r"2026-01-02 .*\bhigh; "),
        (b"date,close\n2026-01-05,1.1\n2026-01-02,1.1\n", "sort the rows"),
    ],
)
def test_a_wrong_file_is_said(data: bytes, message: str) -> None:
    with pytest.raises(ContractError, match=rf"^prices: .*{message}"):
        parse(data)


def test_windows_line_ends_are_read() -> None:
    assert parse(b"date,close\r\n2026-01-02,1.5\r\n").columns["close"].tolist() == [1.5]


@pytest.mark.parametrize("rows", [1, 7, 513, 2000])
@pytest.mark.parametrize("wanted", [["close"], ["close", "eurjpy"], ["eurgbp", "close"]])
def test_the_last_rows_are_those_of_the_whole(tmp_path: Any, rows: int, wanted: list[str]) -> None:
    store = FolderStore(tmp_path)
    data = foreign.price_file(2000, ["eurgbp", "eurjpy"])
    store.create(KEY, data)
    whole, found = parse(data), read_table(store, "EURUSD", "ecb", rows, wanted)
    assert found.dates == whole.dates[-rows:]
    assert set(found.columns) == set(wanted)
    for name in wanted:
        np.testing.assert_array_equal(found.columns[name], whole.columns[name][-rows:])


def test_reading_from_both_kinds_of_store(store: Store) -> None:
    store.create(KEY, foreign.price_file(1000, ["eurjpy"]))
    found = read_table(store, "EURUSD", "ecb", 30, ["close", "eurjpy"])
    assert len(found.dates) == 30
    assert found.dates[-1] == foreign.AS_OF


def test_too_few_rows_and_missing_columns_are_said(tmp_path: Any) -> None:
    store = FolderStore(tmp_path)
    store.create(KEY, foreign.price_file(20, ["eurjpy"]))
    with pytest.raises(ContractError, match=f"{KEY}: 20 rows, the champion needs 21; add older prices"):
        read_table(store, "EURUSD", "ecb", 21)
    with pytest.raises(ContractError, match=f"{KEY}: no column eurgbp, high; it has close, eurjpy"):
        read_table(store, "EURUSD", "ecb", 5, ["close", "eurgbp", "high"])


def test_gaps_matter_in_the_champions_columns_only(tmp_path: Any) -> None:
    days = foreign.price_rows(25)
    columns = {"close": [1.1] * 25, "eurjpy": [170.0] * 24 + [NAN], "eurold": [NAN] * 25}
    columns["eurjpy"][0] = -1.0  # before the window
    prices = parse(serialise(days, columns))
    assert set(table_inputs(Champion.load(foreign.champion_bytes()), prices)) == {"close"}
    wants_jpy = Champion.load(foreign.champion_bytes(extra=["eurjpy"]))
    with pytest.raises(ContractError, match=r"^prices: eurjpy .*\b1 .*\b20 rows\b.*\b2026-10-30; "):
        table_inputs(wants_jpy, prices)
    with pytest.raises(ContractError, match=r"^prices: .*\bcolumn high\b.*\bchampion\b.*; "):
        table_inputs(Champion.load(foreign.champion_bytes(extra=["high"])), prices)
    with pytest.raises(ContractError, match="19 rows, the champion needs 20"):
        table_inputs(wants_jpy, Table(prices.dates[:19], prices.columns))


@pytest.mark.parametrize("bad", [0.0, -1.1, math.inf, NAN])
def test_a_bad_close_never_reaches_the_champion(bad: float) -> None:
    days, closes = foreign.price_rows(25), [1.1] * 25
    closes[10] = bad
    columns = {"close": np.array(closes)}
    with pytest.raises(ContractError, match="close has 1 gaps"):
        table_inputs(Champion.load(foreign.champion_bytes()), Table(days, columns))


def test_window_inputs_by_name() -> None:
    champion = Champion.load(foreign.champion_bytes(extra=["eurjpy"], dated=True))
    prices = parse(foreign.price_file(60, ["eurjpy", "eurusdx"]))
    inputs = input_arrays(table_inputs(champion, prices))
    assert {name: (values.dtype.name, values.shape) for name, values in inputs.items()} == {
        "close": ("float64", (1, 20)),
        "eurjpy": ("float64", (1, 20)),
        "date": ("int64", (1, 20)),
        "target_date": ("int64", (1, 3)),
    }
    assert inputs["close"][0, -1] == prices.columns["close"][-1]
    after = [date(1970, 1, 1) + timedelta(days=int(day)) for day in inputs["target_date"][0]]
    assert after == [date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 4)]


@given(st.dates())
def test_days_are_those_of_numpy(day: date) -> None:
    assert days_since_1970([day])[0] == np.datetime64(day, "D").astype(np.int64)
