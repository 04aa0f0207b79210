"""A table is judged as a whole: one diagnosis with the right cure, in place of the faults that it explains."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.errors import has_cure
from tests.support.facts import lacking
from tests.support.price_forms import MONTHS, days_of
from training.prices.read_options import PLAIN, Reading
from training.prices.row_checks import PriceError
from training.prices.table import PriceTable, load

TODAY = date(2026, 11, 1)
Day = Callable[[date], str]


@pytest.fixture
def close(ecb: PriceTable) -> pd.Series:
    return ecb.frame["close"].iloc[-1000:]


def table(folder: Path, header: str, rows: Sequence[Sequence[object]], reading: Reading = PLAIN) -> PriceTable:
    path = folder / "my.csv"
    path.write_text("\n".join([header, *(",".join(str(cell) for cell in row) for row in rows), ""]))
    return load("csv", path=path, today=TODAY, reading=reading)


def dated(folder: Path, close: pd.Series, day: Day, reading: Reading = PLAIN) -> PriceTable:
    return table(folder, "Date,Close", [(f'"{day(at)}"', price) for at, price in days_of(close)], reading)


def refusal(make: Callable[[], PriceTable]) -> str:
    with pytest.raises(PriceError) as caught:
        make()
    (fault,) = caught.value.faults
    return fault


def same(found: PriceTable, close: pd.Series) -> bool:
    return found.frame["close"].tolist() == close.tolist() and list(found.frame.index) == list(close.index)


# Dates


def swapped(day: date) -> str:
    """As a spreadsheet that reads day first as month first leaves it, saved in ISO's form."""
    return (date(day.year, day.day, day.month) if day.day <= 12 else day).isoformat()


def test_swapped_days_and_months_are_one_diagnosis(tmp_path: Path, close: pd.Series) -> None:
    fault = refusal(lambda: dated(tmp_path, close, swapped))
    assert fault.startswith("my.csv: day and month") and has_cure(fault)
    assert not lacking(fault, "12th", "05/01 for 1 May", "2024-01-31")
    assert "(row " not in fault, "no single row is at fault"


def test_swapped_dates_that_were_repaired_by_hand_are_still_seen(tmp_path: Path, close: pd.Series) -> None:
    """The cures of single faults, followed: rows of weekends and of doubled dates dropped, the rest sorted."""
    rows: dict[str, float] = {}
    for at, price in days_of(close):
        day = swapped(at)
        if date.fromisoformat(day).isoweekday() <= 5 and date.fromisoformat(day) <= TODAY:
            rows.setdefault(day, price)
    fault = refusal(lambda: table(tmp_path, "Date,Close", sorted(rows.items())))
    assert fault.startswith("my.csv: day and month") and "12th" in fault


def test_two_forms_in_one_column_are_one_diagnosis(tmp_path: Path, close: pd.Series) -> None:
    fault = refusal(lambda: dated(tmp_path, close, lambda day: swapped(day) if day.day <= 12 else f"{day:%d/%m/%Y}"))
    assert fault.startswith("my.csv: dates ") and " two forms" in fault and has_cure(fault)
    few = sum(at.day <= 12 for at, _ in days_of(close))
    assert f"31/01/2024 and 2024-01-31 ({few} rows)" in fault


def stamp(day: date) -> int:
    return int((day - date(1970, 1, 1)).total_seconds())


FORMS: list[tuple[str, Day, str]] = [
    ("short", lambda day: f"{day:%d/%m/%y}", "digits read as 2023 to 2026"),
    ("named", lambda day: f"{MONTHS[day.month - 1]} {day.day}, {day.year}", ""),
    ("dashed", lambda day: f"{day.day:02d}-{MONTHS[day.month - 1]}-{day:%y}", "digits read as 2023 to 2026"),
    ("weekday", lambda day: f"{day:%a}, {day.day} {MONTHS[day.month - 1]} {day.year}", ""),
    ("seconds", lambda day: str(stamp(day)), "dates read as seconds since 1970"),
    ("milliseconds", lambda day: f"{stamp(day)}000", "dates read as milliseconds since 1970"),
    ("nanoseconds", lambda day: f"{stamp(day)}000000000", "dates read as nanoseconds since 1970"),
    ("serial", lambda day: str((day - date(1899, 12, 30)).days), "read as serial numbers"),
    ("midnight", lambda day: f"{day}T00:00:00-05:00", ""),
    ("am", lambda day: f"{day.month}/{day.day}/{day.year} 12:00:00 AM", ""),
    ("pm", lambda day: f"{day.month}/{day.day}/{day.year} 5:00:00 p.m.", "rows are stamped 17:00 on their day"),
    ("afternoon", lambda day: f"{day} 17:00:00", "rows are stamped 17:00 on their day"),
    ("evening", lambda day: f"{day - timedelta(days=1)}T22:00:00Z", "bars are stamped 22:00 or later"),
    ("summer", lambda day: f"{day - timedelta(days=1)}T{21 + (day.month < 4)}:00:00Z", "bars are stamped 21:00"),
    ("session", lambda day: f"{day - timedelta(days=1)}T17:00:00-05:00", "bars are stamped 17:00 or later"),
    ("sundays", lambda day: f"{day - timedelta(days=1)}", "of Sundays"),
]  # fmt: skip


@pytest.mark.parametrize(("day", "note"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_dates_of_many_forms_are_read_with_a_note(tmp_path: Path, close: pd.Series, day: Day, note: str) -> None:
    close = close.copy()
    close.index = pd.bdate_range(end="2026-10-30", periods=len(close), name="date").as_unit("us")
    found = dated(tmp_path, close, day, Reading(trust=True))
    assert same(found, close)
    assert note in " ".join(found.notes)


def test_what_the_times_do_not_tell_is_refused(tmp_path: Path, close: pd.Series) -> None:
    def late(day: date) -> str:
        return f"{day if day.weekday() == 4 else day - timedelta(days=1)} 22:00"

    fault = refusal(lambda: dated(tmp_path, close, late))
    assert not lacking(fault, "22:00 or later", "Sundays", "Fridays") and has_cure(fault)


def test_foreign_months_are_named(tmp_path: Path, close: pd.Series) -> None:
    names = "januar februar märz april mai juni juli august september oktober november dezember".split()
    fault = refusal(lambda: dated(tmp_path, close, lambda day: f"{day.day}. {names[day.month - 1]} {day.year}"))
    first = names[close.index[0].month - 1]
    assert fault.startswith("my.csv: months") and not lacking(fault, f"({first!r})", "English", "2024-01-31")
    assert has_cure(fault)


def test_years_in_front_are_asked_for(tmp_path: Path, close: pd.Series) -> None:
    """The cures of single faults would drop half of the rows and leave the others on wrong dates."""
    fault = refusal(lambda: dated(tmp_path, close, lambda day: f"{day:%y-%m-%d}"))
    assert fault.startswith("my.csv: years ") and fault.endswith(" --date-format %y-%m-%d") and has_cure(fault)
    assert same(dated(tmp_path, close, lambda day: f"{day:%y-%m-%d}", Reading(date_format="%y-%m-%d")), close)


def test_series_below_each_other_are_named(tmp_path: Path, close: pd.Series) -> None:
    rows = [(day, symbol, price) for symbol in ("one", "two") for day, price in days_of(close)]
    fault = refusal(lambda: table(tmp_path, "Date,Symbol,Close", rows))
    assert "several series" in fault and "symbol (one, two); " in fault


def test_an_index_without_a_title_is_the_date(tmp_path: Path, close: pd.Series) -> None:
    for title in ("", "Unnamed: 0", "index"):
        untitled = table(tmp_path, f"{title},Close", days_of(close))
        assert same(untitled, close) and untitled.notes[0].endswith("read as date")


# Spacing


def test_a_hole_of_years_is_a_fault_and_one_of_weeks_a_note(tmp_path: Path, close: pd.Series) -> None:
    hole = pd.concat([close.iloc[:300], close.iloc[450:]])
    fault = refusal(lambda: dated(tmp_path, hole, date.isoformat))
    last, first = close.index[299].date(), close.index[450].date()
    assert f"{(first - last).days} days between {last} and {first}" in fault
    assert fault.endswith(f" --from {first}") and has_cure(fault)
    after = dated(tmp_path, hole, date.isoformat, Reading(start=first))
    assert same(after, close.iloc[450:])
    weeks = dated(tmp_path, pd.concat([close.iloc[:300], close.iloc[315:]]), date.isoformat)
    (note,) = weeks.notes
    assert note.startswith("my.csv: no rows ")
    assert note.endswith(f"7 days: {close.index[299].date()} to {close.index[315].date()}")


# Rows and prices


def test_decimal_commas_that_split_the_cells(tmp_path: Path, close: pd.Series) -> None:
    rows = [(day, f"{price:.4f}".replace(".", ","), f"{price:.4f}".replace(".", ",")) for day, price in days_of(close)]
    fault = refusal(lambda: table(tmp_path, "Date,Close,Open", rows))
    assert fault.startswith("my.csv: decimal commas ") and not lacking(fault, "semicolons", "decimal points")
    two = [row[:2] for row in rows]
    fault = refusal(lambda: table(tmp_path, "Date,Close,Low", two))
    assert fault.startswith("my.csv: close ") and has_cure(fault)
    assert not lacking(fault, "whole numbers only", "such as 1,", "(column low ", "decimal points")


def test_mixed_marks(tmp_path: Path, close: pd.Series) -> None:
    rows = [
        (day, f'"{price:.4f}"'.replace(".", "," if i % 2 else ".")) for i, (day, price) in enumerate(days_of(close))
    ]
    fault = refusal(lambda: table(tmp_path, "Date,Close", rows))
    first, second = (row[1].strip('"') for row in rows[:2])
    assert fault.startswith("my.csv: close: ") and f"({second!r} and {first!r}); " in fault


def test_a_close_that_does_not_move(tmp_path: Path, close: pd.Series) -> None:
    flat = pd.Series(1.1, close.index)
    assert "1.1 in all 1,000 rows" in refusal(lambda: dated(tmp_path, flat, date.isoformat))
    filled = close.where(np.arange(len(close)) % 3 == 0).ffill()
    fault = refusal(lambda: dated(tmp_path, filled, date.isoformat))
    assert fault.startswith("my.csv: close ") and "67% of the rows; " in fault


def test_holidays_are_dropped_or_noted(tmp_path: Path, close: pd.Series) -> None:
    days = pd.bdate_range(close.index[0], close.index[-1], name="date")
    rows = [(day.date(), close.get(day, "."), close.get(day, ".")) for day in days]
    dropped = table(tmp_path, "Date,Open,Close", rows)
    assert same(dropped, close)
    holidays = days.difference(pd.DatetimeIndex(close.index))
    row = 2 + list(days).index(holidays[0])
    assert dropped.notes[0].startswith(f"my.csv: {len(holidays)} rows ")
    assert dropped.notes[0].endswith(f"holidays, the first {holidays[0].date()} (row {row})")
    rows[300] = (*rows[300][:2], ".")
    assert "close: 1 missing price: row 302" in refusal(lambda: table(tmp_path, "Date,Open,Close", rows))
    every = close.reindex(pd.date_range(close.index[0], close.index[-1], name="date")).ffill()
    flat = dated(tmp_path, every, date.isoformat)
    assert len(flat.frame) == len(days)
    assert flat.notes[0].startswith(f"my.csv: {len(every) - len(days)} rows of weekends ")
    assert flat.notes[1].startswith("my.csv: holidays ")
    assert f": {holidays[0].date()} and {len(holidays) - 1} more; " in flat.notes[1]


# Bars within the day


def hourly(close: pd.Series, hour: int) -> list[tuple[str, float]]:
    """Bars of an hour, stamped by their beginnings, UTC, of which that before `hour` ends with the day's close."""
    rows = []
    for day, price in days_of(close):
        at = datetime.combine(day, datetime.min.time())
        rows += [
            (f"{at + timedelta(hours=i)}", price if i == hour - 1 else round(price + 0.001 * (i + 1), 4))
            for i in range(24)
        ]
    return rows


def test_bars_within_the_day_are_made_into_closes_only_when_asked(tmp_path: Path, close: pd.Series) -> None:
    rows = hourly(close, 14)
    fault = refusal(lambda: table(tmp_path, "Date,Close", rows))
    assert fault.startswith("my.csv: intraday bars, 60 minutes apart; ")
    assert fault.endswith(' --resample "17:00 America/New_York"')
    daily = table(tmp_path, "Date,Close", rows, Reading(resample="14:00 UTC"))
    assert same(daily, close)
    assert daily.notes[-1].startswith(f"my.csv: {len(rows):,} bars ")
    assert not lacking(daily.notes[-1], f" {len(close):,} days", "closed at 14:00 UTC", "read as UTC")
    cut = table(tmp_path, "Date,Close", rows[:-12], Reading(resample="14:00 UTC"))
    assert same(cut, close.iloc[:-1]) and f"; {close.index[-1].date()} is not over" in cut.notes[-1]
    fault = refusal(lambda: table(tmp_path, "Date,Close", rows, Reading(resample="noon")))
    assert fault.startswith("--resample: 'noon' ") and '--resample "17:00 America/New_York"' in fault
    assert has_cure(fault)


def test_a_zone_keeps_its_summer_time(tmp_path: Path, close: pd.Series) -> None:
    """17:00 in New York is 21:00 or 22:00 UTC; bars of the evening before are of the next day."""
    zone = "America/New_York"
    rows = []
    for day, price in days_of(close):
        end = pd.Timestamp(day).replace(hour=17).tz_localize(zone).tz_convert("UTC").tz_localize(None)
        rows += [(end - pd.Timedelta(hours=i), round(price + 0.001 * (i - 1), 4)) for i in range(20, 0, -1)]
        rows.append((end, round(price + 0.01, 4)))
    assert same(table(tmp_path, "Date,Close", rows, Reading(resample=f"17:00 {zone}", trust=True)), close)
