"""What a forecast must be to be served, in one place: for export, activation, official forecasts and answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OUTER_LOW, OUTER_HIGH = 0.025, 0.975
MAX_MOVE = 0.02  # of the price: the median and the mean after one day; after h days sqrt(h) times that
WIDTH_95 = (0.001, 0.1)  # of the price, one business day ahead
GROWTH = (0.25, 4.0)  # of the 95 % width after h days, in multiples of sqrt(h) times that of one day
SLACK = 1e-12  # of the price: rounding may put a mean beyond the level that it equals


def fault(quantiles: NDArray[np.float64], mean: NDArray[np.float64]) -> str | None:
    """What is wrong with a forecast whatever its prices are: quantiles [batch, horizon, levels], mean [batch, horizon].

    All of it finite and positive, quantiles that do not fall over the levels, the mean within the outer levels. None
    when nothing is.
    """
    if not (np.isfinite(quantiles).all() and np.isfinite(mean).all()):
        return "is not finite"
    if not ((quantiles > 0).all() and (mean > 0).all()):
        return "has a price that is not above zero"
    if (np.diff(quantiles, axis=2) < 0).any():
        return "has quantiles that fall from one level to the next"
    slack = SLACK * mean
    if ((mean < quantiles[:, :, 0] - slack) | (mean > quantiles[:, :, -1] + slack)).any():
        return "has a mean outside of its outer quantiles"
    return None


def live_fault(
    quantiles: NDArray[np.float64], mean: NDArray[np.float64], levels: Sequence[float], close: NDArray[np.float64]
) -> str | None:
    """What is wrong with the forecast of one pair's newest window, as `fault`, and more: quantiles [horizon, levels],
    mean [horizon], `close` [window] the closes that it is from.

    The median and the mean stay near the last close, and the 95 % width is that of an exchange rate: 0.1 % to 10 % a
    day (of a pair that moved less than that: at least the standard deviation of its returns), growing with the square
    root of the days, within bounds.
    """
    if found := fault(quantiles[None], mean[None]):
        return f"the forecast {found}; export another"
    last, roots = float(close[-1]), np.sqrt(np.arange(1.0, len(mean) + 1))
    low, median, high = (quantiles[:, list(levels).index(level)] for level in (OUTER_LOW, 0.5, OUTER_HIGH))
    for name, values in (("median", median), ("mean", mean)):
        moves = np.abs(values / last - 1)
        if (moves > MAX_MOVE * roots).any():
            day = int((moves / roots).argmax())
            return f"the {name} is {moves[day]:.1%} from the last close on day {day + 1}, at most 2 % a day is allowed"
    widths = (high - low) / last
    least = min(WIDTH_95[0], float(np.diff(np.log(close)).std()))
    if not max(least, SLACK) <= widths[0] <= WIDTH_95[1]:
        return f"the 95 % interval of a day is {widths[0]:.2%} wide, 0.1 % to 10 % is allowed"
    growth = widths / (widths[0] * roots)
    if ((growth < GROWTH[0]) | (growth > GROWTH[1])).any():
        day = int(np.abs(np.log(np.maximum(growth, SLACK))).argmax())
        return f"the 95 % interval of day {day + 1} is {widths[day]:.2%} wide, that of day 1 {widths[0]:.2%}"
    return None
