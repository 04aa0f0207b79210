"""GARCH(1,1) with Student-t tails, the textbook's head.

Bollerslev (1986), doi:10.1016/0304-4076(86)90063-1, with the Student-t of Bollerslev (1987), doi:10.2307/1925546.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from training.models.heads.base import Filter, HeadData, HeadSpec
from training.models.heads.winsorised import MIN_ALPHA
from training.prices.windows import HORIZON, LEVELS, WINDOW

PERCENT = 100.0  # arch fits returns in percent: its optimiser is made for that scale
STARTS = ((0.03, 0.96), (0.1, 0.85))  # alpha, beta, tried where arch's own grid leads to no fit
TYPICAL, TYPICAL_NU = (0.03, 0.96), 6.0  # of daily rates, used where nothing can be fitted
BACKCAST, BACKCAST_DECAY = 75, 0.94  # arch starts its recursion from these first squared returns, weighted by 0.94^i


def fit(history: HeadData) -> Filter:
    """Fit on the closes up to the cutoff."""
    return garch_head(fit_garch(history.returns()))


def fit_garch(returns: NDArray[np.float64]) -> dict[str, float | str]:
    """Fit omega, alpha, beta and nu of a zero-mean GARCH(1,1)-t by maximum likelihood; omega in squared log returns.

    arch's optimiser may end where the variance does not react to news, and say that it converged. Then other starts
    are tried. If none leads to a fit, the result is the typical parameters of daily rates with the variance of these
    returns, and `refused` says so.
    """
    from arch.univariate import GARCH, StudentsT, ZeroMean

    model = ZeroMean(PERCENT * returns, volatility=GARCH(), distribution=StudentsT(), rescale=False)
    for start in (None, *(_start(returns, alpha, beta) for alpha, beta in STARTS)):
        result = model.fit(disp="off", show_warning=False, starting_values=start)
        omega, alpha, beta, nu = (float(value) for value in result.params)
        if not result.convergence_flag and alpha >= MIN_ALPHA:
            return {"omega": omega / PERCENT**2, "alpha": alpha, "beta": beta, "nu": nu}
    omega, alpha, beta, nu = (float(value) for value in _start(returns, *TYPICAL))
    refused = (
        f"no fit on {len(returns)} returns reacts to news (alpha of at least {MIN_ALPHA}); typical parameters used"
    )
    return {"omega": omega / PERCENT**2, "alpha": alpha, "beta": beta, "nu": nu, "refused": refused}


def _start(returns: NDArray[np.float64], alpha: float, beta: float) -> NDArray[np.float64]:
    """arch's parameters whose long-run variance is the mean square of these returns."""
    omega = PERCENT**2 * float(np.mean(returns * returns)) * (1 - alpha - beta)
    return np.array([omega, alpha, beta, TYPICAL_NU])


def garch_head(params: Mapping[str, float | str], window: int = WINDOW) -> Filter:
    """Build the filter of a GARCH(1,1)-t from omega, alpha, beta and nu.

    sigma2[n] = omega * sum beta^k + alpha * sum beta^k r^2[n-1-k] + beta^n (alpha + beta) backcast; the recursion
    starts as arch starts it.
    """
    from scipy import stats

    omega, alpha, beta, nu = (float(params[name]) for name in ("omega", "alpha", "beta", "nu"))
    n = window - 1
    kernel = alpha * beta ** np.arange(n - 1, -1, -1.0)
    backcast_weights = BACKCAST_DECAY ** np.arange(min(BACKCAST, n))
    kernel[: len(backcast_weights)] += beta**n * (alpha + beta) * backcast_weights / backcast_weights.sum()
    persistence = (alpha + beta) ** np.arange(HORIZON)
    return Filter(
        params=params,
        kernel=kernel,
        constant=float(omega * (beta ** np.arange(n + 1.0)).sum()),
        slope=persistence.cumsum(),
        intercept=omega * np.concatenate([[0.0], persistence.cumsum()[:-1]]).cumsum(),
        z=stats.t.ppf(LEVELS, nu) * np.sqrt((nu - 2) / nu),
        rebuild=partial(garch_head, params),
    )


SPEC = HeadSpec(name="garch", fit=fit)
