"""Scheduled news: the payroll rule against days on which reports came, the file, and what is left of it."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.fields import ContractError
from tests.support import foreign
from training.models.economic_calendar import (
    CPI,
    ECB,
    FILE,
    FOMC,
    KINDS,
    KINDS_WITH_CPI,
    PAYROLLS,
    days_left,
    list_years,
    load_events,
    payroll_day,
    read_events,
    read_known_through,
)

EPOCH = date(1970, 1, 1)

# Bureau of Labor Statistics, release dates of The Employment Situation; among them each clause of the rule.
RELEASED = (
    *("2010-01-08", "2010-02-05", "2012-04-06", "2013-03-08", "2014-07-03", "2015-01-09", "2015-04-03", "2015-07-02"),
    *("2016-01-08", "2018-01-05", "2019-03-08", "2020-01-10", "2020-07-02", "2021-01-08", "2021-04-02", "2022-07-08"),
    *("2023-04-07", "2024-03-08", "2024-11-01", "2025-01-10", "2025-07-03", "2025-09-05"),
)


@pytest.mark.parametrize("day", RELEASED)
def test_payrolls_come_when_the_rule_says(day: str) -> None:
    released = date.fromisoformat(day)
    assert payroll_day(released.year, released.month) == released


@given(st.integers(1999, 2049), st.integers(1, 12))
def test_every_month_has_one_report_on_a_friday_or_before_the_fourth_of_july(year: int, month: int) -> None:
    day = payroll_day(year, month)
    assert (day.year, day.month) == (year, month)
    assert day.weekday() == 4 or (month == 7 and day.weekday() == 3 and day.day in (2, 3))
    assert 1 <= day.day <= 14 and (month, day.day) != (1, 1)


def test_the_file_has_its_sources_and_eight_meetings_a_year() -> None:
    text = FILE.read_text("utf-8")
    assert "federalreserve.gov/monetarypolicy/fomccalendars.htm" in text
    assert "ecb.europa.eu/press/govcdec/mopo" in text and "Checked on 20" in text
    events = load_events()
    assert set(events.days) == set(KINDS_WITH_CPI)
    for kind, years in ((FOMC, range(1999, 2028)), (ECB, range(2015, 2029))):
        meetings = events.days[kind].astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
        counted = {year: int((meetings == year).sum()) for year in years}
        assert set(counted.values()) <= {7, 8}, counted


@given(st.integers(10_600, 20_000), st.integers(1, 400), st.sampled_from(KINDS_WITH_CPI), st.sampled_from((0, 1)))
def test_events_between_two_closes_are_counted(start: int, length: int, kind: str, lag: int) -> None:
    """By a loop: a close after the news has it in its own return, one before the news leaves it to the next."""
    events = load_events()
    ends = np.array([start, start + length])
    counted = int(np.diff(events.count_until(kind, ends, lag))[0])
    assert counted == sum(start < day + lag <= start + length for day in events.days[kind].tolist())


def test_a_new_date_is_a_line_in_the_file() -> None:
    text = FILE.read_text("utf-8")
    before, after = read_events(text), read_events(text + "2029-01-25,ECB\n")
    assert after.known_through()[ECB] == date(2029, 1, 25) > before.known_through()[ECB]
    assert after.known_through()[FOMC] == before.known_through()[FOMC]
    assert days_left(after.known_through(), date(2029, 1, 1))[ECB] == 24
    assert days_left(after.known_through(), date(2029, 2, 1))[ECB] == -7
    assert PAYROLLS not in after.known_through()


def test_the_dates_to_add_are_those_after_the_last_one() -> None:
    def lacking(text: str, *years: int) -> dict[tuple[str, int], int]:
        return {(row.kind, row.year): row.missing for row in list_years(read_events(text), years) if row.missing}

    text = FILE.read_text("utf-8")
    assert lacking(text, 2026, 2027) == {(CPI, 2027): 12}
    assert lacking(text, 2025) == {}, "a release was cancelled, and nothing has to be added"
    assert lacking(text + "2027-01-13,CPI\n2027-02-10,CPI\n", 2026, 2027) == {(CPI, 2027): 10}
    assert lacking(text.replace("\n2026-12-10,CPI", ""), 2026) == {(CPI, 2026): 1}


def test_a_champions_file_says_how_far_it_knows_each_kind() -> None:
    def read(entry: str | None) -> dict[str, date]:
        return read_known_through(foreign.champion_bytes(props={"events_known_through": entry}))

    assert read('{"CPI": "2026-12-10", "FOMC": "2028-01-26"}') == {CPI: date(2026, 12, 10), FOMC: date(2028, 1, 26)}
    assert read(None) == {}
    for entry in ("soon", '{"CPI": "soon"}', '{"CPI": 1}', "[]"):
        with pytest.raises(ContractError, match=r"^metadata\.events_known_through: .*; train "):
            read(entry)


def test_consumer_prices_come_once_a_month_except_for_the_month_that_was_cancelled() -> None:
    months = [f"{EPOCH + timedelta(int(day)):%Y-%m}" for day in load_events().days[CPI]]
    expected = [f"{year}-{month:02}" for year in range(2004, 2027) for month in range(1, 13)][1:]
    assert sorted({*expected} ^ {*months}) == ["2025-11"] and len(months) == len(expected) - 1


@pytest.mark.parametrize(
    ("known_at", "october"),
    [("2013-09-30", ["2013-10-16"]), ("2013-10-16", ["2013-10-16"]), ("2013-10-17", ["2013-10-30"])],
)
def test_a_day_that_was_moved_counts_as_planned_until_the_notice(known_at: str, october: list[str]) -> None:
    days = load_events(known_at=date.fromisoformat(known_at)).days[CPI]
    known = [str(EPOCH + timedelta(int(day))) for day in days]
    assert [day for day in known if day.startswith("2013-10")] == october


def test_a_day_that_was_cancelled_counts_until_the_notice() -> None:
    text = (
        "date,event,announced,withdrawn\n2026-12-09,FOMC\n2026-12-17,ECB\n2026-12-10,CPI\n2027-01-13,CPI,,2027-01-05\n"
    )
    assert len(read_events(text, known_at=date(2027, 1, 4)).days[CPI]) == 2
    assert len(read_events(text, known_at=date(2027, 1, 5)).days[CPI]) == 1
    assert len(read_events(text).days[CPI]) == 1, "in the end it did not happen"


@pytest.mark.parametrize(
    "line", ["2029-13-01,ECB", "2029-01-25,BoE", "2029-01-25", "2029-01-25,ECB,soon", "2029-01-25,ECB,,2029"]
)
def test_a_line_that_is_no_event_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=rf"^events: .*{line[:10]}.* 2026-12-09,FOMC"):
        read_events(f"date,event,announced,withdrawn\n2026-12-09,FOMC\n2026-12-17,ECB\n{line}\n")


def test_a_file_without_a_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="events: no date of ECB"):
        read_events("date,event\n2026-12-09,FOMC\n")


def test_a_kind_that_no_head_reads_may_be_absent() -> None:
    events = read_events("date,event\n2026-12-09,FOMC\n2026-12-17,ECB\n", KINDS)
    assert set(events.days) == set(KINDS)
