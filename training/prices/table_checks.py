"""Check a price table as a whole, before its rows: the spacing of its rows, its dates, and the moves of the close."""

import statistics
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.prices.business_days import is_business_day
from training.prices.row_checks import Rows

MIN_SPACING_ROWS = 10  # rows; with fewer, the spacing is not checked
MIN_PRICE_ROWS = 100  # rows; with fewer, prices may be constant or whole numbers by chance
NOTED_GAP, WIDEST_GAP = 7, 60  # days between two rows
MAX_UNCHANGED = 0.5  # share of rows with the close of the row before; a market has fewer
NOTED_RUN = 10  # rows with the same close; fewer get no note
WEEKENDS = 5  # rows on a weekend, all on the 1st to 12th: by chance this happens once in a hundred files
WHOLE_BELOW = 1000  # a price of three digits has decimals
_KINDS = ((5, 9, "weekly"), (25, 35, "monthly"), (85, 95, "quarterly"), (360, 370, "yearly"))


class TableFindings(NamedTuple):
    """What was found in a table.

    Attributes:
        diagnoses: What is wrong, each with its cure.
        doubts: What looks wrong, each with its cure; the user may overrule it with `--trust`.
        notes: What is unusual.
    """

    diagnoses: list[str]
    doubts: list[str]
    notes: list[str]


def check_table(rows: Rows, today: date, trust: bool = False) -> TableFindings:
    """Check the rows as a table.

    Rows that are faults themselves, because they have no date or a future one, are skipped.

    Args:
        rows: The rows.
        today: Later rows are skipped.
        trust: True if the user overrules doubts.
    """
    dated = [day for day in rows.days if day is not None and day <= today]
    days = sorted(set(dated))
    if several_series := list(_find_several_series(rows, len(dated), len(days))):
        return TableFindings(several_series, [], [])
    # A table that is not daily also has first days of months, weekends and gaps, so its spacing is checked first.
    diagnoses = list(_check_spacing(days)) or list(_find_swapped_dates(dated)) or list(_find_holes(days))
    notes = list(_gap_notes(days)) if len(days) >= MIN_SPACING_ROWS else []
    doubts: list[str] = []
    close = rows.columns.get("close")
    if close is not None:
        by_day = {day: float(close[i]) for i in rows.in_order() if np.isfinite(close[i]) and (day := rows.days[i])}
        prices = np.array(list(by_day.values()))
        if len(prices) >= MIN_PRICE_ROWS:
            doubts += _find_whole_numbers(rows, prices)
            diagnoses += _check_moves(prices) if trust or not doubts else []  # whole numbers rarely change
            notes += _flat_notes(list(by_day), prices)
    return TableFindings(diagnoses, doubts, notes)


def _find_several_series(rows: Rows, dated: int, days: int) -> Iterator[str]:
    """Yield a diagnosis if dates repeat because several series are below each other, named in a text column."""
    if days < MIN_SPACING_ROWS or dated < 1.5 * days:
        return
    for column, names in rows.text_cells.items():
        values = sorted(set(names.values()))
        if 1 < len(values) < dated / 10 and len(names) > 0.9 * dated:
            yield f"has several series, one for each {column} ({', '.join(values[:3])}); save one of them alone"
            return


def _check_spacing(days: Sequence[date]) -> Iterator[str]:
    if len(days) < MIN_SPACING_ROWS:
        return
    step = statistics.median((later - before).days for before, later in pairwise(days))
    if step >= 2:
        kind = next((kind for least, most, kind in _KINDS if least <= step <= most), "sparse")
        yield (
            f"{kind} rows, {step:g} days apart in the median, instead of daily ones: a forecast for {step:g} "
            "days would be presented as one for a day; give daily closes"
        )


def _find_holes(days: Sequence[date]) -> Iterator[str]:
    wide = [(before, later) for before, later in pairwise(days) if (later - before).days > WIDEST_GAP]
    if wide and len(days) >= MIN_SPACING_ROWS:
        before, later = max(wide, key=lambda gap: gap[1] - gap[0])
        yield (
            f"no rows for {(later - before).days} days between {before} and {later}: these are two tables; add the "
            f"missing rows, or use the second table with --from {later}"
        )


def _gap_notes(days: Sequence[date]) -> Iterator[str]:
    gaps = [
        f"{before} to {later}" for before, later in pairwise(days) if NOTED_GAP < (later - before).days <= WIDEST_GAP
    ]
    if gaps:
        more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        yield f"no rows for over {NOTED_GAP} days: {', '.join(gaps[:3])}{more}"


def _find_swapped_dates(dated: Sequence[date]) -> Iterator[str]:
    """Yield a diagnosis if day and month are swapped in the dates up to the 12th.

    A spreadsheet that reads day first as month first turns 5 January into 1 May and leaves 13 January as it is.
    """
    if len(dated) < MIN_PRICE_ROWS:
        return
    weekend = [day for day in dated if day.isoweekday() > 5]
    all_low = len(weekend) >= WEEKENDS and all(day.day <= 12 for day in weekend)
    swapped_back = [date(day.year, day.day, day.month) if day.day <= 12 else day for day in dated]
    if all_low or (not _is_ordered(dated) and _is_ordered(swapped_back)) or _lacks_early_days(sorted(set(dated))):
        yield (
            "day and month are swapped in the dates up to the 12th, as by a spreadsheet that reads 05/01 for 1 May: "
            "rows up to the 12th are out of order, on weekends or missing, those after it are not; export the file "
            "again, with dates as 2024-01-31, and do not repair it by hand"
        )


def _is_ordered(days: Sequence[date]) -> bool:
    pairs = list(pairwise(days))
    return all(earlier <= later for earlier, later in pairs) or all(earlier >= later for earlier, later in pairs)


def _lacks_early_days(days: Sequence[date]) -> bool:
    """Return True if many weekdays up to the 12th are missing and hardly any of the others.

    This is what remains of swapped dates when the rows on weekends, 2 of 7, have been dropped.
    """
    days_present = set(days)
    whole = [day for day in days if day.day > 12]  # swapped dates also lie outside the table's period
    if not whole:
        return False
    span = (whole[0] + timedelta(days=i) for i in range((whole[-1] - whole[0]).days + 1))
    early, late = [0, 0], [0, 0]
    for day in span:
        if day.isoweekday() <= 5:
            count = early if day.day <= 12 else late
            count[day in days_present] += 1
    missing = [count[0] / max(sum(count), 1) for count in (early, late)]
    return missing[0] > 0.15 and missing[1] < 0.05


def _check_moves(prices: NDArray[np.float64]) -> Iterator[str]:
    same = float(np.mean(prices[1:] == prices[:-1]))
    if same == 1:
        yield f"close never changes, it is {prices[0]:g} in all {len(prices):,} rows; give the pair's prices"
    elif same > MAX_UNCHANGED:
        yield f"close is that of the row before in {same:.0%} of the rows; give the price of each day, not filled gaps"


def _find_whole_numbers(rows: Rows, prices: NDArray[np.float64]) -> Iterator[str]:
    if np.all(prices == np.round(prices)) and np.max(np.abs(prices)) < WHOLE_BELOW:
        names = [name for name in rows.columns if name != "close"]
        suspect = f" (column {names[0]} would be its decimals)" if names else ""
        yield (
            f"close has whole numbers only, such as {prices[0]:g}, as if a decimal comma had split the cell{suspect}; "
            "export the file with decimal points, or with semicolons between the cells"
        )


def _flat_notes(days: Sequence[date], prices: NDArray[np.float64]) -> Iterator[str]:
    same = [day for day, is_move in zip(days[1:], np.diff(prices) != 0, strict=True) if not is_move]
    holidays = [day for day in same if not is_business_day(day, "ecb")]
    if holidays:
        more = f" and {len(holidays) - 1} more" if len(holidays) > 1 else ""
        yield f"holidays with the close of the day before: {holidays[0]}{more}; they count as days without a change"
    length = longest = 1
    ends = days[0]
    for i in range(1, len(prices)):
        length = length + 1 if prices[i] == prices[i - 1] else 1
        if length > longest:
            longest, ends = length, days[i]
    if longest >= NOTED_RUN:
        yield f"close is unchanged for {longest} rows up to {ends}"
