"""What every official forecast is compared with: two closed forms that serving knows by itself.

`constant` is a Gaussian random walk whose variance is that of all returns up to the last yearly cutoff, `ewma` one
whose variance is RiskMetrics' (Technical Document 1996, section 5.2). They are those of `training`'s evaluation, to
1e-9 of the price. The third, GARCH(1,1)-t, is fitted, so it is a champion file that publishing brings.
"""

from collections.abc import Sequence
from datetime import date
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lambda_fn.prices.business_days import next_business_days

DECAY = 0.94  # RiskMetrics' decay of daily data


def constant(
    dates: Sequence[date], close: NDArray[np.float64], levels: Sequence[float], horizon: int, source: str
) -> NDArray[np.float64]:
    """Prices [horizon, levels] after the last row; `dates` and `close` [rows] are the whole history.

    The cutoff is the last row before the year of the next business day, as in yearly refits.
    """
    year = next_business_days(dates[-1], 1, source)[0].year
    known = sum(day.year < year for day in dates)
    variance = float((_returns(close[: known if known > 1 else len(close)]) ** 2).mean())
    return _walk(float(close[-1]), variance, levels, horizon)


def ewma(close: NDArray[np.float64], levels: Sequence[float], horizon: int) -> NDArray[np.float64]:
    """Prices [horizon, levels] after the last of `close` [rows]; the first squared return starts the average."""
    squared = _returns(close) ** 2
    weights = (1 - DECAY) * DECAY ** np.arange(len(squared) - 1, -1, -1.0)
    variance = float(weights @ squared + DECAY ** len(squared) * squared[0])
    return _walk(float(close[-1]), variance, levels, horizon)


def _returns(close: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.diff(np.log(close))


def _walk(last: float, variance: float, levels: Sequence[float], horizon: int) -> NDArray[np.float64]:
    z = np.array([NormalDist().inv_cdf(level) for level in levels])
    sd = np.sqrt(variance * np.arange(1.0, horizon + 1))
    return np.asarray(last * np.exp(sd[:, None] * z))
