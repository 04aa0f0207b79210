"""Assign rows with a time of day to business days, and make daily closes of intraday bars."""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices.date_parsing import DateColumn
from training.prices.row_checks import PriceError, Rows, describe_fault

FEW = 10  # rows; fewer do not show how the file is stamped
EVENING = 21 * 3600  # a bar that is stamped between this and midnight, UTC, begins the next business day
DAY = 86_400  # seconds
HALF_A_DAY = DAY // 2
SUMMER_SHIFT = 2 * 3600  # by which stamps of the same time of day may differ over the year
EXAMPLE = '--resample "17:00 America/New_York"'
_SUNDAY, _FRIDAY = 7, 5
_BARS = ("close", "open", "high", "low")


@dataclass(frozen=True)
class DatedRows:
    """The dates of rows.

    Attributes:
        days: The business day of each row.
        faults: Faults of single cells.
        notes: How the days were determined.
        diagnosis: What is wrong with the column as a whole, with the cure.
    """

    days: Sequence[date | None]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnosis: str = ""


def assign_business_days(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> DatedRows:
    """Determine the business day of each row.

    Stamps at midnight are of their date, in any zone. Bars that are stamped after noon from Sunday to Thursday begin
    the next day; those of one time of day from Monday to Friday are of their date; several rows a day are intraday
    bars.

    Args:
        name: The file's name, for messages.
        lines: The line number of each row.
        cells: The cells of the dates.
        dates: The parsed dates.
    """
    dated_rows = [(i, day) for i, day in enumerate(dates.days) if day is not None]
    weekdays = [day.isoweekday() for _, day in dated_rows]
    sundays = weekdays.count(_SUNDAY) > len(dated_rows) / 10 and _FRIDAY not in weekdays
    if len(dated_rows) < FEW or not (dates.intraday or sundays):
        return DatedRows(dates.days, _intraday_faults(name, lines, cells, dates))
    # Equal stamps are duplicates and say nothing about the distance.
    moments = sorted({day.toordinal() * DAY + dates.seconds[i] for i, day in dated_rows})
    if len({day for _, day in dated_rows}) < 0.7 * len(moments) and dates.intraday:
        minutes = statistics.median(later - before for before, later in pairwise(moments)) / 60
        diagnosis = f"intraday bars, {minutes:g} minutes apart; make daily closes from them with {EXAMPLE}"
        return DatedRows(dates.days, diagnosis=diagnosis)
    if not dates.intraday:
        return _move_to_next_day(dates, [i for i, _ in dated_rows], "there are rows of Sundays and none of Fridays")
    return _read_daily_stamps(name, lines, cells, dates)


def _read_daily_stamps(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> DatedRows:
    """Determine the business days of rows with times, one row a day.

    Args:
        name: The file's name, for messages.
        lines: The line number of each row.
        cells: The cells of the dates.
        dates: The parsed dates.
    """
    stamped = [(i, day) for i in sorted(dates.intraday) if (day := dates.days[i]) is not None]
    seconds = [dates.seconds[i] for i, _ in stamped]
    weekdays = {day.isoweekday() for _, day in stamped}
    evening = min(seconds) >= EVENING
    clock = f"{min(seconds) // 3600:02d}:{min(seconds) % 3600 // 60:02d}"
    if min(seconds) >= HALF_A_DAY and _SUNDAY in weekdays and _FRIDAY not in weekdays:
        reason = f"bars are stamped {clock} or later, from Sunday to Thursday"
        return _move_to_next_day(dates, [i for i, _ in stamped], reason)
    alike = max(seconds) - min(seconds) <= SUMMER_SHIFT and len(stamped) > 0.9 * len(dates.days)
    if alike and weekdays <= set(range(1, 6)) | ({_SUNDAY} if _FRIDAY in weekdays and not evening else set()):
        return DatedRows(dates.days, notes=(f"rows are stamped {clock} on their day; the time is left out",))
    if alike and evening:
        diagnosis = (
            f"rows are stamped {clock} or later, on Sundays and on Fridays: their business day is not certain; "
            "export them without times"
        )
        return DatedRows(dates.days, diagnosis=diagnosis)
    return DatedRows(dates.days, _intraday_faults(name, lines, cells, dates))


def _move_to_next_day(dates: DateColumn, stamped: Sequence[int], reason: str) -> DatedRows:
    """Move the rows `stamped` to the next day."""
    late = set(stamped)
    days = [day + timedelta(days=1) if day is not None and i in late else day for i, day in enumerate(dates.days)]
    return DatedRows(days, notes=(f"{reason}: they are dated as the next business day",))


def _intraday_faults(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> tuple[str, ...]:
    """Return the fault of the cells with a time of day, if there are any.

    Args:
        name: The file's name, for messages.
        lines: The line number of each row.
        cells: The cells of the dates.
        dates: The parsed dates.
    """
    places = [f"row {lines[i]} ({cells[i][:20]!r})" for i in sorted(dates.intraday) if dates.days[i]]
    if not places:
        return ()
    return (describe_fault(name, "intraday date", places, "give one row a day, dated without a time"),)


class Bars(NamedTuple):
    """Intraday bars, n of them.

    Attributes:
        moments: datetime64[s] [n] by each row's own clock, NaT where there is none.
        offsets: Seconds from UTC [n], NaN where a row has none; None if no row has one.
        columns: float64 [n] by name.
    """

    moments: NDArray[np.datetime64]
    offsets: NDArray[np.float64] | None
    columns: Mapping[str, NDArray[np.float64]]


def make_bars(rows: Rows, dates: DateColumn) -> Bars:
    """Return the rows of a file as bars."""
    days = np.array([np.datetime64("NaT") if day is None else day for day in dates.days], "datetime64[s]")
    offsets = np.array([np.nan if offset is None else offset for offset in dates.offsets])
    columns = {column: rows.columns[column] for column in _BARS if column in rows.columns}
    return Bars(days + np.array(dates.seconds, "timedelta64[s]"), offsets, columns)


def make_daily_closes(rows: Rows, bars: Bars, zone: str, close_time: str) -> Rows:
    """Make one row a day of intraday bars.

    It has the last close before the time of day `close_time`, and the open, high and low between two such times if the
    file has them. Left out are rows without a day or a close, weekends, days without a bar in the half day before their
    close, and a last day that is not over.

    Args:
        rows: Gives name, faults and notes.
        bars: The bars, stamped when they begin.
        zone: The zone of stamps without an offset.
        close_time: Time and zone of the close, such as "17:00 America/New_York".

    Raises PriceError for an invalid time.
    """
    hour, minute, close_zone = _parse_close_time(close_time)
    if "close" not in bars.columns:
        return rows
    moments, columns = _sort_bars(_to_utc(bars, zone), bars.columns)
    if len(moments) < 2:
        raise PriceError([f"{rows.name}: --resample: there are no bars to make closes from; check the column of times"])
    step = int(np.median(np.diff(moments.asi8)))
    ends = (moments + pd.Timedelta(step, "s")).tz_convert(close_zone).tz_localize(None).as_unit("s")
    local, cut = ends.asi8, hour * 3600 + minute * 60
    # An hour repeats when the clocks go back, but a day never does.
    days = np.maximum.accumulate((local - cut - 1) // DAY + 1)
    first = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    last = np.append(first[1:], len(days)) - 1
    daily = {"close": columns["close"][last]}
    if "open" in columns:
        daily["open"] = columns["open"][first]
    for column, widest in (("high", np.fmax), ("low", np.fmin)):
        if column in columns:
            daily[column] = widest.reduceat(columns[column], first)
    index = days[first].astype("datetime64[D]")
    is_over = bool(local[-1] >= days[-1] * DAY + cut - step)
    weekday = np.is_busday(index)
    keep = weekday & (local[last] >= days[first] * DAY + cut - HALF_A_DAY)
    keep[-1] &= is_over
    note = (
        f"{len(days):,} bars made into {keep.sum():,} days, closed at {close_time}; "
        f"times without a zone are read as {zone}"
        + ("" if is_over or not weekday[-1] else f"; {index[-1]} is not over and left out")
    )
    return replace(
        rows,
        lines=list(range(1, int(keep.sum()) + 1)),
        days=index[keep].tolist(),
        columns={column: prices[keep] for column, prices in daily.items()},
        text_cells={},
        notes=(*rows.notes, f"{rows.name}: {note}"),
    )


def _to_utc(bars: Bars, zone: str) -> pd.DatetimeIndex:
    """Return the moments in UTC; NaT if there is no day or the time is ambiguous because the clocks went back."""
    naive = pd.DatetimeIndex(bars.moments)
    by_zone = naive.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").tz_convert("UTC")
    if bars.offsets is None or np.isnan(bars.offsets).all():
        return by_zone.as_unit("s")
    shift = np.nan_to_num(bars.offsets).astype(np.int64).astype("timedelta64[s]")
    by_cell = pd.DatetimeIndex(bars.moments - shift).tz_localize("UTC")
    return pd.DatetimeIndex(by_zone.where(np.isnan(bars.offsets), by_cell)).as_unit("s")


def _sort_bars(
    moments: pd.DatetimeIndex, columns: Mapping[str, NDArray[np.float64]]
) -> tuple[pd.DatetimeIndex, Mapping[str, NDArray[np.float64]]]:
    """Return the bars that have a moment and a close, oldest first; nothing is copied if that is so already."""
    whole = np.asarray(moments.notna()) & np.isfinite(columns["close"])
    if not whole.all():
        moments, columns = moments[whole], {column: prices[whole] for column, prices in columns.items()}
    if not moments.is_monotonic_increasing:
        order = np.argsort(moments.asi8, kind="stable")
        moments, columns = moments[order], {column: prices[order] for column, prices in columns.items()}
    return moments, columns


def _parse_close_time(text: str) -> tuple[int, int, str]:
    match = re.fullmatch(r"(\d{1,2}):(\d\d) (\S+)", text.strip())
    try:
        if match is None or int(match[1]) > 23 or int(match[2]) > 59:
            raise ValueError(text)
        ZoneInfo(match[3])
    except (ValueError, OSError, KeyError) as error:  # KeyError: ZoneInfoNotFoundError is one
        raise PriceError([f"--resample: {text!r} is not a time and zone; write it as {EXAMPLE}"]) from error
    return int(match[1]), int(match[2]), match[3]
