"""Rows that may be left out of a user's file with a note: holidays without a price, weekends that repeat Friday, and
bars of a Sunday evening."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.prices.row_checks import Rows

_THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6, 7


def tidied(rows: Rows) -> Rows:
    """The rows without those that hold nothing, and with notes of what else a reader should know."""
    rows = replace(rows, notes=(*rows.notes, *_order_notes(rows)))
    empty = _without_prices(rows)
    if empty.any() and not empty.all():
        places = np.flatnonzero(empty).tolist()
        note = f"{_counted(len(places))} without any price left out as holidays, the first {_where(rows, places[0])}"
        rows = _noted(kept(rows, ~empty), note)
    flat = _flat_weekends(rows)
    if flat.any():
        note = f"{_counted(int(flat.sum()))} of weekends left out, which repeat the close before them"
        rows = _noted(kept(rows, ~flat), note)
    rows = _without_sundays(rows)
    return replace(rows, notes=(*rows.notes, *_cell_notes(rows)))


def _counted(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _where(rows: Rows, i: int) -> str:
    return f"{rows.days[i]} (row {rows.lines[i]})" if rows.days[i] else f"row {rows.lines[i]}"


def _without_prices(rows: Rows) -> NDArray[np.bool_]:
    """Of each row, whether every column that has numbers at all is missing in it: none is a word, one is a date."""
    used = {name: prices for name, prices in rows.columns.items() if not np.isnan(prices).all()}
    empty = np.full(len(rows.lines), bool(used))
    for name, prices in used.items():
        empty &= np.isnan(prices)
        empty[list(rows.words.get(name, {}))] = False
    return np.asarray(empty & np.array([day is not None for day in rows.days]))


def _flat_weekends(rows: Rows) -> NDArray[np.bool_]:
    """Mask [rows] of the Saturdays, where all of them repeat the close before them, and of the Sundays likewise."""
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
    """Merge each Sunday's high and low into the next row, where the file has Fridays.

    Trading begins on Sunday evening, so a vendor whose days end at midnight has a row of an hour or two. Saturdays as
    well, or Sundays without Fridays, are something else, and stay.
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
    note = f"{_counted(count[_SUNDAY])} of Sundays merged into the high and low of the next day"
    return _noted(kept(replace(rows, columns=columns), keep), note)


def _noted(rows: Rows, note: str) -> Rows:
    return replace(rows, notes=(*rows.notes, f"{rows.name}: {note}"))


def kept(rows: Rows, keep: NDArray[np.bool_]) -> Rows:
    """The rows where `keep` [n] is true."""
    places: Sequence[int] = np.flatnonzero(keep).tolist()
    new = {old: i for i, old in enumerate(places)}
    return replace(
        rows,
        lines=[rows.lines[i] for i in places],
        days=[rows.days[i] for i in places],
        columns={name: prices[keep] for name, prices in rows.columns.items()},
        words={name: {new[i]: word for i, word in words.items() if i in new} for name, words in rows.words.items()},
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
        elif rows.words.get(column):
            yield f"{rows.name}: {column}: cells that are no numbers, read as missing: {len(rows.words[column])}"
