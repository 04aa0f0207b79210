"""The probability that at least one daily close of a span lies at or beyond a price.

By the reflection principle it is twice the probability that the last day's close lies beyond the price, if prices are
watched all the time. Closes are daily, so the first close beyond the price overshoots it. The overshoot of a Gaussian
walk has a mean of 0.5826 and a variance of 1/4, in units of a day (Siegmund, 1985, Sequential Analysis, chapter 10).
The mean moves the price away from the last close, as in Broadie, Glasserman & Kou (1997,
doi:10.1111/1467-9965.00035). The variance is added to that of the days. A day's standard deviation is that of a normal
distribution with the 80 % interval of the span's last day, divided by the root of its days. Of one day the probability
is that of the day itself.

The result is the largest of all days of the span, so it never falls as the span grows, and it is never below the
probability that a single day's close lies beyond the price. Pure Python, because a GET must not import numpy.
"""

import math
from collections.abc import Sequence
from typing import Literal, Protocol

from lambda_fn.record.interpolation import logit_below, price_at

OVERSHOOT, OVERSHOOT_VARIANCE = 0.5826, 0.25  # in units of a day; the mean is -zeta(1/2) / sqrt(2 pi)
NORMAL_WIDTH_80 = 2.563103131089201  # of the 80 % interval, in standard deviations
SAME = 1e-6  # relative: prices closer to the last close equal it, because answers have six decimals
Side = Literal["below", "above"]


class Forecast(Protocol):
    """The part of a forecast that is used here: quantiles in prices [horizon][levels], and the close before them."""

    @property
    def last_close(self) -> float: ...

    @property
    def levels(self) -> Sequence[float]: ...

    @property
    def quantiles(self) -> Sequence[Sequence[float]]: ...


def side_of(forecast: Forecast, price: float) -> Side:
    """Return the side of the last close on which the price lies."""
    return "below" if price < forecast.last_close else "above"


def touch_probability(forecast: Forecast, price: float, horizon: int) -> float:
    """Return the probability that a close of days 1 to `horizon` is at or beyond the price; 1 for the last close."""
    if math.isclose(price, forecast.last_close, rel_tol=SAME):
        return 1.0
    sign = -1 if side_of(forecast, price) == "below" else 1

    def beyond(quantiles: Sequence[float], limit: float) -> float:
        logit = -sign * logit_below(forecast.levels, quantiles, limit)
        return 1 / (1 + math.exp(-min(max(logit, -700.0), 700.0)))

    highest = 0.0
    distance = abs(math.log(price / forecast.last_close))
    for day, quantiles in enumerate(forecast.quantiles[:horizon], 1):
        highest = max(highest, beyond(quantiles, price))
        if overshoot := _mean_overshoot(forecast, day):
            barrier = forecast.last_close * math.exp(sign * (distance + overshoot) * _contraction(day))
            highest = max(highest, 2 * beyond(quantiles, barrier))
    return min(highest, 1.0)


def touch_price(forecast: Forecast, probability: float, horizon: int, side: Side) -> float | None:
    """Return the price that days 1 to `horizon` touch with this probability; None if no price on the side has it.

    It is the inverse of `touch_probability`, for probabilities from 2 * MIN_PROBABILITY to a half.
    """
    sign = -1 if side == "below" else 1
    distances = []
    for day, quantiles in enumerate(forecast.quantiles[:horizon], 1):
        candidates = [(probability, 1.0, 0.0)]
        if overshoot := _mean_overshoot(forecast, day):
            candidates.append((probability / 2, _contraction(day), overshoot))
        for share, contraction, offset in candidates:
            limit = price_at(forecast.levels, quantiles, share if sign < 0 else 1 - share)
            distances.append(sign * math.log(limit / forecast.last_close) / contraction - offset)
    farthest = max(distances)
    return forecast.last_close * math.exp(sign * farthest) if farthest > 0 else None


def _mean_overshoot(forecast: Forecast, day: int) -> float:
    """Return the mean overshoot of the days 1 to `day` in log terms, 0 for the first day."""
    if day == 1:
        return 0.0
    low, high = (price_at(forecast.levels, forecast.quantiles[day - 1], level) for level in (0.1, 0.9))
    return OVERSHOOT * math.log(high / low) / NORMAL_WIDTH_80 / math.sqrt(day)


def _contraction(days: int) -> float:
    """Return the factor of a log distance with the effect of adding the overshoot's variance to that of the days."""
    return math.sqrt(days / (days + OVERSHOOT_VARIANCE))
