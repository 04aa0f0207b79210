"""How old a forecast is, over weekends, holidays, leap days and changes of the clock."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.prices.business_days import is_business_day
from lambda_fn.record.timeliness import STATES, assess
from lambda_fn.web.forecast import freshness_fields
from tests.support.local_api import START
from tests.support.records import official


@pytest.mark.parametrize(
    ("as_of", "now", "days", "state"),
    [
        # a weekend: Friday's close is the newest until Monday's rates come about 16:00 in Frankfurt
        ((2026, 10, 30), (2026, 10, 30, 15), 0, "fresh"),
        ((2026, 10, 30), (2026, 11, 1, 12), 0, "fresh"),
        ((2026, 10, 30), (2026, 11, 2, 14, 59), 1, "fresh"),
        ((2026, 10, 30), (2026, 11, 2, 23, 59), 1, "fresh"),
        ((2026, 10, 30), (2026, 11, 3, 0, 0), 2, "late"),
        # what was tomorrow's forecast is of the past four weeks later
        ((2026, 10, 30), (2026, 11, 6, 0, 0), 5, "expired"),
        ((2026, 10, 30), (2026, 11, 26, 9), 19, "expired"),
        # Easter 2026: Good Friday 3 April and Easter Monday 6 April are closed
        ((2026, 4, 2), (2026, 4, 6, 20), 0, "fresh"),
        ((2026, 4, 2), (2026, 4, 7, 20), 1, "fresh"),
        ((2026, 4, 2), (2026, 4, 8, 1), 2, "late"),
        # Christmas 2026: Friday the 25th is closed, Saturday the 26th is, too
        ((2026, 12, 24), (2026, 12, 28, 6), 1, "fresh"),
        ((2026, 12, 31), (2027, 1, 1, 12), 0, "fresh"),
        # a leap day
        ((2028, 2, 28), (2028, 2, 29, 12), 1, "fresh"),
        ((2028, 2, 28), (2028, 3, 1, 0), 2, "late"),
        # the clocks of Frankfurt change on 29 March and 25 October 2026
        ((2026, 3, 27), (2026, 3, 30, 14), 1, "fresh"),
        ((2026, 10, 23), (2026, 10, 26, 15), 1, "fresh"),
        ((2026, 10, 23), (2026, 10, 27, 0, 30), 2, "late"),
    ],
)
def test_the_age_in_business_days(as_of: tuple[int, int, int], now: tuple[int, ...], days: int, state: str) -> None:
    age = assess(
        official(date(*as_of)), datetime(now[0], now[1], now[2], now[3], now[4] if len(now) > 4 else 0, tzinfo=UTC)
    )
    assert (age.business_days, age.state) == (days, state)
    assert str(date(*as_of)) in age.sentence


def test_one_business_day_is_one() -> None:
    assert "1 business day ago" in assess(official(date(2026, 10, 30)), datetime(2026, 11, 2, tzinfo=UTC)).sentence


def test_a_late_forecast_tells_how_many_of_its_days_have_begun() -> None:
    age = assess(official(date(2026, 10, 30)), datetime(2026, 11, 4, tzinfo=UTC))
    assert re.search(r"; 3 of the 5 .*\bbegun; ", age.sentence)


@given(st.dates(date(2002, 1, 1), date(2040, 1, 1)), st.integers(0, 60), st.sampled_from(["ecb", "csv"]))
def test_time_makes_nothing_younger(as_of: date, hours: int, source: str) -> None:
    while not is_business_day(as_of, source):
        as_of += timedelta(days=1)
    start = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    found = [assess(official(as_of, source=source), start + timedelta(hours=hours * step)) for step in range(6)]
    assert [age.business_days for age in found] == sorted(age.business_days for age in found)
    assert [STATES.index(age.state) for age in found] == sorted(STATES.index(age.state) for age in found)


def test_freshness_is_of_the_part_checked_longest_ago() -> None:
    now, earlier = START.timestamp(), (START - timedelta(minutes=5)).timestamp()
    assert freshness_fields({"champion": (now, False), "prices": (earlier, False)}) == {
        "checked_at": "2026-10-30T16:55:00Z",
        "stale": False,
        "stale_reason": None,
    }
    found = freshness_fields({"champion": (now, False), "prices": (earlier, True)})
    assert found["stale"] is True
    assert "newer prices" in str(found["stale_reason"])
