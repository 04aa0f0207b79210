"""Dates in price files: which day a cell means, decided by the whole column."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.prices.date_parsing import parse_dates

JANUARY_31 = date(2024, 1, 31)
FORMS = ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"]
MIDNIGHTS = ["", " 00:00", " 00:00:00", "T00:00:00Z", " 00:00:00+00:00", "T00:00:00.000"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("midnight", MIDNIGHTS)
def test_common_forms(form: str, midnight: str) -> None:
    found = parse_dates([JANUARY_31.strftime(form) + midnight])
    assert found.days == [JANUARY_31]
    assert not found.intraday
    assert not found.ambiguous


@pytest.mark.parametrize(
    "cell",
    ["", "x", "2024-02-30", "31/31/2024", "2024-1", "0000-01-01", "01/02/24", "45322", "1706659200", "٢٠٢٤-01-31"],
)
def test_what_is_no_date(cell: str) -> None:
    assert parse_dates([cell]).days == [None]


def test_time_of_day_is_reported() -> None:
    found = parse_dates(["2024-01-30 00:00:00", "2024-01-31 23:58:00", "2024-01-31T00:00:01Z"])
    assert found.intraday == {1, 2}


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(25, 40), st.sampled_from(FORMS), st.randoms())
def test_any_order_of_five_weeks_decides(start: date, count: int, form: str, random: object) -> None:
    days = [start + timedelta(days=i) for i in range(count)]
    random.shuffle(days)  # type: ignore[attr-defined]  # hypothesis' type is not the standard library's
    assert parse_dates([day.strftime(form) for day in days]).days == days


def test_minority_that_contradicts_the_column_is_unreadable() -> None:
    found = parse_dates(["29/01/2024", "30/01/2024", "01/31/2024", "01/02/2024"])
    assert found.days == [date(2024, 1, 29), date(2024, 1, 30), None, date(2024, 2, 1)]


@pytest.mark.parametrize(
    ("cells", "second"),
    [
        (["01/02/2024", "02/02/2024", "05/02/2024"], date(2024, 2, 2)),  # both ascend, only one is daily
        (["02/01/2024", "02/02/2024", "02/05/2024"], date(2024, 2, 2)),
        (["11/01/2024", "12/01/2024", "01/02/2024"], date(2024, 1, 12)),  # month first would go back and forth
        (["02/05/2024", "02/02/2024", "02/01/2024"], date(2024, 2, 2)),  # newest first
    ],
)
def test_order_decides_where_no_day_is_above_12(cells: list[str], second: date) -> None:
    found = parse_dates(cells)
    assert found.days[1] == second
    assert not found.ambiguous


@pytest.mark.parametrize("cells", [["01/02/2024"], ["01/02/2024", "05/07/2024"], ["31/01/2024", "01/31/2024"]])
def test_ambiguous_column_is_said_to_be(cells: list[str]) -> None:
    found = parse_dates(cells)
    assert found.ambiguous
    assert set(found.days) == {None}


def test_same_day_and_month_is_no_question() -> None:
    assert parse_dates(["05/05/2024"]).days == [date(2024, 5, 5)]


@pytest.mark.parametrize("power", [0, 3, 6, 9])
def test_numbers_that_fill_a_column_are_seconds_since_1970(power: int) -> None:
    """Also around 9 September 2001, from when they have a digit more."""
    days = [date(2001, 9, 3) + timedelta(days=i) for i in range(14)]
    cells = [str((day - date(1970, 1, 1)).days * 86_400 * 10**power) for day in days]
    assert parse_dates(cells).days == days
    assert parse_dates(cells[:9]).days == [None] * 9


@given(st.lists(st.dates(date(1971, 1, 1), date(2069, 12, 31)), min_size=25, max_size=40, unique=True))
def test_years_of_two_digits_and_names_of_months(days: list[date]) -> None:
    days = sorted(days)
    named = parse_dates([f"{day.day}-{day:%b}-{day:%y}" for day in days])
    assert named.days == days
    assert named.notes[0].endswith(f" digits read as {days[0].year} to {days[-1].year}")
    assert parse_dates([f"{day:%B} {day.day}, {day.year}" for day in days]).days == days
    assert parse_dates([f"{day:%d.%m.%y}" for day in days]).days == days
    assert parse_dates([f"{day:%Y-%d-%m}" for day in days], "%Y-%d-%m").days == days


@given(st.lists(st.text(max_size=25), max_size=30))
def test_any_text_is_a_date_or_none(cells: list[str]) -> None:
    assert len(parse_dates(cells).days) == len(cells)
