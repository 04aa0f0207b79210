"""What a volatility head is, and the linear filter that two of them are.

A head is a function of the whole window, so it may read any column that it declares, dates included; numpy runs it in
training, ndonnx traces it at export, so it uses the array's own namespace alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.models.features import Array, Window, log_return
from training.prices.windows import WINDOW, windows

STEP = 5  # rows from one window to the next where windows are compared with the whole history
HISTORY = 8192  # rows, 32 years: powers of a decay stay above the smallest double


class Head(Protocol):
    """A fitted head."""

    @property
    def params(self) -> Mapping[str, float | str]:
        """What is worth telling of it in MLflow."""

    @property
    def notes(self) -> Mapping[str, str]:
        """What the metadata of the champion's file says of it."""

    @property
    def z(self) -> NDArray[np.float64]:
        """Quantiles of the standardised return, ascending, [levels]."""

    def sd(self, window: Window) -> Array:
        """Standard deviation of the cumulative log return, [batch, horizon], from each [batch, rows]."""

    def of_window(self, rows: int) -> "Head":
        """The same head for windows of another number of rows."""


@dataclass(frozen=True)
class Known:
    """All that a head may be fitted on: the rows up to the cutoff, of which pair and from which source."""

    prices: pd.DataFrame
    pair: str = "EURUSD"
    source: str = "ecb"

    def returns(self) -> NDArray[np.float64]:
        """Log return of each close against the one before, [rows - 1]."""
        return np.diff(np.log(self.prices["close"].to_numpy(np.float64)))


@dataclass(frozen=True)
class Kind:
    """A head before its fit: `columns` are what it reads of a window beside `close`; one that `shares` reads the
    other majors of the ECB's table at the fit, and nothing of them afterwards."""

    name: str
    fit: Callable[[Known], Head]
    columns: tuple[str, ...] = ()
    shares: bool = False


@dataclass(frozen=True)
class Filter:
    """Variance of one day ahead = kernel . squared returns + constant, then linear in the horizon: one constant
    vector over the window, no loop at export, the same numbers as the recursion."""

    params: Mapping[str, float | str]
    kernel: NDArray[np.float64]  # [window - 1], oldest return first
    constant: float
    slope: NDArray[np.float64]  # [horizon]
    level: NDArray[np.float64]  # [horizon]
    z: NDArray[np.float64]  # [levels]
    longer: Callable[[int], "Filter"]
    notes: Mapping[str, str] = field(default_factory=dict)

    def sd(self, window: Window) -> Array:
        """Standard deviation of the cumulative log return, [batch, horizon], from closes [batch, window]."""
        close = window["close"]
        xp = close.__array_namespace__()
        returns = log_return(close)
        variance = xp.matmul(returns * returns, xp.asarray(self.kernel)) + xp.asarray(self.constant)
        return xp.sqrt(variance[:, None] * xp.asarray(self.slope)[None, :] + xp.asarray(self.level)[None, :])

    def of_window(self, rows: int) -> "Filter":
        return self.longer(rows)


def truncation(head: Head, known: Known, columns: tuple[str, ...], origins: int) -> float:
    """What the window forgets: the largest relative difference of a quantile's price, over the last `origins` rows,
    between the head on its window and the same head on the whole history, as far as HISTORY."""
    prices, apart = known.prices.iloc[-HISTORY:], []
    for rows in range(len(prices), max(WINDOW, len(prices) - origins + 1) - 1, -STEP):
        end = pd.DatetimeIndex(prices.index[rows - 1 : rows])
        whole = head.of_window(rows).sd(windows(prices, columns, end, rows, known.source))
        windowed = head.sd(windows(prices, columns, end, WINDOW, known.source))
        apart.append(np.abs(np.expm1(np.abs(head.z).max() * (whole - windowed))).max())
    return float(max(apart))
