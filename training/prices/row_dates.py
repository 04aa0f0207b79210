"""Find the business day of each row of a user's file, and leave out the rows without information.

Rows without a price (holidays) and weekends that repeat Friday are left out; rows of Sunday evenings are merged into
the next day.
"""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.prices.date_parsing import DateColumn
from training.prices.row_checks import Rows, describe_fault

FEW = 10  # rows; fewer do not show how the file is stamped
DAY = 86_400  # seconds
EVENING = 21 * 3600  # a bar that is stamped between this and midnight, UTC, begins the next business day
SUMMER_SHIFT = 2 * 3600  # by which stamps of the same time of day may differ over the year
EXAMPLE = '--resample "17:00 America/New_York"'
_THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6, 7


def find_date_faults(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> list[str]:
    """Return the faults of cells without a date.

    Args:
        name: The file's name, for messages.
        lines: The line number of each row.
        cells: The cells of the dates.
        dates: The parsed dates.
    """
    rows = [(line, cell, day) for line, cell, day in zip(lines, cells, dates.days, strict=True)]
    missing = [f"row {line}" for line, cell, _ in rows if not cell]
    unreadable = [f"row {line} ({cell[:20]!r})" for line, cell, day in rows if cell and day is None]
    faults = [describe_fault(name, "missing date", missing, "give each row a date or drop it")] if missing else []
    if unreadable and dates.ambiguous:
        cure = "write dates as 2024-01-31, or give the order of day and month, such as --date-format %d/%m/%Y"
        faults.append(describe_fault(name, "ambiguous date", unreadable, cure))
    elif unreadable:
        cure = "write dates as 2024-01-31, or give their format with --date-format"
        faults.append(describe_fault(name, "unreadable date", unreadable, cure))
    return faults


def assign_business_days(rows: Rows, cells: Sequence[str], dates: DateColumn) -> Rows:
    """Return the rows with their business days, or with a fault or diagnosis if these are not certain.

    Stamps at midnight are of their date, in any zone. Bars that are stamped after noon from Sunday to Thursday begin
    the next day; those of one time of day from Monday to Friday are of their date; several rows a day are intraday
    bars. `cells` are those of the dates.
    """
    dated = [(i, day) for i, day in enumerate(dates.days) if day is not None]
    stamped = [(i, day) for i, day in dated if i in dates.intraday]
    weekdays = [day.isoweekday() for _, day in dated]
    sundays = weekdays.count(_SUNDAY) > len(dated) / 10 and _FRIDAY not in weekdays
    if len(dated) >= FEW and stamped:
        # Equal stamps are duplicates and say nothing about the distance.
        moments = sorted({day.toordinal() * DAY + dates.seconds[i] for i, day in dated})
        if len({day for _, day in dated}) < 0.7 * len(moments):
            minutes = statistics.median(later - before for before, later in pairwise(moments)) / 60
            diagnosis = f"intraday bars, {minutes:g} minutes apart; make daily closes from them with {EXAMPLE}"
            return replace(rows, diagnoses=(diagnosis,))
        seconds = [dates.seconds[i] for i, _ in stamped]
        days = {day.isoweekday() for _, day in stamped}
        clock = f"{min(seconds) // 3600:02d}:{min(seconds) % 3600 // 60:02d}"
        evening = min(seconds) >= EVENING
        if min(seconds) >= DAY // 2 and _SUNDAY in days and _FRIDAY not in days:
            reason = f"bars are stamped {clock} or later, from Sunday to Thursday"
            return _move_to_next_day(rows, [i for i, _ in stamped], reason)
        alike = max(seconds) - min(seconds) <= SUMMER_SHIFT and len(stamped) > 0.9 * len(dates.days)
        if alike and days <= {1, 2, 3, 4, 5} | ({_SUNDAY} if _FRIDAY in days and not evening else set()):
            return rows.add_notes(f"rows are stamped {clock} on their day; the time is left out")
        if alike and evening:
            diagnosis = (
                f"rows are stamped {clock} or later, on Sundays and on Fridays: their business day is not certain; "
                "export them without times"
            )
            return replace(rows, diagnoses=(diagnosis,))
    elif len(dated) >= FEW and sundays:
        return _move_to_next_day(rows, [i for i, _ in dated], "there are rows of Sundays and none of Fridays")
    if stamped:
        places = [f"row {rows.lines[i]} ({cells[i][:20]!r})" for i, _ in stamped]
        fault = describe_fault(rows.name, "intraday date", places, "give one row a day, dated without a time")
        return replace(rows, faults=(*rows.faults, fault))
    return rows


def _move_to_next_day(rows: Rows, stamped: Sequence[int], reason: str) -> Rows:
    """Move the rows `stamped` to the next day."""
    late = set(stamped)
    days = [day + timedelta(days=1) if day is not None and i in late else day for i, day in enumerate(rows.days)]
    return replace(rows, days=days).add_notes(f"{reason}: they are dated as the next business day")


def clean_rows(rows: Rows) -> Rows:
    """Leave out rows without information, and note what else the user should know."""
    rows = rows.add_notes(*_order_notes(rows))
    numeric = {name: prices for name, prices in rows.columns.items() if not np.isnan(prices).all()}
    # A row has a price even if it is text that cannot be read as a number.
    empty = np.array([day is not None and bool(numeric) for day in rows.days], np.bool_)
    for name, prices in numeric.items():
        empty &= np.isnan(prices)
        empty[list(rows.text_cells.get(name, {}))] = False
    if empty.any() and not empty.all():
        first = int(np.flatnonzero(empty)[0])
        place = f"{rows.days[first]} (row {rows.lines[first]})"
        note = f"{_count_rows(int(empty.sum()))} without any price left out as holidays, the first {place}"
        rows = rows.select(~empty).add_notes(note)
    flat = _flat_weekends(rows)
    if flat.any():
        note = f"{_count_rows(int(flat.sum()))} of weekends left out because they repeat the close before them"
        rows = rows.select(~flat).add_notes(note)
    rows = _without_sundays(rows)
    notes = []
    for column, values in rows.columns.items():
        if not np.isfinite(values).any():
            notes.append(f"column {column} has no numbers and is left out")
        elif rows.text_cells.get(column):
            notes.append(f"{column}: cells that are not numbers, read as missing: {len(rows.text_cells[column])}")
    return rows.add_notes(*notes)


def _order_notes(rows: Rows) -> Iterator[str]:
    days = [day for day in rows.days if day is not None]
    if days == sorted(days):
        return
    if days == sorted(days, reverse=True):
        yield "newest first; sorted by date"
        return
    dated = [(day, line) for day, line in zip(rows.days, rows.lines, strict=True) if day is not None]
    late = next(line for (before, _), (day, line) in pairwise(dated) if day < before)
    yield f"not sorted, the first row out of order is {late}; sorted by date"


def _count_rows(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _flat_weekends(rows: Rows) -> NDArray[np.bool_]:
    """Mask [rows] of weekend rows that repeat the close before them.

    Saturdays are marked only if all of them do, and Sundays likewise.
    """
    flat = np.full(len(rows.lines), False)
    close = rows.columns.get("close")
    if close is None:
        return flat
    moved: set[int] = set()
    for before, i in pairwise(rows.in_order()):
        day = rows.days[i]
        if day is not None and day.isoweekday() > 5 and rows.days[before] != day:
            flat[i] = close[i] == close[before]
            if not flat[i]:
                moved.add(day.isoweekday())
    weekdays = np.array([0 if day is None else day.isoweekday() for day in rows.days])
    return flat & ~np.isin(weekdays, list(moved))


def _without_sundays(rows: Rows) -> Rows:
    """Merge each Sunday's high and low into the next row if the file has Fridays.

    Trading begins on Sunday evening, so a vendor whose days end at midnight has a Sunday row of an hour or two. Sundays
    in a file with Saturdays, or without Fridays, are something else and stay.
    """
    count = Counter(day.isoweekday() for day in rows.days if day is not None)
    if not count[_SUNDAY] or 2 * count[_FRIDAY] < count[_THURSDAY] or 3 * count[_SATURDAY] > count[_SUNDAY]:
        return rows
    columns = {name: prices.copy() for name, prices in rows.columns.items()}
    order, keep = rows.in_order(), np.full(len(rows.lines), True)
    for i, after in zip(reversed(order), [None, *reversed(order)], strict=False):
        day = rows.days[i]
        if day is None or day.isoweekday() != _SUNDAY:
            continue
        keep[i] = False
        for name, widest in (("high", np.fmax), ("low", np.fmin)):
            if after is not None and name in columns:
                columns[name][after] = widest(columns[name][after], columns[name][i])
    note = f"{_count_rows(count[_SUNDAY])} of Sundays merged into the high and low of the next day"
    return replace(rows, columns=columns).select(keep).add_notes(note)
