"""Check whether high and low of a file belong to the day of its close, from its numbers alone.

Some vendors give a row's open as its close. High and low are then later than the close, and a model that predicts the
next return from them has look-ahead. In a correct file a row's range is correlated with the size of its own return,
which is made within it; in such a file it is correlated with the next return.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIN_ROWS = 400  # fewer are not evidence: the file counts as having no ranges
MIN_LEAD = 0.1  # by which one correlation must exceed the other: about three standard errors of 400 rows
MAX_OUTSIDE = 0.01  # largest share of closes outside their row's high and low; with more, these are not ranges
OPEN_TOLERANCE = 0.05  # of a row's range: a close that is nearer to the open counts as the open
RANGE_COLUMNS = ("high", "low")
INTRADAY_COLUMNS = ("open", *RANGE_COLUMNS, "volume")  # no model may use them if they are later than the close


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
        return self.rows >= MIN_ROWS and self.outside <= MAX_OUTSIDE and self.same_day > self.next_day + MIN_LEAD

    @property
    def is_after_close(self) -> bool:
        """True if high and low are later than the recorded close (which is then the open): look-ahead."""
        return self.rows >= MIN_ROWS and self.next_day > self.same_day + MIN_LEAD

    def describe(self, name: str) -> str:
        """Return a sentence for checks and notes."""
        correlations = (
            f"a row's range correlates {self.same_day:.2f} with its own return and {self.next_day:.2f} with the next"
        )
        if self.rows < MIN_ROWS:
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
    ranges = recognise(frame)
    if ranges is None or ranges.rows < MIN_ROWS:
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


def recognise(prices: pd.DataFrame) -> Ranges | None:
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
