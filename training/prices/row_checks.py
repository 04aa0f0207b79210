"""The rows of a price file, and their check row by row: every fault is reported at once, with the cure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lambda_fn.prices.plausibility import MAX_DAILY_CHANGE
from training.errors import NamedError

MAX_LISTED = 3  # rows listed for each fault; the others are counted
ECB_CURE = "the rates are those of the European Central Bank; choose another pair, or use your own prices with --csv"


class PriceError(NamedError, ValueError):
    """The prices cannot be used; the message lists every fault on a line of its own, with the cure."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Rows:
    """The n rows of a price file, in the file's order.

    Attributes:
        name: The file's name, for messages.
        lines: Line numbers of the file; its header is line 1.
        days: None where a cell has no date.
        columns: float64 [n] by name, NaN for missing prices.
        text_cells: The cells that are not numbers, by column and position.
        faults: Faults that were found while reading.
        notes: Remarks for the user.
        diagnoses: What is wrong with the table as a whole, with the cure.
        is_ecb: True for the European Central Bank's own rates, which no user can correct.
    """

    name: str
    lines: Sequence[int]
    days: Sequence[date | None]
    columns: Mapping[str, NDArray[np.float64]]
    text_cells: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnoses: tuple[str, ...] = ()
    is_ecb: bool = False

    def in_order(self) -> list[int]:
        """Return positions of the rows that have a date, sorted by date; equal dates remain in the file's order."""
        return [i for _, i in sorted((day, i) for i, day in enumerate(self.days) if day is not None)]

    def add_notes(self, *notes: str) -> Self:
        """Return the rows with notes, to which the file's name is added."""
        return replace(self, notes=(*self.notes, *(f"{self.name}: {note}" for note in notes)))

    def select(self, keep: NDArray[np.bool_]) -> Self:
        """Return the rows for which the mask `keep` [n] is True."""
        places: list[int] = np.flatnonzero(keep).tolist()
        new = {old: i for i, old in enumerate(places)}
        return replace(
            self,
            lines=[self.lines[i] for i in places],
            days=[self.days[i] for i in places],
            columns={name: prices[keep] for name, prices in self.columns.items()},
            text_cells={
                name: {new[i]: cell for i, cell in cells.items() if i in new} for name, cells in self.text_cells.items()
            },
        )


def describe_fault(name: str, noun: str, places: Sequence[str], cure: str) -> str:
    """Describe a fault in one line: what is wrong, how often, where first, and what to do.

    Args:
        name: The file's name, and the column's where the fault is of one.
        noun: What is wrong, in the singular.
        places: The rows.
        cure: What to do.
    """
    plural = "" if len(places) == 1 else "s"
    more = f" and {len(places) - MAX_LISTED} more" if len(places) > MAX_LISTED else ""
    return f"{name}: {len(places)} {noun}{plural}: {', '.join(places[:MAX_LISTED])}{more}; {cure}"


def check(rows: Rows, columns: Sequence[str], today: date, min_rows: int, reason: str) -> None:
    """Raise PriceError with all faults of the dates, of `close` and of the `columns` that a model uses.

    If the table as a whole is wrong, the error has the diagnoses alone, as they explain the rest.

    Args:
        rows: The rows.
        columns: The price columns besides close that a model uses.
        today: Later rows are faults.
        min_rows: The smallest number of rows.
        reason: What they are needed for, such as "a window of 513 prices and ...".
    """
    if rows.diagnoses:
        raise PriceError([f"{rows.name}: {diagnosis}" for diagnosis in rows.diagnoses])
    faults = [*rows.faults, *_date_faults(rows, today)]
    for column in dict.fromkeys(("close", *columns)):
        if column in rows.columns:
            faults += _price_faults(rows, column)
            continue
        titles = ", ".join(name if len(name) <= 20 else f"{name[:20]}..." for name in list(rows.columns)[:50])
        cure = "rename the column of closing prices to close" if column == "close" else "the model uses it"
        option = "; --close-column selects another column" if column == "close" else ""
        faults.append(f"{rows.name}: no column {column}; {cure}; columns found: {titles or 'none'}{option}")
    if len(rows.lines) < min_rows:
        needed = f"at least {min_rows} are needed{f' ({reason})' if reason else ''}"
        count = f"{len(rows.lines):,} row{'' if len(rows.lines) == 1 else 's'}"
        faults.append(f"{rows.name}: {count}, {needed}; give a longer history")
    if faults:
        raise PriceError(faults)


def _date_faults(rows: Rows, today: date) -> Iterator[str]:
    dated = [(day, rows.lines[i]) for i, day in enumerate(rows.days) if day is not None]
    first_row: dict[date, int] = {}
    repeated = [
        f"{day} (row {line}, also row {first_row[day]})"
        for day, line in dated
        if first_row.setdefault(day, line) != line
    ]
    if repeated:
        yield describe_fault(rows.name, "duplicate date", repeated, "keep one row for each date")
    weekend = [f"{day:%a} {day} (row {line})" for day, line in dated if day.isoweekday() > 5]
    if weekend:
        yield describe_fault(rows.name, "weekend date", weekend, "drop weekend rows")
    future = [f"{day} (row {line})" for day, line in dated if day > today]
    if future:
        yield describe_fault(rows.name, "future date", future, f"drop the rows after today, {today}")


def _price_faults(rows: Rows, column: str) -> Iterator[str]:
    prices: list[float] = rows.columns[column].tolist()
    text_cells = rows.text_cells.get(column, {})
    name = f"{rows.name}: {column}"
    if text_cells:
        unreadable = [f"row {rows.lines[i]} ({cell[:20]!r})" for i, cell in text_cells.items()]
        yield describe_fault(name, "unreadable price", unreadable, "write plain numbers such as 1.0834")
    order = rows.in_order()
    if rows.is_ecb and order and not math.isfinite(prices[order[-1]]):
        last = max((at for at, i in enumerate(order) if math.isfinite(prices[i])), default=-1)
        since = rows.days[order[last + 1]]
        yield f"{name}: not quoted since {since}; choose another pair, or use your own prices with --csv"
        return
    kinds = (
        ("missing price", [i for i, price in enumerate(prices) if math.isnan(price) and i not in text_cells]),
        ("infinite price", [i for i, price in enumerate(prices) if math.isinf(price)]),
        ("zero price", [i for i, price in enumerate(prices) if price == 0]),
        ("negative price", [i for i, price in enumerate(prices) if math.isfinite(price) and price < 0]),
    )
    for noun, wrong in kinds:
        places = [f"row {rows.lines[i]}" for i in wrong]
        if places:
            yield describe_fault(name, noun, places, ECB_CURE if rows.is_ecb else "correct the price or drop the row")
    # Since 1999 no major currency has moved more in a day, but mistyped prices do. Other faults are skipped.
    usable = [i for i in order if math.isfinite(prices[i]) and prices[i] > 0]
    jumps = [
        f"row {rows.lines[i]} ({rows.days[i]}: {prices[before]:g} to {prices[i]:g})"
        for before, i in pairwise(usable)
        if abs(prices[i] / prices[before] - 1) > MAX_DAILY_CHANGE
    ]
    if jumps:
        cure = ECB_CURE if rows.is_ecb else "correct the price, or start the history after it with --from"
        yield describe_fault(name, "jump", jumps, f"over {MAX_DAILY_CHANGE:.0%} in a day: {cure}")
