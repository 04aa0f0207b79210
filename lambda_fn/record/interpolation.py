"""Interpolation of a forecast's quantiles: the probability of a price, and the price of a probability.

The distribution is linear between neighbouring levels in (log price, logit of the level), and its outer segments
extend beyond the outer levels. For a Student-t with 7.4 degrees of freedom the error is at most 0.04 percentage points
of probability. Pure Python on short lists, because an answer to a GET must not import numpy.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from lambda_fn.prices.plausibility import MIN_PROBABILITY


def probability_below(levels: Sequence[float], quantiles: Sequence[float], price: float) -> float:
    """Return the probability that the price is below `price`, clipped to MIN_PROBABILITY .. 1 - MIN_PROBABILITY.

    `levels` and `quantiles` are as in `logit_below`.
    """
    # Beyond +-30 the probability is 0 or 1 to thirteen digits, and exp could overflow.
    logit = min(max(logit_below(levels, quantiles, price), -30.0), 30.0)
    return min(max(1 / (1 + math.exp(-logit)), MIN_PROBABILITY), 1 - MIN_PROBABILITY)


def logit_below(levels: Sequence[float], quantiles: Sequence[float], price: float) -> float:
    """Return the logit of the probability that the price is below `price`; infinite if every level has one price.

    `levels` ascend within (0, 1); `quantiles` are their prices, positive and non-decreasing. If several levels have the
    same price, the middle of them counts.
    """
    low, high = bisect_left(quantiles, price), bisect_right(quantiles, price)
    if high > low:
        return (_logit(levels[low]) + _logit(levels[high - 1])) / 2
    lower, upper = _segment(low, quantiles)
    if upper < 0:  # every level has the same price
        return -math.inf if low == 0 else math.inf
    x0, x1 = math.log(quantiles[lower]), math.log(quantiles[upper])
    slope = (_logit(levels[upper]) - _logit(levels[lower])) / (x1 - x0)
    # Beyond the levels the line starts at the outermost level, whichever levels share its price.
    start = 0 if low == 0 else len(levels) - 1 if low == len(levels) else lower
    return _logit(levels[start]) + slope * (math.log(price) - math.log(quantiles[start]))


def price_at(levels: Sequence[float], quantiles: Sequence[float], probability: float) -> float:
    """Return the price that the outcome is below with this probability: the inverse of `probability_below`.

    Raises ValueError unless the probability is from MIN_PROBABILITY to 1 - MIN_PROBABILITY.
    """
    if not MIN_PROBABILITY <= probability <= 1 - MIN_PROBABILITY:
        raise ValueError(f"{probability} is outside of {MIN_PROBABILITY} to {1 - MIN_PROBABILITY}")
    right = min(max(bisect_left(levels, probability), 1), len(levels) - 1)
    x0, x1 = math.log(quantiles[right - 1]), math.log(quantiles[right])
    y0, y1 = _logit(levels[right - 1]), _logit(levels[right])
    return math.exp(x0 + (x1 - x0) * (_logit(probability) - y0) / (y1 - y0))


def _segment(position: int, quantiles: Sequence[float]) -> tuple[int, int]:
    """Return the indices of the two quantiles on whose line a price lies that sorts before index `position`.

    Beyond the outer levels these are the outermost two different prices; (0, -1) if all prices are equal.
    """
    last = len(quantiles) - 1
    if 0 < position <= last:
        return position - 1, position
    if position == 0:
        upper = next((i for i in range(1, last + 1) if quantiles[i] > quantiles[0]), -1)
        return (upper - 1, upper) if upper > 0 else (0, -1)
    lower = next((i for i in range(last - 1, -1, -1) if quantiles[i] < quantiles[last]), -1)
    return (lower, lower + 1) if lower >= 0 else (0, -1)


def _logit(level: float) -> float:
    return math.log(level / (1 - level))
