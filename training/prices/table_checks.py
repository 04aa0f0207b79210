"""A price table as a whole, judged before its rows: how far apart they are, how dates lie, how the close moves."""

import statistics
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.prices.business_days import is_business_day
from training.prices.row_checks import Rows

STEPS = 10  # rows from which the spacing is judged
ROWS = 100  # rows from which the prices are: fewer may be flat or whole by chance
NOTED_GAP, WIDEST_GAP = 7, 60  # days between two rows
STUCK = 0.5  # share of rows with the close of the row before: no market's
RUN = 10  # rows of one close that are worth a word
WEEKENDS = 5  # rows on a weekend, all of them on the 1st to 12th: one time in a hundred by chance
WHOLE_BELOW = 1000  # a price of three digits has decimals
_KINDS = ((5, 9, "weekly"), (25, 35, "monthly"), (85, 95, "quarterly"), (360, 370, "yearly"))


class Shape(NamedTuple):
    """`diagnoses` are what is wrong with the table, each with its cure; `doubts` the same where `--trust` may know
    better; `notes` what is odd."""

    diagnoses: list[str]
    doubts: list[str]
    notes: list[str]


def judge(rows: Rows, today: date, trust: bool = False) -> Shape:
    """What the rows are as a table; rows that are faults of their own, without a date or of the future, are passed
    over."""
    dated = [day for day in rows.days if day is not None and day <= today]
    days = sorted(set(dated))
    if several := list(_several(rows, len(dated), len(days))):
        return Shape(several, [], [])
    # A table that is not daily is also full of first days of months, weekends and holes: its spacing comes first.
    found = list(_spacing(days)) or list(_swapped(dated)) or list(_holes(days))
    notes = list(_gap_notes(days)) if len(days) >= STEPS else []
    doubts: list[str] = []
    close = rows.columns.get("close")
    if close is not None:
        by_day = {day: float(close[i]) for i in rows.in_order() if np.isfinite(close[i]) and (day := rows.days[i])}
        prices = np.array(list(by_day.values()))
        if len(prices) >= ROWS:
            doubts += _whole(rows, prices)
            found += _stuck(prices) if trust or not doubts else []  # whole numbers hardly move
            notes += _flat_notes(list(by_day), prices)
    return Shape(found, doubts, notes)


def _several(rows: Rows, dated: int, days: int) -> Iterator[str]:
    """Rows of several instruments below each other: dates repeat, and a column of words says of what they are."""
    if days < STEPS or dated < 1.5 * days:
        return
    for column, words in rows.words.items():
        values = sorted(set(words.values()))
        if 1 < len(values) < dated / 10 and len(words) > 0.9 * dated:
            yield f"holds several series, told apart by {column} ({', '.join(values[:3])}); save one of them alone"
            return


def _spacing(days: Sequence[date]) -> Iterator[str]:
    if len(days) < STEPS:
        return
    step = statistics.median((later - before).days for before, later in pairwise(days))
    if step >= 2:
        kind = next((kind for least, most, kind in _KINDS if least <= step <= most), "no daily")
        yield (
            f"{kind} rows, {step:g} days apart in the median, and not daily ones: their forecast would be of {step:g} "
            "days and be called one of a day; give daily closes"
        )


def _holes(days: Sequence[date]) -> Iterator[str]:
    wide = [(before, later) for before, later in pairwise(days) if (later - before).days > WIDEST_GAP]
    if wide and len(days) >= STEPS:
        before, later = max(wide, key=lambda gap: gap[1] - gap[0])
        yield (
            f"no rows for {(later - before).days} days between {before} and {later}: these are two tables; give the "
            f"missing rows, or use what follows with --from {later}"
        )


def _gap_notes(days: Sequence[date]) -> Iterator[str]:
    gaps = [
        f"{before} to {later}" for before, later in pairwise(days) if NOTED_GAP < (later - before).days <= WIDEST_GAP
    ]
    if gaps:
        more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        yield f"no rows for over {NOTED_GAP} days: {', '.join(gaps[:3])}{more}"


def _swapped(dated: Sequence[date]) -> Iterator[str]:
    """A spreadsheet that reads day first as month first turns 5 January into 1 May and leaves 13 January as it is."""
    if len(dated) < ROWS:
        return
    weekend = [day for day in dated if day.isoweekday() > 5]
    low = len(weekend) >= WEEKENDS and all(day.day <= 12 for day in weekend)
    back = [date(day.year, day.day, day.month) if day.day <= 12 else day for day in dated]
    if low or (not _ordered(dated) and _ordered(back)) or _thin_first_half(sorted(set(dated))):
        yield (
            "day and month are swapped in the dates up to the 12th, as a spreadsheet does that takes 05/01 for 1 May: "
            "rows are out of order or on weekends, and none of those after the 12th; export the file again, with dates "
            "as 2024-01-31, and do not repair it by hand"
        )


def _ordered(days: Sequence[date]) -> bool:
    return all(a <= b for a, b in pairwise(days)) or all(a >= b for a, b in pairwise(days))


def _thin_first_half(days: Sequence[date]) -> bool:
    """Whether of the weekdays up to the 12th many are missing and of the others hardly any: swapped dates whose
    weekends were dropped, as 2 in 7 of them would be."""
    known = set(days)
    whole = [day for day in days if day.day > 12]  # swapped dates also reach beyond the table's ends
    if not whole:
        return False
    span = (whole[0] + timedelta(days=i) for i in range((whole[-1] - whole[0]).days + 1))
    early, late = [0, 0], [0, 0]
    for day in span:
        if day.isoweekday() <= 5:
            count = early if day.day <= 12 else late
            count[day in known] += 1
    missing = [count[0] / max(sum(count), 1) for count in (early, late)]
    return missing[0] > 0.15 and missing[1] < 0.05


def _stuck(prices: NDArray[np.float64]) -> Iterator[str]:
    same = float(np.mean(prices[1:] == prices[:-1]))
    if same == 1:
        yield f"close never moves, it is {prices[0]:g} in all {len(prices):,} rows; give the pair's prices"
    elif same > STUCK:
        yield f"close is that of the row before in {same:.0%} of the rows; give prices of every day, none filled in"


def _whole(rows: Rows, prices: NDArray[np.float64]) -> Iterator[str]:
    if np.all(prices == np.round(prices)) and np.max(np.abs(prices)) < WHOLE_BELOW:
        names = [name for name in rows.columns if name != "close"]
        behind = f" (column {names[0]} would be what stands behind it)" if names else ""
        yield (
            f"close has whole numbers only, such as {prices[0]:g}, as where a decimal comma splits the cell{behind}; "
            "export the file with decimal points, or with semicolons between the cells"
        )


def _flat_notes(days: Sequence[date], prices: NDArray[np.float64]) -> Iterator[str]:
    same = [day for day, moved in zip(days[1:], np.diff(prices) != 0, strict=True) if not moved]
    holidays = [day for day in same if not is_business_day(day, "ecb")]
    if holidays:
        more = f" and {len(holidays) - 1} more" if len(holidays) > 1 else ""
        yield f"holidays with the close of the day before: {holidays[0]}{more}; they count as days without a move"
    length = longest = 1
    ends = days[0]
    for i in range(1, len(prices)):
        length = length + 1 if prices[i] == prices[i - 1] else 1
        if length > longest:
            longest, ends = length, days[i]
    if longest >= RUN:
        yield f"close stands still for {longest} rows up to {ends}"
