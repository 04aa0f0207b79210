"""Whether high and low of a file belong to the day of its close, told by its numbers alone.

Some vendors give a row's open as its close: high and low then lie after the close, and whoever forecasts the next
return from them has seen it. In an honest file a row's range goes with the size of its own return, as the return is
made within it; in such a file it goes with the next one.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIN_ROWS = 400  # fewer tell nothing: the file counts as having no ranges
LEAD = 0.1  # by which one correlation must be the greater, about three standard errors of 400 rows
OUTSIDE = 0.01  # share of closes outside their row's high and low that is still a slip; more is no range
STILL = 0.05  # of a row's range: a close that is nearer to the open is the open
RANGE_COLUMNS = ("high", "low")
OF_THE_DAY = ("open", *RANGE_COLUMNS, "volume")  # refused to every family where they lie after the close


@dataclass(frozen=True)
class Ranges:
    """What the numbers say: rank correlation of a row's range with the size of its own return and of the next one."""

    own: float
    following: float
    outside: float
    rows: int

    @property
    def honest(self) -> bool:
        """Whether they may be used at a day's close."""
        return self.rows >= MIN_ROWS and self.outside <= OUTSIDE and self.own > self.following + LEAD

    @property
    def after_the_close(self) -> bool:
        """True if high and low are later than the recorded close (which is then the open): look-ahead."""
        return self.rows >= MIN_ROWS and self.following > self.own + LEAD

    def describe(self, name: str) -> str:
        """One sentence for the checks and the notes."""
        found = f"a row's range correlates {self.own:.2f} with its own return and {self.following:.2f} with the next"
        if self.rows < MIN_ROWS:
            return f"{name}: {self.rows} rows with high and low are too few to tell whether they are of the close's day"
        if self.after_the_close:
            return (
                f"{name}: high and low are later than the close, which is the open of its row ({found}); no model uses "
                "them, and each close is dated as that of the business day before"
            )
        if not self.honest:
            return f"{name}: high and low are not used, as they are no ranges of their days ({found})"
        return f"{name}: high and low are of the close's day ({found})"


def usable(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The columns that a model may see, and a sentence of what high and low are where rows enough tell.

    Closes that are the opens of their rows are those of the business day before, and get its date.
    """
    found = recognise(frame)
    if found is None or found.rows < MIN_ROWS:
        return frame, ()
    told = found.describe(name)
    if found.after_the_close:
        if _still_open(frame):
            told += "; the last row is left out, as its day is not over and its close is none of these"
            frame = frame.iloc[:-1]
        frame = frame.drop(columns=[column for column in OF_THE_DAY if column in frame.columns])
        before = pd.DatetimeIndex(frame.index) - pd.offsets.BDay()
        frame = frame.set_axis(before.as_unit("us").rename(frame.index.name), axis="index")
    return frame, (told,)


def _still_open(frame: pd.DataFrame) -> bool:
    """Whether the last row's close has left its open, as it has nowhere else: it is that of the moment."""
    if "open" not in frame.columns:
        return False
    apart = (frame["close"] - frame["open"]).abs() > STILL * (frame["high"] - frame["low"])
    return bool(apart.iloc[-1]) and float(apart.mean()) < OUTSIDE


def recognise(prices: pd.DataFrame) -> Ranges | None:
    """What a price table's high and low are; None where it has none. Needs columns close, high and low, by date."""
    if not {"close", *RANGE_COLUMNS} <= set(prices.columns):
        return None
    rows = prices[["close", *RANGE_COLUMNS]].to_numpy(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1) & (rows > 0).all(axis=1)]
    if len(rows) < 4:
        return Ranges(float("nan"), float("nan"), float("nan"), len(rows))
    close, high, low = rows.T
    size = np.abs(np.diff(np.log(close)))
    width = np.log(high / low)[1:-1]  # of rows that have a return of their own and one that follows
    outside = float(np.mean((close > high) | (close < low)))
    return Ranges(_correlation(width, size[:-1]), _correlation(width, size[1:]), outside, len(rows))


def _correlation(width: NDArray[np.float64], size: NDArray[np.float64]) -> float:
    """Of ranks, as ranges and returns have wild days; zero where one does not move."""
    from scipy import stats

    if np.ptp(width) == 0 or np.ptp(size) == 0:
        return 0.0
    return float(stats.spearmanr(width, size).statistic)
