"""Every fault of a price file is found, with its row and its cure, and all of them at once."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.price_cells import TODAY, Cells, business_days, clean
from training.prices.reader import read_rows
from training.prices.row_checks import PriceError, check


def duplicate(cells: Cells, row: int) -> None:
    cells[row][0] = cells[row - 1][0]


def weekend(cells: Cells, row: int) -> None:
    day = date.fromisoformat(cells[row][0])
    cells[row][0] = (day + timedelta(days=6 - day.isoweekday())).isoformat()


def future(cells: Cells, row: int) -> None:
    cells[row][0] = (TODAY + timedelta(days=3)).isoformat()


def no_date(cells: Cells, row: int) -> None:
    cells[row][0] = "31.02.2024"


def jump(cells: Cells, row: int) -> None:
    cells[row][1] = repr(float(cells[row][1]) * 1.3)


def price(text: str) -> Callable[[Cells, int], None]:
    def change(cells: Cells, row: int) -> None:
        cells[row][1] = text

    return change


class Injection(NamedTuple):
    noun: str
    inject: Callable[[Cells, int], None]
    cure: str


INJECTIONS = [
    Injection("duplicate date", duplicate, " one row "),
    Injection("weekend date", weekend, "drop weekend rows"),
    Injection("future date", future, f"today, {TODAY}"),
    Injection("unreadable date", no_date, "write dates as 2024-01-31"),
    Injection("missing date", lambda cells, row: cells[row].__setitem__(0, ""), "drop it"),
    Injection("jump", jump, "correct the price"),
    Injection("zero price", price("0.0"), "correct the price"),
    Injection("negative price", price("-1.1"), "correct the price"),
    Injection("missing price", price("NaN"), "correct the price"),
    Injection("infinite price", price("inf"), "correct the price"),
    Injection("unreadable price", price("1.08 USD"), "write plain numbers"),
]


def faults(cells: Cells, columns: tuple[str, ...] = ()) -> tuple[str, ...]:
    text = "\n".join(["Date,Close", *(",".join(row) for row in cells)])
    try:
        check(read_rows(text.encode(), "my.csv"), columns, TODAY, 1, "")
    except PriceError as error:
        assert str(error) == "\n".join(error.faults)
        return error.faults
    return ()


def says(fault: str, injection: Injection, row: int) -> bool:
    line = re.search(rf"\brow {row + 2}\b", fault)
    return f" {injection.noun}" in fault and injection.cure in fault and line is not None


@given(clean())
def test_clean_rows_pass(cells: Cells) -> None:
    assert faults(cells) == ()


@given(clean(), st.sampled_from(INJECTIONS), st.data())
def test_any_single_fault_is_reported_with_its_row(cells: Cells, injection: Injection, data: st.DataObject) -> None:
    row = data.draw(st.integers(1, len(cells) - 1))
    injection.inject(cells, row)
    (found,) = faults(cells)
    assert found.startswith("my.csv: ")
    assert says(found, injection, row)


@given(clean(), st.lists(st.sampled_from(INJECTIONS), min_size=2, max_size=2, unique_by=lambda i: i.noun), st.data())
def test_two_faults_are_both_listed(cells: Cells, injections: list[Injection], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, len(cells) - 3))
    second = data.draw(st.integers(first + 2, len(cells) - 1))
    for injection, row in zip(injections, (first, second), strict=True):
        injection.inject(cells, row)
    found = faults(cells)
    for injection, row in zip(injections, (first, second), strict=True):
        assert any(says(fault, injection, row) for fault in found), found


def test_many_of_a_kind_are_counted_and_the_first_shown() -> None:
    cells = [[day.isoformat(), "0"] for day in business_days(TODAY, 9)]
    (fault,) = faults(cells)
    assert fault.startswith("my.csv: close: 9 zero prices: row 2, row 3, row 4 and 6 more; ")
    assert "drop the row" in fault


def test_jump_is_measured_against_the_date_before_in_whatever_order_the_file_is() -> None:
    cells = [["2024-06-27", "1.3"], ["2024-06-25", "1.0"], ["2024-06-26", "1.19"]]
    assert faults(cells) == ()
    cells[1][1] = "0.99"
    (found,) = faults(cells)
    assert "row 4 (2024-06-26: 0.99 to 1.19)" in found


def test_only_declared_columns_must_be_clean() -> None:
    text = b"date,close,eurjpy,eurtry\n2024-06-26,1.1,160,x\n2024-06-27,1.1,,-1\n2024-06-28,1.1,320,9\n"
    rows = read_rows(text, "my.csv")
    check(rows, (), TODAY, 3, "")
    with pytest.raises(PriceError) as caught:
        check(rows, ("eurjpy", "eurtry", "high"), TODAY, 3, "")
    eurjpy_missing, eurjpy_jump, eurtry_word, eurtry_negative, absent = caught.value.faults
    assert "eurjpy: 1 missing price: row 3" in eurjpy_missing
    assert "eurjpy: 1 jump: row 4" in eurjpy_jump
    assert "eurtry: 1 unreadable price: row 2 ('x')" in eurtry_word
    assert "eurtry: 1 negative price: row 3" in eurtry_negative
    assert "no column high" in absent
    assert "close, eurjpy, eurtry" in absent


def test_too_few_rows_says_how_many_and_why() -> None:
    rows = read_rows(b"date,close\n2024-06-27,1.1\n2024-06-28,1.1\n", "my.csv")
    with pytest.raises(PriceError, match=r"2 rows, at least 513 are needed \(one window\)"):
        check(rows, (), TODAY, 513, "one window")


def test_enormous_ratio_is_a_jump_and_nothing_else() -> None:
    (found,) = faults([["2024-06-27", "1e-308"], ["2024-06-28", "1e308"]])
    assert "1 jump" in found
