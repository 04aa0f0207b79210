"""The probability that at least one daily close of a span lies at or beyond a price.

By the reflection principle it is twice the probability that the last day's close lies beyond the price. Because closes
are daily, the price is first moved away from the last close by SHIFT standard deviations of a day (Broadie, Glasserman
& Kou, 1997, doi:10.1111/1467-9965.00035). A day's standard deviation is that of a normal distribution with the 80 %
interval of the span's last day, divided by the root of its days. Of one day the probability is that of the day itself.

The result is the largest of all days of the span, so it never falls as the span grows, and it is never below the
probability that a single day's close lies beyond the price. Pure Python, because a GET must not import numpy.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from lambda_fn.record.interpolation import logit_below, price_at

SHIFT = 0.5826  # -zeta(1/2) / sqrt(2 pi)
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
    for quantiles, shift in _days(forecast, horizon):
        highest = max(highest, beyond(quantiles, price))
        if shift:
            highest = max(highest, 2 * beyond(quantiles, price * math.exp(sign * shift)))
    return min(highest, 1.0)


def touch_price(forecast: Forecast, probability: float, horizon: int, side: Side) -> float | None:
    """Return the price that days 1 to `horizon` touch with this probability; None if no price on the side has it.

    It is the inverse of `touch_probability`, for probabilities from 2 * MIN_PROBABILITY to a half.
    """
    sign = -1 if side == "below" else 1
    prices = []
    for quantiles, shift in _days(forecast, horizon):
        candidates = [(probability, 0.0), *([(probability / 2, shift)] if shift else ())]
        for share, moved in candidates:
            limit = price_at(forecast.levels, quantiles, share if sign < 0 else 1 - share)
            prices.append(limit * math.exp(-sign * moved))
    farthest = max(prices) if sign > 0 else min(prices)
    return farthest if sign * (farthest - forecast.last_close) > 0 else None


def _days(forecast: Forecast, horizon: int) -> Iterator[tuple[Sequence[float], float]]:
    """Yield the quantiles of each day with the shift of the price in log terms, 0 for the first day."""
    for day, quantiles in enumerate(forecast.quantiles[:horizon], 1):
        low, high = (price_at(forecast.levels, quantiles, level) for level in (0.1, 0.9))
        yield quantiles, SHIFT * math.log(high / low) / NORMAL_WIDTH_80 / math.sqrt(day) if day > 1 else 0.0
