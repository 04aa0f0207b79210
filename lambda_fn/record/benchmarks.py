"""The two benchmarks of official forecasts that need no fitting.

Both are Gaussian random walks. The variance of `constant` is that of all returns up to the last yearly cutoff, the
variance of `ewma` is that of RiskMetrics (Technical Document 1996, section 5.2). They equal those of `training`'s
evaluation to 1e-9 of the price. The third benchmark, GARCH(1,1)-t, is fitted, so it is published as a champion file.
"""

from collections.abc import Sequence
from datetime import date
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lambda_fn.prices.business_days import next_business_days

DECAY = 0.94  # RiskMetrics' decay factor for daily data


def constant(
    dates: Sequence[date], close: NDArray[np.float64], levels: Sequence[float], horizon: int, source: str
) -> NDArray[np.float64]:
    """Forecast with the variance of all returns up to the yearly cutoff.

    The cutoff is the last row before the year of the next business day, as in yearly refits.

    Args:
        dates: dates [rows] of the whole history.
        close: prices [rows] of the whole history.
        levels: quantile levels.
        horizon: number of business days after the last row.
        source: source of the prices, which defines the business days.

    Returns quantiles of the price [horizon, levels].
    """
    year = next_business_days(dates[-1], 1, source)[0].year
    cutoff = sum(day.year < year for day in dates)
    variance = float((np.diff(np.log(close[: cutoff if cutoff > 1 else len(close)])) ** 2).mean())
    return _random_walk(float(close[-1]), variance, levels, horizon)


def ewma(close: NDArray[np.float64], levels: Sequence[float], horizon: int) -> NDArray[np.float64]:
    """Forecast with the exponentially weighted variance of `close` [rows]; the first squared return is the backcast.

    Returns quantiles of the price [horizon, levels].
    """
    squared_returns = np.diff(np.log(close)) ** 2
    weights = (1 - DECAY) * DECAY ** np.arange(len(squared_returns) - 1, -1, -1.0)
    variance = float(weights @ squared_returns + DECAY ** len(squared_returns) * squared_returns[0])
    return _random_walk(float(close[-1]), variance, levels, horizon)


def _random_walk(last: float, variance: float, levels: Sequence[float], horizon: int) -> NDArray[np.float64]:
    """Return quantiles of a Gaussian random walk in log prices.

    Args:
        last: the last price.
        variance: variance of a daily log return.
        levels: quantile levels.
        horizon: number of days.

    Returns prices [horizon, levels].
    """
    z = np.array([NormalDist().inv_cdf(level) for level in levels])
    sd = np.sqrt(variance * np.arange(1.0, horizon + 1))
    return np.asarray(last * np.exp(sd[:, None] * z))
