"""What a forecast must be to be served, in one place: for export, activation, official forecasts and answers."""

from collections.abc import Sequence
from math import pi, tan

import numpy as np
from numpy.typing import NDArray

from lambda_fn.fields import LARGEST

Array = NDArray[np.float64]
OUTER_LOW, OUTER_HIGH = 0.025, 0.975
MAX_MOVE = 0.02  # of the price: the median and the mean after one day; after h days sqrt(h) times that
WIDTH_95 = (0.001, 0.1)  # of the price, one business day ahead
RECENT = 60  # returns of a window that say whether its pair is managed and moves less than WIDTH_95
CALM = 0.5  # of their mean size: the least width of such a pair; a normal distribution has 4.9 of it
WILD = 3.0  # of the window's largest return: the widest after a shock; GARCH and EWMA reach 1 to 2.9 of it
GROWTH = (0.25, 4.0)  # of the 95 % width after h days, in multiples of sqrt(h) times that of one day
SHRINK = 0.95  # of the width of the day before: the least of the next day's
TAIL = 2.0  # of Cauchy's: how far the outermost levels may be, where the 95 % are as they are
SLACK = 1e-12  # of the price: rounding may put a mean beyond the level that it equals


def fault(quantiles: Array, mean: Array) -> str | None:
    """What is wrong with a forecast whatever its prices are: quantiles [batch, horizon, levels], mean [batch, horizon].

    All of it finite and positive, quantiles that do not fall over the levels, the mean within the outer levels. None
    when nothing is.
    """
    if not (np.isfinite(quantiles).all() and np.isfinite(mean).all()):
        return "is not finite"
    if max(quantiles.max(), mean.max()) > LARGEST:
        return f"has a price above {LARGEST:g}"
    if not ((quantiles > 0).all() and (mean > 0).all()):
        return "has a price that is not above zero"
    if (quantiles[:, :, 1:] < quantiles[:, :, :-1]).any():
        return "has quantiles that fall from one level to the next; export them ascending"
    slack = SLACK * mean
    if ((mean < quantiles[:, :, 0] - slack) | (mean > quantiles[:, :, -1] + slack)).any():
        return "has a mean outside of its outer quantiles"
    return None


def fault_for(quantiles: Array, mean: Array, levels: Sequence[float], close: Array) -> str | None:
    """What is wrong with a forecast from these windows, `close` [batch, window]: `fault`, and what its prices tell.

    The median and the mean stay near the last close. The 95 % width of a day is that of an exchange rate, 0.1 % to
    10 %, or what the pair does: less where its recent returns are smaller, more after a shock in the window. It grows
    with the square root of the days, within bounds, and the tails beyond it are no heavier than twice Cauchy's.
    """
    if found := fault(quantiles, mean):
        return f"the forecast {found}"
    moved = np.abs(np.diff(np.log(close), axis=1))
    shock, last = moved.max(axis=1, keepdims=True), close[:, -1:]
    low, median, high = (quantiles[:, :, levels.index(level)] for level in (OUTER_LOW, 0.5, OUTER_HIGH))
    width = (high - low) / last
    roots = np.sqrt(np.arange(1.0, mean.shape[1] + 1))
    most = np.maximum(MAX_MOVE, shock / 2)
    least = np.minimum(WIDTH_95[0], CALM * moved[:, -RECENT:].mean(axis=1, keepdims=True))
    return (
        _far("median", median, last, most * roots)
        or _far("mean", mean, last, most * roots)
        or _of_no_rate(width[:, :1], np.maximum(least, SLACK), np.maximum(WIDTH_95[1], WILD * shock))
        or _grown_wrong(width, roots)
        or _heavy(np.log(quantiles / median[:, :, None]), levels)
    )


def _far(name: str, prices: Array, last: Array, most: Array) -> str | None:
    moves = np.abs(prices / last - 1)
    if not (moves > most).any():
        return None
    row, day = _worst(moves / most)
    allowed = f"at most {100 * most[row, day]:.3g} % is allowed"
    return f"the {name} is {moves[row, day]:.1%} from the last close on day {day + 1}, {allowed}"


def _of_no_rate(width: Array, least: Array, most: Array) -> str | None:
    wrong = (width < least) | (width > most)
    if not wrong.any():
        return None
    row = int(wrong.argmax())
    allowed = f"{100 * least[row, 0]:.2g} % to {100 * most[row, 0]:.3g} % is allowed"
    return f"the 95 % interval of a day is {width[row, 0]:.2%} wide, {allowed}"


def _grown_wrong(width: Array, roots: Array) -> str | None:
    growth = width / (width[:, :1] * roots)
    wrong = (growth < GROWTH[0]) | (growth > GROWTH[1])
    wrong[:, 1:] |= width[:, 1:] < SHRINK * width[:, :-1]
    if not wrong.any():
        return None
    row, day = _worst(wrong)
    return f"the 95 % interval of day {day + 1} is {width[row, day]:.2%} wide, that of day 1 {width[row, 0]:.2%}"


def _heavy(distance: Array, levels: Sequence[float]) -> str | None:
    """`distance` [batch, horizon, levels] is the log of each quantile over the median."""
    unit = distance[:, :, levels.index(OUTER_HIGH)] - distance[:, :, levels.index(OUTER_LOW)]
    for at in (0, -1):
        reach = TAIL * abs(_cauchy(levels[at]) / _cauchy(OUTER_HIGH)) * unit
        wrong = np.abs(distance[:, :, at]) > reach
        if wrong.any():
            row, day = _worst(wrong)
            apart = np.exp(distance[row, day, at]) - 1
            return f"the quantile of {levels[at]:g} is {apart:.1%} from the median on day {day + 1}, out of proportion"
    return None


def _cauchy(level: float) -> float:
    """The quantile of Cauchy's distribution, heavier in its tails than any with a mean."""
    return tan(pi * (level - 0.5))


def _worst(by: NDArray[np.generic]) -> tuple[int, int]:
    row, day = np.unravel_index(int(by.argmax()), by.shape)
    return int(row), int(day)
