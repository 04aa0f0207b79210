"""Student's t distribution of variance one, in pure Python: its upper quantiles and the mean beyond them."""

import math
from functools import lru_cache
from statistics import NormalDist

_TINY, _TERMS, _STEPS = 1e-300, 500, 60


@lru_cache(256)
def quantile(probability: float, freedom: float) -> float:
    """Return the quantile of a t with `freedom` degrees of freedom, above two; `probability` is 0.5 or more.

    Newton's method from the quantile of the normal distribution, which is lower, so each step comes nearer from below.
    """
    if probability == 0.5:
        return 0.0
    value = NormalDist().inv_cdf(probability)
    for _ in range(_STEPS):
        tail = 0.5 * _beta(freedom / 2, 0.5, freedom / (freedom + value * value))
        step = (tail - (1 - probability)) / _density(value, freedom)
        value += step
        if abs(step) < 1e-12 * value:
            break
    return value * _scale(freedom)


@lru_cache(256)
def tail_mean(probability: float, freedom: float) -> float:
    """Return the mean of the values above the quantile of `probability`; arguments as in `quantile`."""
    value = quantile(probability, freedom) / _scale(freedom)
    mean = _density(value, freedom) * (freedom + value * value) / ((freedom - 1) * (1 - probability))
    return mean * _scale(freedom)


def _scale(freedom: float) -> float:
    return math.sqrt((freedom - 2) / freedom)


def _density(value: float, freedom: float) -> float:
    log_constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return math.exp(log_constant - (freedom + 1) / 2 * math.log1p(value * value / freedom))


def _beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function by Lentz's continued fraction (Press et al., section 6.4)."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / (1 + term * d or _TINY)
            c = 1 + term / c or _TINY
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return math.exp(log_front) * fraction / a
