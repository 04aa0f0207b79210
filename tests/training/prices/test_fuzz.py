"""A damaged file of prices is refused with its faults, or is read; nothing else ever happens. `make fuzz` does more."""

import gzip
import io
import json
import os
import tempfile
import zipfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.damage import damaged
from training.prices.reader import read_rows
from training.prices.row_checks import PriceError, check
from training.prices.table import PriceTable, load

HEADERS = [
    "Date",
    "Close",
    "Time",
    "EUR",
    "USD",
    "1EUR",
    "100JPY",
    "EUR/USD",
    "Bid",
    "Ask",
    "Open",
    "High",
    "Low",
    "Symbol",
]
CELLS = [
    "2024-01-02",
    "2024-01-03",
    "01/02/2024",
    "17:00",
    "1700",
    "1.1",
    "1,100",
    "1",
    "-9999",
    "ND",
    "EURUSD",
    "USD",
    "",
]
FORMS = ("plain", "gz", "zip")


@pytest.fixture(scope="module")
def forms(ecb: PriceTable) -> dict[str, bytes]:
    """The same closes in each."""
    close = ecb.frame["close"].iloc[-600:]
    text = ("Date,Close\n" + "".join(f"{day:%Y-%m-%d},{price!r}\n" for day, price in close.items())).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prices.csv", text)
    return {"plain": text, "gz": gzip.compress(text, mtime=0), "zip": buffer.getvalue()}


@settings(
    max_examples=int(os.environ.get("FUZZ", "40")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_file_is_refused_or_read(form: str, forms: dict[str, bytes], data: st.DataObject) -> None:
    found = data.draw(damaged(forms[form]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "my.csv")
        path.write_bytes(found)
        try:
            table = load("csv", path=path, today=date(2026, 11, 1))
        except PriceError as error:
            assert all("my.csv" in fault for fault in error.faults)
        else:
            assert table.frame["close"].between(0.5, 2.0).all()


_SCALARS = st.none() | st.booleans() | st.integers(0, 2**40) | st.floats() | st.sampled_from(["2024-01-02", "1.1", "x"])
_KEYS = st.sampled_from(
    ["date", "close", "2024-01-02", "2024-01-03", "columns", "data", "index", "base", "rates", "t", "USD"]
)
_JSON = st.recursive(
    _SCALARS, lambda node: st.lists(node, max_size=6) | st.dictionaries(_KEYS, node, max_size=6), max_leaves=40
)


@settings(max_examples=int(os.environ.get("FUZZ", "200")), deadline=None)
@given(_JSON)
def test_any_json_is_refused_or_read(document: object) -> None:
    with pytest.raises(PriceError):  # a window of 513 prices is never there
        check(read_rows(json.dumps(document).encode(), "my.json"), (), date(2026, 11, 1), 513, "")


@settings(max_examples=int(os.environ.get("FUZZ", "100")), deadline=None)
@given(st.lists(st.lists(st.sampled_from(HEADERS + CELLS), min_size=1, max_size=5), min_size=1, max_size=30), st.data())
def test_any_table_of_usual_cells_is_refused_or_read(table: list[list[str]], data: st.DataObject) -> None:
    separator = data.draw(st.sampled_from([",", ";", "\t", "|", "  "]))
    text = "\n".join(separator.join(row) for row in table)
    pair = data.draw(st.sampled_from(["EURUSD", "USDJPY", "GBPUSD"]))
    with pytest.raises(PriceError):
        check(read_rows(text.encode(), "my.csv", pair=pair), (), date(2026, 11, 1), 513, "")
