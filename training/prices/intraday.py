"""Which business day a stamped row belongs to; and the daily closes of intraday bars."""

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
from training.prices.row_checks import PriceError, Rows, fault

FEW = 10  # rows: fewer say nothing of how the others would be stamped
LATE = 21 * 3600  # a bar that is stamped from here to midnight, UTC, begins the next business day
DAY = 86_400  # seconds
HALF_A_DAY = DAY // 2
SUMMER = 2 * 3600  # by which stamps of one time of day differ over the year
EXAMPLE = '--resample "17:00 America/New_York"'
_SUNDAY, _FRIDAY = 7, 5
_BARS = ("close", "open", "high", "low")


@dataclass(frozen=True)
class Dated:
    """Days of the rows, and what is to be said of how they were found."""

    days: Sequence[date | None]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnosis: str = ""


def business_days(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> Dated:
    """The business day of each row. Stamps at midnight are of their date, in any zone. Bars that are stamped after
    noon from Sunday to Thursday begin the next day; those of one time of day from Monday to Friday are of their
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
    if min(seconds) >= HALF_A_DAY and _SUNDAY in weekdays and _FRIDAY not in weekdays:
        return _next_days(dates, [i for i, _ in stamped], f"bars are stamped {clock} or later, from Sunday to Thursday")
    alike = max(seconds) - min(seconds) <= SUMMER and len(stamped) > 0.9 * len(dates.days)
    if alike and weekdays <= set(range(1, 6)) | ({_SUNDAY} if _FRIDAY in weekdays and not evening else set()):
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


class Bars(NamedTuple):
    """Intraday bars, n of them: `moments` datetime64[s] [n] by each row's own clock, NaT where it says none, `offsets`
    [n] its seconds from UTC, NaN where a row has none and None where no row has one, `columns` float64 [n]."""

    moments: NDArray[np.datetime64]
    offsets: NDArray[np.float64] | None
    columns: Mapping[str, NDArray[np.float64]]


def bars_of(rows: Rows, dates: DateColumn) -> Bars:
    """The rows of a file as bars."""
    days = np.array([np.datetime64("NaT") if day is None else day for day in dates.days], "datetime64[s]")
    offsets = np.array([np.nan if offset is None else offset for offset in dates.offsets])
    columns = {column: rows.columns[column] for column in _BARS if column in rows.columns}
    return Bars(days + np.array(dates.seconds, "timedelta64[s]"), offsets, columns)


def daily_closes(rows: Rows, bars: Bars, zone: str, at: str) -> Rows:
    """One row a day of intraday bars: the last close before the time `at` ("17:00 America/New_York"), with the open,
    high and low between two such times where the file has them. `rows` gives name, faults and notes.

    Stamps are when bars begin, in `zone` unless the cells have an offset. Left out are rows without a day or a close,
    days of weekends or without a bar in the half day before their close, and a last day that is not over. Raises
    PriceError for a time that is none.
    """
    hour, minute, place = _time_of(at)
    if "close" not in bars.columns:
        return rows
    moments, columns = _in_order(_in_utc(bars, zone), bars.columns)
    if len(moments) < 2:
        raise PriceError([f"{rows.name}: --resample: there are no bars to make closes of; check the column of times"])
    step = int(np.median(np.diff(moments.asi8)))
    ends = (moments + pd.Timedelta(step, "s")).tz_convert(place).tz_localize(None).as_unit("s")
    local, cut = ends.asi8, hour * 3600 + minute * 60
    # Where the clocks go back, an hour comes twice; a day never does.
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
    over = bool(local[-1] >= days[-1] * DAY + cut - step)
    weekday = np.is_busday(index)
    keep = weekday & (local[last] >= days[first] * DAY + cut - HALF_A_DAY)
    keep[-1] &= over
    note = (
        f"{len(days):,} bars made into {keep.sum():,} days, closed at {at}; times without a zone are read as {zone}"
        + ("" if over or not weekday[-1] else f"; {index[-1]} is not over and left out")
    )
    return replace(
        rows,
        lines=list(range(1, int(keep.sum()) + 1)),
        days=index[keep].tolist(),
        columns={column: prices[keep] for column, prices in daily.items()},
        words={},
        notes=(*rows.notes, f"{rows.name}: {note}"),
    )


def _in_utc(bars: Bars, zone: str) -> pd.DatetimeIndex:
    """The moments in UTC; NaT where there is no day or the clocks went back."""
    naive = pd.DatetimeIndex(bars.moments)
    by_zone = naive.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").tz_convert("UTC")
    if bars.offsets is None or np.isnan(bars.offsets).all():
        return by_zone.as_unit("s")
    shift = np.nan_to_num(bars.offsets).astype(np.int64).astype("timedelta64[s]")
    by_cell = pd.DatetimeIndex(bars.moments - shift).tz_localize("UTC")
    return pd.DatetimeIndex(by_zone.where(np.isnan(bars.offsets), by_cell)).as_unit("s")


def _in_order(
    moments: pd.DatetimeIndex, columns: Mapping[str, NDArray[np.float64]]
) -> tuple[pd.DatetimeIndex, Mapping[str, NDArray[np.float64]]]:
    """The bars that have a moment and a close, oldest first; copies nothing where all of them are so."""
    whole = np.asarray(moments.notna()) & np.isfinite(columns["close"])
    if not whole.all():
        moments, columns = moments[whole], {column: prices[whole] for column, prices in columns.items()}
    if not moments.is_monotonic_increasing:
        order = np.argsort(moments.asi8, kind="stable")
        moments, columns = moments[order], {column: prices[order] for column, prices in columns.items()}
    return moments, columns


def _time_of(text: str) -> tuple[int, int, str]:
    match = re.fullmatch(r"(\d{1,2}):(\d\d) (\S+)", text.strip())
    try:
        if match is None or int(match[1]) > 23 or int(match[2]) > 59:
            raise ValueError(text)
        ZoneInfo(match[3])
    except (ValueError, OSError, KeyError) as error:  # KeyError: ZoneInfoNotFoundError is one
        raise PriceError([f"--resample: {text!r} is no time and zone; write it as {EXAMPLE}"]) from error
    return int(match[1]), int(match[2]), match[3]
