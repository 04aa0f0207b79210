"""Baseline forecasts that every family has to beat, computed independently of the families.

They use the whole series of returns, with no window, no export and none of the families' code; only the cutoffs are
the same. All forecast no change of the price, so they differ in the spread alone.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import norm, t
from threadpoolctl import threadpool_limits

from training.conventions import BASELINE_NAMES
from training.evaluation.walk_forward import FIRST_YEAR, Forecasts, Split, concatenate, walk_forward
from training.prices.windows import HORIZON, LEVELS, positions

if TYPE_CHECKING:
    from arch.univariate import ZeroMean

Baseline: TypeAlias = Callable[[pd.DataFrame, Split], Forecasts]

DECAY = 0.94  # RiskMetrics' decay for daily data
MIN_ALPHA = 0.005  # a variance with less does not react to news
STARTS, TYPICAL_NU = ((0.03, 0.96), (0.1, 0.85)), 6.0  # alpha and beta, the first as daily rates have them
PERCENT = 100.0  # arch's optimiser wants returns of about this scale


def constant(prices: pd.DataFrame, split: Split) -> Forecasts:
    """Forecast a Gaussian random walk whose variance is the mean square of the training returns."""
    variance = float((log_returns(split.train) ** 2).mean())
    return _gaussian(split.test, np.full(len(split.test), variance))


def ewma(prices: pd.DataFrame, split: Split) -> Forecasts:
    """Forecast with EWMA(0.94) and Gaussian tails (RiskMetrics Technical Document 1996, section 5.2); no fit."""
    squared = log_returns(prices) ** 2
    variance, _ = lfilter([1 - DECAY], [1, -DECAY], squared, zi=[DECAY * squared[0]])
    return _gaussian(split.test, variance[positions(prices, split.test) - 1])


def garch(prices: pd.DataFrame, split: Split) -> Forecasts:
    """Forecast with a zero-mean GARCH(1,1) and standardised Student-t innovations.

    Bollerslev (1987), doi:10.2307/1925546. Fitted by arch on the training returns; the parameters then stay while the
    variance is filtered through the test year. The variance of h days is the sum of the analytic forecasts of the days,
    with the tails of one day.
    """
    parameters = _fit_garch(_garch_model(split.train))
    rows = positions(prices, split.test)
    model = _garch_model(prices.iloc[: rows[-1] + 1])
    ahead = model.forecast(parameters, horizon=HORIZON, start=int(rows[0]) - 1, method="analytic")
    sd = np.sqrt(ahead.variance.to_numpy().cumsum(axis=1)) / PERCENT
    nu = float(parameters["nu"])
    return _zero_mean(split.test, sd, t.ppf(LEVELS, nu) * np.sqrt((nu - 2) / nu))


BASELINES: Mapping[str, Baseline] = MappingProxyType(dict(zip(BASELINE_NAMES, (constant, ewma, garch), strict=True)))


def evaluate_baselines(prices: pd.DataFrame, first_year: int = FIRST_YEAR) -> dict[str, Forecasts]:
    """Backtest the baselines over the splits that the families are evaluated on, in one thread as they are."""
    splits = list(walk_forward(prices, first_year))
    with threadpool_limits(1):
        return {
            name: concatenate([baseline(prices, split) for split in splits]) for name, baseline in BASELINES.items()
        }


def log_returns(prices: pd.DataFrame) -> NDArray[np.float64]:
    """Log return of every row's close against the row before, [rows - 1]."""
    return np.diff(np.log(prices["close"].to_numpy(np.float64)))


def _garch_model(prices: pd.DataFrame) -> "ZeroMean":
    from arch.univariate import GARCH, StudentsT, ZeroMean

    return ZeroMean(PERCENT * log_returns(prices), volatility=GARCH(), distribution=StudentsT(), rescale=False)


def _fit_garch(model: "ZeroMean") -> pd.Series:
    """arch's parameters by maximum likelihood.

    arch's optimiser may end where the variance does not react to news, and say that it converged: then other starts are
    tried, and if none leads to a fit, the result is the typical parameters of daily rates.
    """
    first = model.fit(disp="off", show_warning=False)
    if first.params["alpha[1]"] >= MIN_ALPHA:
        return pd.Series(first.params)
    starts = []
    for alpha, beta in STARTS:
        omega = float(np.mean(model.y**2)) * (1 - alpha - beta)
        starts.append(np.array([omega, alpha, beta, TYPICAL_NU]))
        result = model.fit(disp="off", show_warning=False, starting_values=starts[-1])
        if result.params["alpha[1]"] >= MIN_ALPHA:
            return pd.Series(result.params)
    return pd.Series(starts[0], index=first.params.index)


def _gaussian(origins: pd.DatetimeIndex, variance: NDArray[np.float64]) -> Forecasts:
    days = np.arange(1, HORIZON + 1)
    return _zero_mean(origins, np.sqrt(variance[:, None] * days), np.asarray(norm.ppf(LEVELS)))


def _zero_mean(origins: pd.DatetimeIndex, sd: NDArray[np.float64], z: NDArray[np.float64]) -> Forecasts:
    return Forecasts(origins, sd[:, :, None] * z, np.zeros_like(sd))
