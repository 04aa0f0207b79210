"""Metrics of forecasts, as pure functions of arrays of the same layout.

`actual` [n, horizon] log returns since the origin's close, NaN where the future is unknown (left out); `quantiles`
[n, horizon, levels] and `mean` [n, horizon] log returns; `losses` [n, horizon], one loss for each origin, in time
order. Column k of an array belongs to horizon k + 1. Results are float64 [horizon], losses and widths in percent of
log return.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from training.prices.windows import LEVELS

Array: TypeAlias = NDArray[np.float64]

PERCENT = 100.0
ROUNDING = 1e-12  # a forecast goes through a float64 price and back, so smaller differences are rounding


class Direction(NamedTuple):
    """Share of moves whose sign was forecast correctly, with the limits of its confidence interval; each [horizon]."""

    share: Array
    low: Array
    high: Array


class DieboldMariano(NamedTuple):
    """Statistic (negative where the first forecast loses less) and two-sided p-value; each [horizon]."""

    statistic: Array
    p_value: Array


def pinball_losses(actual: Array, quantiles: Array, levels: Sequence[float] = LEVELS) -> Array:
    """Pinball loss of each origin, averaged over the levels, [n, horizon].

    Koenker and Bassett (1978), doi:10.2307/1913643.
    """
    error = actual[..., None] - quantiles
    level = np.asarray(levels)
    return np.asarray(PERCENT * np.maximum(level * error, (level - 1) * error).mean(axis=-1))


def pinball(actual: Array, quantiles: Array, levels: Sequence[float] = LEVELS) -> Array:
    """Mean pinball loss over origins and levels."""
    return _nanmean(pinball_losses(actual, quantiles, levels))


def skill(loss: Array, baseline: Array) -> Array:
    """Skill, 1 - loss / baseline's loss: 0.01 is one percent less loss than the baseline, 0 is as good."""
    return np.asarray(1 - loss / baseline)


def squared_errors(actual: Array, mean: Array) -> Array:
    """Squared error of each origin's point forecast in squared percent, [n, horizon]."""
    return np.asarray((PERCENT * (actual - mean)) ** 2)


def rmse(actual: Array, mean: Array) -> Array:
    """Root mean squared error of the point forecast."""
    return np.sqrt(_nanmean(squared_errors(actual, mean)))


def theil_u(actual: Array, mean: Array) -> Array:
    """Theil's U (1966), RMSE over the random walk's RMSE: below 1 beats the forecast of no change."""
    return rmse(actual, mean) / rmse(actual, np.zeros_like(mean))


def mae(actual: Array, mean: Array) -> Array:
    """Mean absolute error of the point forecast."""
    return _nanmean(PERCENT * np.abs(actual - mean))


def direction(actual: Array, mean: Array, confidence: float = 0.95) -> Direction:
    """Directional accuracy with Wilson's interval; NaN where no move was forecast.

    Forecasts of no change and moves of zero are not counted. The interval (Wilson 1927,
    doi:10.1080/01621459.1927.10502953) assumes independent moves: beyond horizon 1, where they overlap, it is too
    narrow.
    """
    from statsmodels.stats.proportion import proportion_confint

    counted = (np.abs(mean) > ROUNDING) & ~np.isnan(actual) & (actual != 0)
    right = counted & (np.sign(mean) == np.sign(actual))
    rows = []
    for n_right, n in zip(right.sum(0).tolist(), counted.sum(0).tolist(), strict=True):
        if n == 0:
            rows.append((np.nan, np.nan, np.nan))
        else:
            low, high = proportion_confint(n_right, n, alpha=1 - confidence, method="wilson")
            rows.append((n_right / n, float(low), float(high)))
    return Direction(*np.array(rows).reshape(-1, 3).T)


def coverage(actual: Array, quantiles: Array, nominal: float, levels: Sequence[float] = LEVELS) -> Array:
    """Share of actual returns inside the central interval, its limits included.

    Raises ValueError when the interval's limits are not among the levels.

    Args:
        actual: Log returns, [n, horizon].
        quantiles: Their forecast quantiles, [n, horizon, levels].
        nominal: The probability of the interval: 0.8 for the 80 % interval.
        levels: The levels of the quantiles.
    """
    low, high = _interval(quantiles, nominal, levels)
    inside = (low <= actual) & (actual <= high)
    return _nanmean(np.where(np.isnan(actual), np.nan, inside))


def width(actual: Array, quantiles: Array, nominal: float, levels: Sequence[float] = LEVELS) -> Array:
    """Mean width of the central interval over the origins that coverage counts; raises ValueError like coverage.

    Args:
        actual: Log returns, [n, horizon].
        quantiles: Their forecast quantiles, [n, horizon, levels].
        nominal: The probability of the interval: 0.8 for the 80 % interval.
        levels: The levels of the quantiles.
    """
    low, high = _interval(quantiles, nominal, levels)
    return _nanmean(np.where(np.isnan(actual), np.nan, PERCENT * (high - low)))


def diebold_mariano(losses: Array, others: Array) -> DieboldMariano:
    """Test the equality of mean losses (Diebold and Mariano 1995, doi:10.1080/07350015.1995.10524599).

    The long-run variance has the original's rectangular kernel with horizon - 1 lags, since losses of overlapping
    forecasts are correlated up to there; where that is not positive, Bartlett's with as many lags (which is never
    negative). Small-sample correction and Student's t with n - 1 degrees of freedom by Harvey, Leybourne and Newbold
    (1997), doi:10.1016/S0169-2070(96)00719-4. NaN where the losses are the same up to rounding, or where n is
    at most twice the horizon, which is too few for a test.
    """
    from statsmodels.stats.sandwich_covariance import S_hac_simple, weights_bartlett, weights_uniform

    statistics, p_values = np.full((2, losses.shape[1]), np.nan)
    for k in range(losses.shape[1]):
        horizon, difference = k + 1, losses[:, k] - others[:, k]
        observed = ~np.isnan(difference)
        difference, scale, n = difference[observed], np.abs(losses[observed, k]), int(observed.sum())
        if n <= 2 * horizon or np.abs(difference).max() <= ROUNDING * scale.max():
            continue
        centred = difference - difference.mean()
        for kernel in (weights_uniform, weights_bartlett):
            variance = float(np.squeeze(S_hac_simple(centred, nlags=horizon - 1, weights_func=kernel))) / n
            if variance > 0:
                correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
                statistics[k] = difference.mean() * np.sqrt(correction / (variance / n))
                p_values[k] = 2 * stats.t.sf(abs(statistics[k]), n - 1)
                break
    return DieboldMariano(statistics, p_values)


def _interval(quantiles: Array, nominal: float, levels: Sequence[float]) -> tuple[Array, Array]:
    limits = []
    for level in ((1 - nominal) / 2, (1 + nominal) / 2):
        columns = np.flatnonzero(np.isclose(levels, level))
        if not len(columns):
            raise ValueError(f"the {nominal:.0%} interval needs the level {level:g}, which is not among {levels}")
        limits.append(quantiles[..., columns[0]])
    return limits[0], limits[1]


def _nanmean(values: Array) -> Array:
    return np.asarray(np.nanmean(values, axis=0))
