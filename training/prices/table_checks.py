"""Check a price table as a whole: the spacing of its rows, its dates, the moves of the close, and high and low.

Some vendors give a row's open as its close. High and low are then later than the close, and a model that predicts the
next return from them has look-ahead. In a correct file a row's range is correlated with the size of its own return,
which is made within it; in such a file it is correlated with the next return.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
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
MIN_RANGE_ROWS = 400  # fewer are not evidence: the file counts as having no ranges
MIN_RANGE_LEAD = 0.1  # by which one correlation must exceed the other: about three standard errors of 400 rows
MAX_OUTSIDE = 0.01  # largest share of closes outside their row's high and low; with more, these are not ranges
OPEN_TOLERANCE = 0.05  # of a row's range: a close that is nearer to the open counts as the open
RANGE_COLUMNS = ("high", "low")
INTRADAY_COLUMNS = ("open", *RANGE_COLUMNS, "volume")  # no model may use them if they are later than the close


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
    repeat = len(days) >= MIN_SPACING_ROWS and len(dated) >= 1.5 * len(days)
    for column, names in rows.text_cells.items() if repeat else ():
        values = sorted(set(names.values()))
        if 1 < len(values) < len(dated) / 10 and len(names) > 0.9 * len(dated):
            series = f"has several series, one for each {column} ({', '.join(values[:3])}); save one of them alone"
            return TableFindings([series], [], [])
    findings = TableFindings([], [], [])
    _check_days(findings, dated, days)
    close = rows.columns.get("close")
    if close is not None:
        by_day = {day: float(close[i]) for i in rows.in_order() if np.isfinite(close[i]) and (day := rows.days[i])}
        if len(by_day) >= MIN_PRICE_ROWS:
            others = [name for name in rows.columns if name != "close"]
            _check_closes(findings, list(by_day), np.array(list(by_day.values())), others, trust)
    return findings


def _check_days(findings: TableFindings, dated: Sequence[date], days: Sequence[date]) -> None:
    """Add what is wrong with the spacing of the rows; `days` are the sorted days of the rows, each once.

    A table that is not daily also has first days of months, weekends and gaps, so its spacing is checked first.
    """
    gaps = [(later - before, before, later) for before, later in pairwise(days)]
    enough = len(days) >= MIN_SPACING_ROWS
    step = statistics.median(gap.days for gap, *_ in gaps) if enough else 1
    widest, before, later = max(gaps, key=lambda gap: gap[0]) if enough else (timedelta(), None, None)
    if step >= 2:
        kind = next((kind for least, most, kind in _KINDS if least <= step <= most), "sparse")
        findings.diagnoses.append(
            f"{kind} rows, {step:g} days apart in the median, instead of daily ones: a forecast for {step:g} "
            "days would be presented as one for a day; give daily closes"
        )
    elif len(dated) >= MIN_PRICE_ROWS and _are_swapped(dated):
        findings.diagnoses.append(
            "day and month are swapped in the dates up to the 12th, as by a spreadsheet that reads 05/01 for 1 May: "
            "rows up to the 12th are out of order, on weekends or missing, those after it are not; export the file "
            "again, with dates as 2024-01-31, and do not repair it by hand"
        )
    elif widest.days > WIDEST_GAP:
        findings.diagnoses.append(
            f"no rows for {widest.days} days between {before} and {later}: these are two tables; add the "
            f"missing rows, or use the second table with --from {later}"
        )
    noted = [f"{before} to {later}" for gap, before, later in gaps if NOTED_GAP < gap.days <= WIDEST_GAP]
    if noted and enough:
        more = f" and {len(noted) - 3} more" if len(noted) > 3 else ""
        findings.notes.append(f"no rows for over {NOTED_GAP} days: {', '.join(noted[:3])}{more}")


def _are_swapped(dated: Sequence[date]) -> bool:
    """Return True if day and month are swapped in the dates up to the 12th.

    A spreadsheet that reads day first as month first turns 5 January into 1 May and leaves 13 January as it is.
    """
    weekend = [day for day in dated if day.isoweekday() > 5]
    if len(weekend) >= WEEKENDS and all(day.day <= 12 for day in weekend):
        return True
    swapped_back = [date(day.year, day.day, day.month) if day.day <= 12 else day for day in dated]
    if not _is_ordered(dated) and _is_ordered(swapped_back):
        return True
    # When the rows on weekends, 2 of 7, have been dropped, many weekdays up to the 12th are missing and hardly any of
    # the others. Swapped dates also lie outside the table's period.
    present, whole = set(dated), sorted(day for day in dated if day.day > 12)
    if not whole:
        return False
    span = (whole[0] + timedelta(days=i) for i in range((whole[-1] - whole[0]).days + 1))
    early, late = [0, 0], [0, 0]
    for day in span:
        if day.isoweekday() <= 5:
            count = early if day.day <= 12 else late
            count[day in present] += 1
    missing = [count[0] / max(sum(count), 1) for count in (early, late)]
    return missing[0] > 0.15 and missing[1] < 0.05


def _is_ordered(days: Sequence[date]) -> bool:
    pairs = list(pairwise(days))
    return all(earlier <= later for earlier, later in pairs) or all(earlier >= later for earlier, later in pairs)


def _check_closes(
    findings: TableFindings, days: Sequence[date], prices: NDArray[np.float64], others: Sequence[str], trust: bool
) -> None:
    """Add what is wrong with the moves of the closes.

    Args:
        findings: Receives the findings.
        days: The days, in order.
        prices: The close of each day.
        others: The names of the other columns.
        trust: True if the user overrules doubts.
    """
    if np.all(prices == np.round(prices)) and np.max(np.abs(prices)) < WHOLE_BELOW:
        suspect = f" (column {others[0]} would be its decimals)" if others else ""
        findings.doubts.append(
            f"close has whole numbers only, such as {prices[0]:g}, as if a decimal comma had split the cell{suspect}; "
            "export the file with decimal points, or with semicolons between the cells"
        )
    unchanged = prices[1:] == prices[:-1]
    same = float(np.mean(unchanged))
    if trust or not findings.doubts:  # whole numbers rarely change
        if same == 1:
            findings.diagnoses.append(
                f"close never changes, it is {prices[0]:g} in all {len(prices):,} rows; give the pair's prices"
            )
        elif same > MAX_UNCHANGED:
            findings.diagnoses.append(
                f"close is that of the row before in {same:.0%} of the rows; "
                "give the price of each day, not filled gaps"
            )
    holidays = [
        day for day, is_same in zip(days[1:], unchanged, strict=True) if is_same and not is_business_day(day, "ecb")
    ]
    if holidays:
        more = f" and {len(holidays) - 1} more" if len(holidays) > 1 else ""
        findings.notes.append(
            f"holidays with the close of the day before: {holidays[0]}{more}; they count as days without a change"
        )
    length = longest = 1
    ends = days[0]
    for day, is_same in zip(days[1:], unchanged, strict=True):
        length = length + 1 if is_same else 1
        if length > longest:
            longest, ends = length, day
    if longest >= NOTED_RUN:
        findings.notes.append(f"close is unchanged for {longest} rows up to {ends}")


@dataclass(frozen=True)
class Ranges:
    """Statistics of a file's high and low.

    Attributes:
        same_day: Rank correlation of a row's range with the size of its own return.
        next_day: Rank correlation with the size of the next return.
        outside: Share of closes outside their row's high and low.
        rows: The number of rows.
    """

    same_day: float
    next_day: float
    outside: float
    rows: int

    @property
    def is_usable(self) -> bool:
        """True if a model may use them at a day's close."""
        return (
            self.rows >= MIN_RANGE_ROWS
            and self.outside <= MAX_OUTSIDE
            and self.same_day > self.next_day + MIN_RANGE_LEAD
        )

    @property
    def is_after_close(self) -> bool:
        """True if high and low are later than the recorded close (which is then the open): look-ahead."""
        return self.rows >= MIN_RANGE_ROWS and self.next_day > self.same_day + MIN_RANGE_LEAD

    def describe(self, name: str) -> str:
        """Return a sentence for checks and notes."""
        correlations = (
            f"a row's range correlates {self.same_day:.2f} with its own return and {self.next_day:.2f} with the next"
        )
        if self.rows < MIN_RANGE_ROWS:
            return (
                f"{name}: {self.rows} rows with high and low are too few to tell whether they belong to the close's day"
            )
        if self.is_after_close:
            return (
                f"{name}: high and low are later than the close, which is the open of its row ({correlations}); "
                "no model uses them, and each close is dated one business day earlier"
            )
        if not self.is_usable:
            return f"{name}: high and low are not used because they are not the ranges of their days ({correlations})"
        return f"{name}: high and low belong to the close's day ({correlations})"


def drop_unusable_ranges(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the columns that a model may use, and a sentence about high and low if there are enough rows.

    Closes that are the opens of their rows are those of the business day before, and are dated so.
    """
    ranges = measure_ranges(frame)
    if ranges is None or ranges.rows < MIN_RANGE_ROWS:
        return frame, ()
    note = ranges.describe(name)
    if ranges.is_after_close:
        opens = frame["open"] if "open" in frame.columns else float("nan")
        apart = (frame["close"] - opens).abs() > OPEN_TOLERANCE * (frame["high"] - frame["low"])
        # If only the last row's close differs from its open, it is the price of the moment.
        if apart.iloc[-1] and float(apart.mean()) < MAX_OUTSIDE:
            note += "; the last row is left out because its day is not over"
            frame = frame.iloc[:-1]
        frame = frame.drop(columns=[column for column in INTRADAY_COLUMNS if column in frame.columns])
        before = pd.DatetimeIndex(frame.index) - pd.offsets.BDay()
        frame = frame.set_axis(before.as_unit("us").rename(frame.index.name), axis="index")
    return frame, (note,)


def measure_ranges(prices: pd.DataFrame) -> Ranges | None:
    """Measure the high and low of a price table; return None if it has none.

    `prices` has the columns close, high and low, by date.
    """
    if not {"close", *RANGE_COLUMNS} <= set(prices.columns):
        return None
    rows = prices[["close", *RANGE_COLUMNS]].to_numpy(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1) & (rows > 0).all(axis=1)]
    if len(rows) < 4:
        return Ranges(float("nan"), float("nan"), float("nan"), len(rows))
    close, high, low = rows.T
    size = np.abs(np.diff(np.log(close)))
    width = np.log(high / low)[1:-1]  # of rows that have a return of their own and a next one
    outside = float(np.mean((close > high) | (close < low)))
    return Ranges(_rank_correlation(width, size[:-1]), _rank_correlation(width, size[1:]), outside, len(rows))


def _rank_correlation(width: NDArray[np.float64], size: NDArray[np.float64]) -> float:
    """Return the rank correlation, as ranges and returns have extreme days; zero if one is constant."""
    from scipy import stats

    if np.ptp(width) == 0 or np.ptp(size) == 0:
        return 0.0
    return float(stats.spearmanr(width, size).statistic)
