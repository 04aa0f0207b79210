"""Features of the window of prices: each one function, run by numpy in training and traced by ndonnx at export.

A feature takes the window, a mapping from price column to an array [batch, window] (oldest first), and returns a
series [batch, n] aligned at its end: the last value belongs to the last row of the window. Only the array's own
namespace (`x.__array_namespace__()`) and slices with constant bounds are used, so that one function serves both; a
feature whose first values need earlier prices is shorter than the window, never padded.

To add a feature, write its function here and put its name into a family's list.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = Any  # numpy's array in training, ndonnx's tracer at export: both follow the Array API
Window: TypeAlias = Mapping[str, Array]
Feature: TypeAlias = Callable[[Window], Array]

BLOCK = 256  # rows of the arrays of one calculation
FEATURES: dict[str, Feature] = {}


def feature(name: str) -> Callable[[Feature], Feature]:
    """Register a feature function under the name by which families list it; raises ValueError when it is taken."""

    def register(function: Feature) -> Feature:
        if name in FEATURES:
            raise ValueError(f"feature {name}: the name is taken; choose another")
        FEATURES[name] = function
        return function

    return register


@feature("Return")
def simple_return(window: Window) -> Array:
    """Simple return of each day, [batch, window - 1]."""
    close = window["close"]
    return close[:, 1:] / close[:, :-1] - 1.0


@feature("MA_5")
def moving_average_5(window: Window) -> Array:
    """Mean of the last five closes, in price, [batch, window - 4]."""
    return rolling_mean(window["close"], 5)


@feature("Lag_1")
def lag_1(window: Window) -> Array:
    """Simple return of the day before, [batch, window - 2]."""
    return simple_return(window)[:, :-1]


@feature("Lag_2")
def lag_2(window: Window) -> Array:
    """Simple return of two days before, [batch, window - 3]."""
    return simple_return(window)[:, :-2]


@feature("Lag_3")
def lag_3(window: Window) -> Array:
    """Simple return of three days before, [batch, window - 4]."""
    return simple_return(window)[:, :-3]


@feature("Lag_5")
def lag_5(window: Window) -> Array:
    """Simple return of five days before, [batch, window - 6]."""
    return simple_return(window)[:, :-5]


def log_return(close: Array) -> Array:
    """Log return of each day, [batch, window - 1], the input of the volatility heads and ARIMA."""
    xp = close.__array_namespace__()
    return xp.log(close[:, 1:]) - xp.log(close[:, :-1])


def rolling_mean(series: Array, length: int) -> Array:
    """Mean of each `length` consecutive values, [batch, n - length + 1]."""
    n = series.shape[1] - length + 1
    total = series[:, :n]
    for start in range(1, length):
        total = total + series[:, start : start + n]
    return total / length


def matmul(rows: Array, weights: NDArray[np.float64]) -> Array:
    """Multiply rows [batch, n] by constant weights [n] or [n, m].

    ndonnx's own matmul adds a branch for empty arrays, which takes most of the time of an export.
    """
    if isinstance(rows, np.ndarray):
        return rows @ weights
    import ndonnx
    import spox.opset.ai.onnx.v17 as op

    return ndonnx.asarray(op.matmul(rows.unwrap_spox(), ndonnx.asarray(weights).unwrap_spox()))


def stack(names: Sequence[str], window: Window, steps: int) -> Array:
    """Stack the last `steps` values of the named features, [batch, steps, features].

    Raises KeyError with the known names for an unknown one.
    """
    unknown = [name for name in names if name not in FEATURES]
    if unknown:
        raise KeyError(f"no feature {unknown[0]!r} in training/models/features.py; choose from {', '.join(FEATURES)}")

    def stack_block(block: Window) -> Array:
        xp = block["close"].__array_namespace__()
        return xp.stack([FEATURES[name](block)[:, -steps:] for name in names], axis=-1)

    return by_blocks(stack_block, window)


def by_blocks(function: Feature, window: Window) -> Array:
    """Call a function that treats each row of the window alone with BLOCK rows at a time, or with a tracer.

    All windows of a history are arrays of 30 MB; blocks fit in the processor's cache and are several times as fast.
    """
    if not isinstance(window["close"], np.ndarray):
        return function(window)
    starts = range(0, len(window["close"]) or 1, BLOCK)
    return np.concatenate([function({name: values[i : i + BLOCK] for name, values in window.items()}) for i in starts])
