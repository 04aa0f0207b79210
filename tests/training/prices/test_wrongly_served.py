"""Files that were once trained and served as EUR/USD: each is refused by the name of what it is."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.errors import has_cure
from tests.support.facts import lacking
from training.prices.read_options import PLAIN, Reading
from training.prices.row_checks import PriceError
from training.prices.table import PriceTable, load

TODAY = date(2026, 11, 1)


def written(folder: Path, close: pd.Series, end: str = "\n") -> Path:
    path = folder / "my.csv"
    rows = "\n".join(f"{day:%Y-%m-%d},{price!r}" for day, price in close.items())
    path.write_text(f"Date,Close\n{rows}{end}")
    return path


def refusal(path: Path, reading: Reading = PLAIN, pair: str = "EURUSD") -> str:
    with pytest.raises(PriceError) as caught:
        load("csv", path=path, today=TODAY, reading=reading, pair=pair)
    (fault,) = caught.value.faults
    return fault


@pytest.fixture
def close(ecb: PriceTable) -> pd.Series:
    return ecb.frame["close"].iloc[-1500:]


def test_the_rates_themselves_are_taken_without_a_word(tmp_path: Path, close: pd.Series) -> None:
    table = load("csv", path=written(tmp_path, close), today=TODAY)
    assert table.frame["close"].tolist() == close.tolist()
    assert table.notes == () and table.trusted == ""


def test_an_inverted_file(tmp_path: Path, close: pd.Series) -> None:
    path = written(tmp_path, 1 / close)
    fault = refusal(path)
    assert fault.startswith("my.csv: looks inverted: ") and not lacking(fault, " EUR/USD's; --invert ", "--trust")
    assert load("csv", path=path, today=TODAY, pair="USDEUR").notes == ()
    turned = load("csv", path=path, today=TODAY, reading=Reading(invert=True))
    assert turned.frame["close"].tolist() == pytest.approx(close.tolist(), rel=1e-9)


def test_a_file_of_zloty_prices(tmp_path: Path, ecb: PriceTable) -> None:
    zloty = (ecb.frame["eurpln"] / ecb.frame["close"]).iloc[-1500:]
    path = written(tmp_path, zloty)
    factor = float(np.exp(np.median(np.log(zloty / ecb.frame["close"].iloc[-1500:]))))
    fault = refusal(path)
    assert fault.startswith("my.csv: is USD/PLN and not EUR/USD, ")
    assert f" factor of {factor:.2g}; " in fault and "--trust" in fault
    assert load("csv", path=path, today=TODAY, pair="USDPLN").notes == ()


@pytest.mark.parametrize(("every", "kind", "days"), [("W-FRI", "weekly", 7), ("BMS", "monthly", 31)])
def test_a_file_that_is_not_daily(tmp_path: Path, ecb: PriceTable, every: str, kind: str, days: int) -> None:
    rare = ecb.frame["close"].resample(every).last().iloc[:-1]
    fault = refusal(written(tmp_path, rare))
    assert fault.startswith(f"my.csv: {kind} rows, {days} days apart ") and has_cure(fault)


@pytest.mark.parametrize("left", ["1", "1.", "1.1"])
def test_a_file_that_is_cut_off_within_its_last_price(tmp_path: Path, close: pd.Series, left: str) -> None:
    path = written(tmp_path, close, end="")
    assert path.read_text().endswith("2026-10-30,1.1172")
    assert load("csv", path=path, today=TODAY).frame["close"].iloc[-1] == 1.1172
    path.write_text(path.read_text().removesuffix("1.1172") + left)
    fault = refusal(path)
    assert fault.startswith(f"my.csv: the last row, {len(close) + 1}, ends with {left} ") and "cut off; " in fault


@pytest.mark.parametrize("left", ["1.117", "1.12"])
def test_a_round_last_price_without_a_line_end_is_noted(tmp_path: Path, close: pd.Series, left: str) -> None:
    """Many programs write neither zeros at a number's end nor an end of the last line."""
    path = written(tmp_path, close, end="")
    path.write_text(path.read_text().removesuffix("1.1172") + left)
    table = load("csv", path=path, today=TODAY)
    assert table.frame["close"].iloc[-1] == float(left)
    assert table.notes[0].startswith(f"my.csv: the last row, {len(close) + 1}, ends with {left} ")
    assert "cut off" in table.notes[0]


def test_the_end_of_a_file_is_judged_by_its_last_cell(tmp_path: Path, close: pd.Series) -> None:
    rows = [f"{day:%Y-%m-%d},{price:.4f},54321" for day, price in close.items()]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(["Date,Price,Volume", *rows[:-1], "2026-10-30,1.117,54321"]))
    table = load("csv", path=path, today=TODAY)
    assert table.frame["close"].iloc[-1] == 1.117
    assert not any("cut off" in note for note in table.notes)


def test_a_file_that_is_cut_off_before_its_last_columns(tmp_path: Path, ecb: PriceTable) -> None:
    path = tmp_path / "my.csv"
    ecb.frame.iloc[-1500:, :3].to_csv(path)
    whole = path.read_text().rstrip("\n")
    path.write_text(whole[: whole.rindex("2026-10-30,1") + 12])
    fault = refusal(path)
    assert fault.startswith("my.csv: 1 too short row: row 1501 (2 cells, the header has 4); ") and "cut off" in fault


def test_another_days_close(tmp_path: Path, close: pd.Series) -> None:
    late = pd.Series(close.to_numpy()[:-1], index=close.index[1:])
    fault = refusal(written(tmp_path, late))
    assert fault.startswith("my.csv: ") and not lacking(fault, "of another day: ", " 1.00 with ", " the day before ")
    assert "a business day earlier, " in fault and "--trust" in fault
    early = pd.Series(close.to_numpy()[1:], index=close.index[:-1])
    fault = refusal(written(tmp_path, early))
    assert not lacking(fault, "of another day: ", " 1.00 with ", " the next day ", "a business day later, ")


def test_a_factor_and_a_stranger(tmp_path: Path, close: pd.Series) -> None:
    assert "is EUR/USD times 100; divide its closes" in refusal(written(tmp_path, close * 100))
    walk = 1.1 * np.exp(np.random.default_rng(1).normal(0, 0.005, len(close)).cumsum())
    assert "is not EUR/USD" in refusal(written(tmp_path, pd.Series(walk, close.index)))
    near = close * np.exp(np.random.default_rng(1).normal(0, 0.015, len(close)))
    fault = refusal(written(tmp_path, near))
    moves, fixing = (np.diff(np.log(prices.to_numpy())) for prices in (near, close))
    correlation = np.corrcoef(moves[2:-2], fixing[2:-2])[0, 1]
    assert fault.startswith("my.csv: lies where EUR/USD does ") and f" correlate {correlation:.2f} with " in fault
    assert has_cure(fault) and "--trust" in fault


def test_trust_overrules_and_is_told(tmp_path: Path, close: pd.Series) -> None:
    table = load("csv", path=written(tmp_path, 1 / close), today=TODAY, reading=Reading(trust=True))
    assert table.trusted.startswith("looks inverted")
    assert table.notes == (f"my.csv: used with --trust: {table.trusted}",)


def test_pairs_of_no_bank_and_days_of_no_euro_are_not_compared(tmp_path: Path, close: pd.Series) -> None:
    assert load("csv", path=written(tmp_path, close * 2000), today=TODAY, pair="XAUUSD").notes == ()
    old = pd.Series(close.to_numpy() * 3, pd.bdate_range("1990-01-01", periods=len(close)))
    assert load("csv", path=written(tmp_path, old), today=TODAY).notes == ()
