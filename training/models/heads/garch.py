"""GARCH(1,1) with Student-t tails, the textbook's head.

Bollerslev (1986), doi:10.1016/0304-4076(86)90063-1, with the Student-t of Bollerslev (1987), doi:10.2307/1925546.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd
from arch.univariate import GARCH, StudentsT, ZeroMean
from numpy.typing import NDArray
from scipy import stats

from training.models.heads.head import Filter, Kind
from training.prices.windows import HORIZON, LEVELS, WINDOW

PERCENT = 100.0  # arch fits returns in percent: its optimiser is made for that scale
BACKCAST, BACKCAST_DECAY = 75, 0.94  # arch starts its recursion from these first squared returns, weighted by 0.94^i


def fit(prices: pd.DataFrame) -> Filter:
    """Fit on the closes up to the cutoff."""
    return garch_head(fit_garch(np.diff(np.log(prices["close"].to_numpy(np.float64)))))


def fit_garch(returns: NDArray[np.float64]) -> dict[str, float]:
    """omega, alpha, beta and nu of a zero-mean GARCH(1,1)-t, by maximum likelihood; omega in squared log returns."""
    model = ZeroMean(PERCENT * returns, volatility=GARCH(), distribution=StudentsT(), rescale=False)
    fitted = model.fit(disp="off", show_warning=False)
    if fitted.convergence_flag:
        raise ValueError(f"the GARCH fit on {len(returns)} returns did not converge; use the head 'ewma'")
    omega, alpha, beta, nu = (float(value) for value in fitted.params)
    return {"omega": omega / PERCENT**2, "alpha": alpha, "beta": beta, "nu": nu}


def garch_head(params: Mapping[str, float], window: int = WINDOW) -> Filter:
    """sigma^2[n] = omega * sum beta^k + alpha * sum beta^k r^2[n-1-k] + beta^n (alpha + beta) backcast.

    `params` are omega, alpha, beta and nu; the recursion starts as arch starts it.
    """
    omega, alpha, beta, nu = (params[name] for name in ("omega", "alpha", "beta", "nu"))
    n = window - 1
    kernel = alpha * beta ** np.arange(n - 1, -1, -1.0)
    weights = BACKCAST_DECAY ** np.arange(min(BACKCAST, n))
    kernel[: len(weights)] += beta**n * (alpha + beta) * weights / weights.sum()
    persistence = (alpha + beta) ** np.arange(HORIZON)
    return Filter(
        params=params,
        kernel=kernel,
        constant=float(omega * (beta ** np.arange(n + 1.0)).sum()),
        slope=persistence.cumsum(),
        level=omega * np.concatenate([[0.0], persistence.cumsum()[:-1]]).cumsum(),
        z=stats.t.ppf(LEVELS, nu) * np.sqrt((nu - 2) / nu),
        longer=partial(garch_head, params),
    )


KIND = Kind(name="garch", fit=fit)
