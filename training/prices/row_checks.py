"""Everything that can be wrong with daily prices, found at once and said with row numbers and the cure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.errors import NamedError

MAX_JUMP = 0.2  # of the price before: no major currency moved so far in a day since 1999, mistyped prices do
SHOWN = 3  # of each fault
BANK_CURE = "the rates are the bank's own: choose another pair, or prices of your own with --csv"


class PriceError(NamedError, ValueError):
    """The prices cannot be used; the message lists every fault, one a line, with the cure."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Rows:
    """The rows of a price file as they stand in it, n of them, in the file's order.

    `lines` are line numbers of the file (its header is line 1), `days` None where a cell held no date, `columns`
    float64 [n] with NaN for missing prices, `words` the cells by column and position that held something else than
    a number, `faults` what was already found while reading, `diagnoses` what is wrong with the table as a whole.
    `bank`: the European Central Bank's own, which no user can correct.
    """

    name: str
    lines: Sequence[int]
    days: Sequence[date | None]
    columns: Mapping[str, NDArray[np.float64]]
    words: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnoses: tuple[str, ...] = ()
    bank: bool = False

    def in_order(self) -> list[int]:
        """Positions of the rows that have a date, by date, equal dates in the file's order."""
        return [i for _, i in sorted((day, i) for i, day in enumerate(self.days) if day is not None)]


def fault(name: str, noun: str, places: Sequence[str], cure: str) -> str:
    """One line: what is wrong, how often, where first, and what to do."""
    plural = "" if len(places) == 1 else "s"
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return f"{name}: {len(places)} {noun}{plural}: {', '.join(places[:SHOWN])}{more}; {cure}"


def check(rows: Rows, columns: Sequence[str], today: date, min_rows: int, reason: str) -> None:
    """Raise PriceError with all faults of the dates, of `close` and of the `columns` that a model uses; where the table
    as a whole is wrong, with its diagnoses alone, as they explain the rest.

    `min_rows` is how many rows are needed and `reason` says what for ("a window of 513 prices and ...").
    """
    if rows.diagnoses:
        raise PriceError([f"{rows.name}: {diagnosis}" for diagnosis in rows.diagnoses])
    faults = [*rows.faults, *_date_faults(rows, today)]
    for column in dict.fromkeys(("close", *columns)):
        faults += _price_faults(rows, column) if column in rows.columns else [_absent(rows, column)]
    if len(rows.lines) < min_rows:
        needed = f"at least {min_rows} are needed{f' ({reason})' if reason else ''}"
        faults.append(f"{rows.name}: {_count(len(rows.lines))}, {needed}; give a longer history")
    if faults:
        raise PriceError(faults)


def _count(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _date_faults(rows: Rows, today: date) -> Iterator[str]:
    dated = [(day, rows.lines[i]) for i, day in enumerate(rows.days) if day is not None]
    first_row: dict[date, int] = {}
    repeated = [
        f"{day} (row {line}, also row {first_row[day]})"
        for day, line in dated
        if first_row.setdefault(day, line) != line
    ]
    if repeated:
        yield fault(rows.name, "duplicate date", repeated, "keep one row a date")
    weekend = [f"{day:%a} {day} (row {line})" for day, line in dated if day.isoweekday() > 5]
    if weekend:
        yield fault(rows.name, "weekend date", weekend, "drop weekend rows")
    future = [f"{day} (row {line})" for day, line in dated if day > today]
    if future:
        yield fault(rows.name, "future date", future, f"drop the rows after today, {today}")


def _absent(rows: Rows, column: str) -> str:
    found = ", ".join(name if len(name) <= 20 else f"{name[:20]}..." for name in list(rows.columns)[:50])
    cure = "rename the column of closing prices to close" if column == "close" else "the model uses it"
    option = "; --close-column names another" if column == "close" else ""
    return f"{rows.name}: no column {column}; {cure}; columns found: {found or 'none'}{option}"


def _price_faults(rows: Rows, column: str) -> Iterator[str]:
    prices = rows.columns[column]
    words = rows.words.get(column, {})
    name = f"{rows.name}: {column}"
    if words:
        unreadable = [f"row {rows.lines[i]} ({word[:20]!r})" for i, word in words.items()]
        yield fault(name, "unreadable price", unreadable, "write plain numbers such as 1.0834")
    if rows.bank and (since := _not_quoted_since(rows, prices)) is not None:
        yield f"{name}: not quoted since {since}; choose another pair, or prices of your own with --csv"
        return
    kinds = (
        ("missing price", [math.isnan(price) and i not in words for i, price in enumerate(prices.tolist())]),
        ("infinite price", np.isinf(prices)),
        ("zero price", prices == 0),
        ("negative price", np.isfinite(prices) & (prices < 0)),
    )
    for noun, wrong in kinds:
        places = [f"row {rows.lines[i]}" for i in np.flatnonzero(wrong).tolist()]
        if places:
            yield fault(name, noun, places, BANK_CURE if rows.bank else "correct the price or drop the row")
    yield from _jump_faults(rows, column, name)


def _jump_faults(rows: Rows, column: str, name: str) -> Iterator[str]:
    """Jumps between consecutive dates; prices that are faults of their own are stepped over."""
    prices = rows.columns[column].tolist()
    usable = [i for i in rows.in_order() if math.isfinite(prices[i]) and prices[i] > 0]
    jumps = [
        f"row {rows.lines[i]} ({rows.days[i]}: {prices[before]:g} to {prices[i]:g})"
        for before, i in pairwise(usable)
        if abs(prices[i] / prices[before] - 1) > MAX_JUMP
    ]
    if jumps:
        cure = BANK_CURE if rows.bank else "correct the price, or start the history after it with --from"
        yield fault(name, "jump", jumps, f"over {MAX_JUMP:.0%} a day: {cure}")


def _not_quoted_since(rows: Rows, prices: NDArray[np.float64]) -> date | None:
    """The first day of those at the end that have no price; None where the last one has."""
    since = None
    for i in reversed(rows.in_order()):
        if math.isfinite(prices[i]):
            break
        since = rows.days[i]
    return since
