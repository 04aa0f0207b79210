"""Which business day a stamped row belongs to; and the daily closes of intraday bars."""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from training.prices.checks import PriceError, Rows, fault
from training.prices.dates import DateColumn

FEW = 10  # rows: fewer say nothing of how the others would be stamped
LATE = 21 * 3600  # a bar that is stamped from here to midnight, UTC, begins the next business day
HALF_A_DAY = pd.Timedelta(hours=12)
SUMMER = 2 * 3600  # by which stamps of one time of day differ over the year
EXAMPLE = '--resample "17:00 America/New_York"'
_SUNDAY, _FRIDAY = 7, 5
_HOW: Mapping[str, str] = {"close": "last", "open": "first", "high": "max", "low": "min"}


@dataclass(frozen=True)
class Dated:
    """Days of the rows, and what is to be said of how they were found."""

    days: Sequence[date | None]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnosis: str = ""


def business_days(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> Dated:
    """The business day of each row. Stamps at midnight are of their date, in any zone. Bars that are stamped late in
    the evening from Sunday to Thursday begin the next day; those of one time of day from Monday to Friday are of their
    date; several rows a day are intraday bars."""
    known = [(i, day) for i, day in enumerate(dates.days) if day is not None]
    weekdays = [day.isoweekday() for _, day in known]
    sundays = weekdays.count(_SUNDAY) > len(known) / 10 and _FRIDAY not in weekdays
    if len(known) < FEW or not (dates.intraday or sundays):
        return Dated(dates.days, _intraday_faults(name, lines, cells, dates))
    moments = sorted({_second(dates, i) for i, _ in known})  # equal ones are duplicates, whatever their distance
    if len({day for _, day in known}) < 0.7 * len(moments) and dates.intraday:
        minutes = statistics.median(later - before for before, later in pairwise(moments)) / 60
        words = f"intraday bars, {minutes:g} minutes apart; make daily closes of them with {EXAMPLE}"
        return Dated(dates.days, diagnosis=words)
    if not dates.intraday:
        return _next_days(dates, [i for i, _ in known], "rows are of Sundays and none of Fridays")
    return _of_one_time(name, lines, cells, dates)


def _of_one_time(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> Dated:
    stamped = [(i, day) for i in sorted(dates.intraday) if (day := dates.days[i]) is not None]
    seconds = [dates.seconds[i] for i, _ in stamped]
    weekdays = {day.isoweekday() for _, day in stamped}
    evening = min(seconds) >= LATE
    clock = f"{min(seconds) // 3600:02d}:{min(seconds) % 3600 // 60:02d}"
    if evening and _SUNDAY in weekdays and _FRIDAY not in weekdays:
        return _next_days(dates, [i for i, _ in stamped], f"bars are stamped {clock} or later, from Sunday to Thursday")
    alike = max(seconds) - min(seconds) <= SUMMER and len(stamped) > 0.9 * len(dates.days)
    if alike and weekdays <= set(range(1, 6)) | (set() if evening else {_SUNDAY}):
        return Dated(dates.days, notes=(f"rows are stamped {clock} on their day; the time is left out",))
    if alike and evening:
        words = (
            f"rows are stamped {clock} or later, on Sundays and on Fridays: which business day they close cannot be "
            "told; export them with dates alone"
        )
        return Dated(dates.days, diagnosis=words)
    return Dated(dates.days, _intraday_faults(name, lines, cells, dates))


def _next_days(dates: DateColumn, stamped: Sequence[int], why: str) -> Dated:
    """The rows `stamped`, a day later."""
    late = set(stamped)
    days = [day + timedelta(days=1) if day is not None and i in late else day for i, day in enumerate(dates.days)]
    return Dated(days, notes=(f"{why}: they are read as the next business day's",))


def _intraday_faults(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> tuple[str, ...]:
    intraday = [f"row {lines[i]} ({cells[i][:20]!r})" for i in sorted(dates.intraday) if dates.days[i]]
    return (fault(name, "intraday date", intraday, "give one row a day, dated without a time"),) if intraday else ()


def _second(dates: DateColumn, i: int) -> int:
    day = dates.days[i]
    assert day is not None  # the caller's rows have one
    return day.toordinal() * 86_400 + dates.seconds[i]


def daily_closes(rows: Rows, dates: DateColumn, zone: str, at: str) -> Rows:
    """One row a day of intraday bars: the last close before the time `at` ("17:00 America/New_York"), with the open,
    high and low between two such times where the file has them.

    Stamps are when bars begin, in `zone` unless the cells have an offset. Left out are rows without a day or a close,
    days of weekends or without a bar in the half day before their close, and a last day that is not over. Raises
    PriceError for a time that is none.
    """
    hour, minute, place = _time_of(at)
    columns = {column: rows.columns[column] for column in _HOW if column in rows.columns}
    frame = pd.DataFrame(columns, index=_moments(dates, zone))
    frame = frame[frame.index.notna() & np.isfinite(frame["close"])].sort_index(kind="stable")
    if len(frame) < 2:
        raise PriceError([f"{rows.name}: --resample: there are no bars to make closes of; check the column of times"])
    step = pd.Series(frame.index).diff().median()
    local = (frame.index + step).tz_convert(place).tz_localize(None)  # when bars end
    cut = pd.Timedelta(hours=hour, minutes=minute)
    days = (local - cut - pd.Timedelta(1, "us")).normalize() + pd.Timedelta(days=1)
    daily = frame.groupby(days).agg({column: _HOW[column] for column in columns})
    ends = pd.Series(local, index=local).groupby(days).last()
    over = local[-1] >= days[-1] + cut - step
    closed = ends.to_numpy() >= daily.index + cut - HALF_A_DAY
    daily = daily[(daily.index.day_of_week < 5) & closed & ((daily.index < days[-1]) | over)]
    note = (
        f"{len(frame):,} bars made into {len(daily):,} days, closed at {at}; times without a zone are read as {zone}"
        + ("" if over or days[-1].day_of_week > 4 else f"; {days[-1]:%Y-%m-%d} is not over and left out")
    )
    return replace(
        rows,
        lines=list(range(1, len(daily) + 1)),
        days=[day.date() for day in daily.index],
        columns={column: daily[column].to_numpy(np.float64) for column in daily},
        words={},
        notes=(*rows.notes, f"{rows.name}: {note}"),
    )


def _moments(dates: DateColumn, zone: str) -> pd.DatetimeIndex:
    """The rows' stamps in UTC; NaT where there is no day or the clocks went back."""
    clock = [
        None if day is None else np.datetime64(day, "s") + np.timedelta64(second, "s")
        for day, second in zip(dates.days, dates.seconds, strict=True)
    ]
    naive = pd.DatetimeIndex(pd.to_datetime(pd.Series(clock, dtype="datetime64[s]")))
    told = np.array([offset is not None for offset in dates.offsets])
    by_cell = (naive - pd.to_timedelta([offset or 0 for offset in dates.offsets], unit="s")).tz_localize("UTC")
    by_zone = naive.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").tz_convert("UTC")
    return pd.DatetimeIndex(by_zone.where(~told, by_cell))


def _time_of(text: str) -> tuple[int, int, str]:
    match = re.fullmatch(r"(\d{1,2}):(\d\d) (\S+)", text.strip())
    try:
        if match is None or int(match[1]) > 23 or int(match[2]) > 59:
            raise ValueError(text)
        ZoneInfo(match[3])
    except (ValueError, OSError, KeyError) as error:  # KeyError: ZoneInfoNotFoundError is one
        raise PriceError([f"--resample: {text!r} is no time and zone; write it as {EXAMPLE}"]) from error
    return int(match[1]), int(match[2]), match[3]
