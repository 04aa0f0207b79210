"""Between and beyond the levels of a forecast: the probability of a price, and the price of a probability.

The distribution is linear between neighbouring levels in (log price, logit of the level), and its outer segments go
on beyond the outer levels. For a Student-t of 7.4 degrees of freedom that is at most 0.04 points of probability wrong.
Pure Python on short lists: an answer to a GET must not import numpy.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

LEAST = 0.001
"""Beyond this probability the levels say nothing: a smaller one is told as "less than 0.1 %"."""


def probability_below(levels: Sequence[float], quantiles: Sequence[float], price: float) -> float:
    """The probability that the price of that day is below `price`, clipped to LEAST .. 1 - LEAST.

    `levels` ascend within (0, 1), `quantiles` are their prices, positive and non-decreasing. Where several levels have
    one price, the middle of them counts.
    """
    low, high = bisect_left(quantiles, price), bisect_right(quantiles, price)
    if high > low:
        return _clipped((_logit(levels[low]) + _logit(levels[high - 1])) / 2)
    left, right = _segment(low, quantiles)
    if right < 0:  # every level has the same price
        return LEAST if low == 0 else 1 - LEAST
    x0, x1 = math.log(quantiles[left]), math.log(quantiles[right])
    slope = (_logit(levels[right]) - _logit(levels[left])) / (x1 - x0)
    # beyond the levels the line goes on from the outermost, whichever levels share its price
    start = 0 if low == 0 else len(levels) - 1 if low == len(levels) else left
    return _clipped(_logit(levels[start]) + slope * (math.log(price) - math.log(quantiles[start])))


def price_at(levels: Sequence[float], quantiles: Sequence[float], probability: float) -> float:
    """The price below which the day ends with this probability, from LEAST to 1 - LEAST: the inverse of
    `probability_below`. Raises ValueError outside of that."""
    if not LEAST <= probability <= 1 - LEAST:
        raise ValueError(f"{probability} is outside of {LEAST} to {1 - LEAST}")
    right = min(max(bisect_left(levels, probability), 1), len(levels) - 1)
    x0, x1 = math.log(quantiles[right - 1]), math.log(quantiles[right])
    y0, y1 = _logit(levels[right - 1]), _logit(levels[right])
    return math.exp(x0 + (x1 - x0) * (_logit(probability) - y0) / (y1 - y0))


def _segment(at: int, quantiles: Sequence[float]) -> tuple[int, int]:
    """The two positions whose line passes the price that belongs before position `at`; (0, -1) when there is none.

    Beyond the outer levels that is the outermost pair of different prices.
    """
    last = len(quantiles) - 1
    if 0 < at <= last:
        return at - 1, at
    if at == 0:
        right = next((i for i in range(1, last + 1) if quantiles[i] > quantiles[0]), -1)
        return (right - 1, right) if right > 0 else (0, -1)
    left = next((i for i in range(last - 1, -1, -1) if quantiles[i] < quantiles[last]), -1)
    return (left, left + 1) if left >= 0 else (0, -1)


def _clipped(logit: float) -> float:
    # beyond +-30 the probability is 0 or 1 to thirteen digits, and exp could overflow
    probability = 1 / (1 + math.exp(-min(max(logit, -30.0), 30.0)))
    return min(max(probability, LEAST), 1 - LEAST)


def _logit(level: float) -> float:
    return math.log(level / (1 - level))
