"""Clean a user's rows, with a note for each change.

Rows without a price (holidays) and weekends that repeat Friday are left out; rows of Sunday evenings are merged into
the next day.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.prices.row_checks import Rows

_THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6, 7


def clean_rows(rows: Rows) -> Rows:
    """Leave out rows without information, and note what else the user should know."""
    rows = replace(rows, notes=(*rows.notes, *_order_notes(rows)))
    empty = _without_prices(rows)
    if empty.any() and not empty.all():
        first = int(np.flatnonzero(empty)[0])
        place = f"{rows.days[first]} (row {rows.lines[first]})"
        note = f"{_count_rows(int(empty.sum()))} without any price left out as holidays, the first {place}"
        rows = _with_note(select_rows(rows, ~empty), note)
    flat = _flat_weekends(rows)
    if flat.any():
        note = f"{_count_rows(int(flat.sum()))} of weekends left out because they repeat the close before them"
        rows = _with_note(select_rows(rows, ~flat), note)
    rows = _without_sundays(rows)
    return replace(rows, notes=(*rows.notes, *_cell_notes(rows)))


def _count_rows(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _without_prices(rows: Rows) -> NDArray[np.bool_]:
    """Mask [rows]: True where the row has a date but no price in any numeric column.

    Text that cannot be read as a number counts as a price.
    """
    numeric = {name: prices for name, prices in rows.columns.items() if not np.isnan(prices).all()}
    empty = np.full(len(rows.lines), bool(numeric))
    for name, prices in numeric.items():
        empty &= np.isnan(prices)
        empty[list(rows.text_cells.get(name, {}))] = False
    return np.asarray(empty & np.array([day is not None for day in rows.days]))


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
    return _with_note(select_rows(replace(rows, columns=columns), keep), note)


def _with_note(rows: Rows, note: str) -> Rows:
    return replace(rows, notes=(*rows.notes, f"{rows.name}: {note}"))


def select_rows(rows: Rows, keep: NDArray[np.bool_]) -> Rows:
    """Return the rows for which the mask `keep` [n] is True."""
    places: Sequence[int] = np.flatnonzero(keep).tolist()
    new = {old: i for i, old in enumerate(places)}
    return replace(
        rows,
        lines=[rows.lines[i] for i in places],
        days=[rows.days[i] for i in places],
        columns={name: prices[keep] for name, prices in rows.columns.items()},
        text_cells={
            name: {new[i]: cell for i, cell in cells.items() if i in new} for name, cells in rows.text_cells.items()
        },
    )


def _order_notes(rows: Rows) -> Iterator[str]:
    days = [day for day in rows.days if day is not None]
    if days == sorted(days):
        return
    if days == sorted(days, reverse=True):
        yield f"{rows.name}: newest first; sorted by date"
        return
    dated = [(day, line) for day, line in zip(rows.days, rows.lines, strict=True) if day is not None]
    late = next(line for (before, _), (day, line) in pairwise(dated) if day < before)
    yield f"{rows.name}: not sorted, the first row out of order is {late}; sorted by date"


def _cell_notes(rows: Rows) -> Iterator[str]:
    for column, values in rows.columns.items():
        if not np.isfinite(values).any():
            yield f"{rows.name}: column {column} has no numbers and is left out"
        elif rows.text_cells.get(column):
            yield f"{rows.name}: {column}: cells that are not numbers, read as missing: {len(rows.text_cells[column])}"
