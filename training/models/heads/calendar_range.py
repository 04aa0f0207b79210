"""The calendar head fed by the day's range in place of its squared return, as a range is the less noisy measure.

The news is the true range, ln(max(high, close before) / min(low, close before))^2 / (4 ln 2): Parkinson (1980),
doi:10.1086/296071, with the gap from the close before as in Wilder's true range. alpha and beta are of the file's
own rows, as a range is less noisy than a square; the calendar's effects are shared as before. Only for files whose high
and low are of the day of their close, see `training.prices.table_checks`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.contract import DATE, TARGET_DATE
from training.models.economic_calendar import KINDS
from training.models.features import Array, Window
from training.models.heads import calendar
from training.models.heads.base import Head, HeadData, HeadSpec
from training.models.heads.calendar import Calendar, log_scale
from training.models.heads.pooled_fit import LAGS
from training.models.heads.winsorised import Recursion, fit_dynamics, winsorise, winsorise_window
from training.prices.table_checks import measure_ranges
from training.prices.windows import day_numbers

SQUARE_OF_RANGE = 1 / (4 * log(2))  # of a walk without drift, the mean square of a day from its squared range


@dataclass(frozen=True)
class CalendarRange:
    """The fitted head: the calendar's scales, its own recursion."""

    calendar: Calendar
    recursion: Recursion

    @property
    def params(self) -> Mapping[str, float | str]:
        return {**self.calendar.params, **self.recursion.params}

    @property
    def notes(self) -> Mapping[str, str]:
        return self.calendar.notes

    @property
    def z(self) -> NDArray[np.float64]:
        return self.recursion.z

    def sd(self, window: Window) -> Array:
        """Standard deviation of the cumulative log return, [batch, horizon]."""
        square = true_range(window)
        xp, n = square.__array_namespace__(), square.shape[1]
        scale = self.calendar.scale(xp.concat([window[DATE], window[TARGET_DATE]], axis=1))
        news = winsorise_window(square / scale[:, :n] ** 2.0)
        return xp.sqrt(xp.cumulative_sum(self.recursion.ahead(news) * scale[:, n:] ** 2.0, axis=1))

    def for_window(self, rows: int) -> Head:
        return replace(self, recursion=replace(self.recursion, rows=rows))


def true_range(window: Window) -> Array:
    """Squared true range of each day but the first, as a variance: [batch, rows - 1]."""
    high, low, before = window["high"][:, 1:], window["low"][:, 1:], window["close"][:, :-1]
    xp = high.__array_namespace__()
    width = xp.log(xp.where(high > before, high, before)) - xp.log(xp.where(low < before, low, before))
    return width * width * SQUARE_OF_RANGE


def fit(history: HeadData) -> CalendarRange:
    """Fit on closes, highs and lows up to the cutoff.

    Raises ValueError where high and low are not of the day of their close, and for a fit that does not react to news.
    """
    ranges = measure_ranges(history.prices)
    if ranges is None or not ranges.is_usable:
        reason = ranges.describe(history.pair) if ranges else f"{history.pair}: there are no columns high and low"
        raise ValueError(f"{reason}; choose the family calendar, which needs only closes")
    calendar_head = calendar.fit(history)
    days = day_numbers(pd.DatetimeIndex(history.prices.index))
    lag = LAGS[calendar_head.close_timing]
    scale = np.exp(log_scale(calendar_head.effects, days, calendar_head.events, lag))
    columns = {name: history.prices[name].to_numpy(np.float64)[None] for name in ("close", "high", "low")}
    returns = history.returns() / scale
    news = winsorise(true_range(columns)[0] / scale**2)
    dynamics = fit_dynamics(returns[None], news[None])
    long_run_variance = calendar_head.recursion.long_run_variance
    return CalendarRange(calendar_head, Recursion(dynamics, long_run_variance, float(np.mean(news))))


SPEC = HeadSpec(
    name="calendar_range", fit=fit, columns=("high", "low", DATE, TARGET_DATE), reads_panel=True, kinds=KINDS
)
