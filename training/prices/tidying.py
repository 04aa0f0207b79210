"""What may be left out of a user's file with a note: holidays without a price, and weekends that repeat Friday."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.prices.checks import Rows


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
    """The weekend rows, where each of them has the close of the row before by date; none where one has not."""
    flat, none = np.full(len(rows.lines), False), np.full(len(rows.lines), False)
    close = rows.columns.get("close")
    if close is None:
        return none
    for before, i in pairwise(rows.in_order()):
        day = rows.days[i]
        if day is not None and day.isoweekday() > 5 and rows.days[before] != day:
            if close[i] != close[before]:
                return none
            flat[i] = True
    return flat


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
