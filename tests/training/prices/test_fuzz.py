"""A damaged file of prices is refused with its faults, or is read; nothing else ever happens. `make fuzz` does more."""

import gzip
import io
import os
import tempfile
import zipfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.damage import damaged
from training.prices.checks import PriceError
from training.prices.table import PriceTable, load

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
