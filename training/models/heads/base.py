"""The interface of a volatility head, and the linear filter that EWMA and GARCH share.

A head is a function of the whole window, so it may read any column that it declares, dates included; numpy runs it in
training, ndonnx traces it at export, so it uses the array's own namespace alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.models.features import Array, Window, log_return, matmul
from training.prices.windows import WINDOW, windows

STEP = 5  # rows from one window to the next where windows are compared with the whole history
HISTORY = 8192  # rows, 32 years: powers of a decay stay above the smallest double


class Head(Protocol):
    """A fitted head."""

    @property
    def params(self) -> Mapping[str, float | str]:
        """Parameters to log in MLflow."""

    @property
    def notes(self) -> Mapping[str, str]:
        """Entries to add to the metadata of the champion's file."""

    @property
    def z(self) -> NDArray[np.float64]:
        """Quantiles of the standardised return, ascending, [levels]."""

    def sd(self, window: Window) -> Array:
        """Standard deviation of the cumulative log return, [batch, horizon], from each [batch, rows]."""

    def for_window(self, rows: int) -> "Head":
        """Return this head, with the same parameters, for windows of another number of rows."""


@dataclass(frozen=True)
class HeadData:
    """The data that a head may be fitted on: the rows up to the cutoff, their pair and their source."""

    prices: pd.DataFrame
    pair: str = "EURUSD"
    source: str = "ecb"

    def returns(self) -> NDArray[np.float64]:
        """Log return of each close against the one before, [rows - 1]."""
        return np.diff(np.log(self.prices["close"].to_numpy(np.float64)))


@dataclass(frozen=True)
class HeadSpec:
    """A head before its fit.

    `columns` are the columns of a window that it reads in addition to `close`. A head that `reads_panel` reads the
    other majors of the ECB's table at the fit, and nothing of them afterwards. `kinds` are the kinds of scheduled
    events whose effects the pooled fit of the majors has; a head without any needs no pooled fit.
    """

    name: str
    fit: Callable[[HeadData], Head]
    columns: tuple[str, ...] = ()
    reads_panel: bool = False
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filter:
    """A head whose variance is linear in the squared returns of the window.

    Variance of one day ahead = kernel . squared returns + constant; the variance of each horizon is linear in it:
    one constant vector over the window, no loop at export, the same numbers as the recursion.
    """

    params: Mapping[str, float | str]
    kernel: NDArray[np.float64]  # [window - 1], oldest return first
    constant: float
    slope: NDArray[np.float64]  # [horizon]
    intercept: NDArray[np.float64]  # [horizon]
    z: NDArray[np.float64]  # [levels]
    rebuild: Callable[[int], "Filter"]  # rows -> this filter for windows of that many rows
    notes: Mapping[str, str] = field(default_factory=dict)

    def sd(self, window: Window) -> Array:
        """Standard deviation of the cumulative log return, [batch, horizon], from closes [batch, window]."""
        close = window["close"]
        xp = close.__array_namespace__()
        returns = log_return(close)
        sigma2 = matmul(returns * returns, self.kernel) + xp.asarray(self.constant)
        return xp.sqrt(sigma2[:, None] * xp.asarray(self.slope)[None, :] + xp.asarray(self.intercept)[None, :])

    def for_window(self, rows: int) -> "Filter":
        return self.rebuild(rows)


def truncation(head: Head, history: HeadData, columns: tuple[str, ...], origins: int) -> float:
    """Truncation error of the window: the largest relative difference of a quantile's price.

    The head on its window is compared with the same head on the whole history, HISTORY rows at most.

    Args:
        head: The fitted head.
        history: The rows that it was fitted on.
        columns: The columns of a window that the model reads.
        origins: The number of newest rows to compare at; every STEP-th of them is an origin.
    """
    prices, differences = history.prices.iloc[-HISTORY:], []
    for rows in range(len(prices), max(WINDOW, len(prices) - origins + 1) - 1, -STEP):
        end = pd.DatetimeIndex(prices.index[rows - 1 : rows])
        whole = head.for_window(rows).sd(windows(prices, columns, end, rows, history.source))
        windowed = head.sd(windows(prices, columns, end, WINDOW, history.source))
        differences.append(np.abs(np.expm1(np.abs(head.z).max() * (whole - windowed))).max())
    return float(max(differences))
