"""The volatility head that every family shares: the standard deviation of the cumulative log return, and its tails.

GARCH(1,1) and EWMA are linear filters of squared returns, so a head is one constant vector over the window: no loop
at export, the same numbers. GARCH: Bollerslev (1986), doi:10.1016/0304-4076(86)90063-1, with the Student-t of
Bollerslev (1987), doi:10.2307/1925546. EWMA: RiskMetrics Technical Document (1996), section 5.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from arch.univariate import GARCH, StudentsT, ZeroMean
from numpy.typing import NDArray
from scipy import stats

from training.models.features import Array, log_return
from training.prices.windows import HORIZON, LEVELS, WINDOW

HEAD = "garch"  # or "ewma": 0.5 % more pinball loss from 2010 on, but no fit
DECAY = 0.94  # RiskMetrics' daily decay
PERCENT = 100.0  # arch fits returns in percent: its optimiser is made for that scale
BACKCAST = 75  # arch starts its recursion from these first squared returns, weighted by 0.94^i


@dataclass(frozen=True)
class Head:
    """A fitted head: variance of one day ahead = kernel . squared returns + constant, then linear in the horizon."""

    name: str
    params: Mapping[str, float]
    kernel: NDArray[np.float64]  # [window - 1], oldest return first
    constant: float
    slope: NDArray[np.float64]  # [horizon]
    level: NDArray[np.float64]  # [horizon]
    z: NDArray[np.float64]  # [levels], quantiles of the standardised return, ascending

    def sd(self, close: Array) -> Array:
        """Standard deviation of the cumulative log return, [batch, horizon], from closes [batch, window]."""
        xp = close.__array_namespace__()
        returns = log_return(close)
        variance = xp.matmul(returns * returns, xp.asarray(self.kernel)) + xp.asarray(self.constant)
        return xp.sqrt(variance[:, None] * xp.asarray(self.slope)[None, :] + xp.asarray(self.level)[None, :])


def fit_head(returns: NDArray[np.float64], head: str = HEAD) -> Head:
    """Fit the head named on log returns up to the cutoff, [n]; raises ValueError for an unknown name."""
    if head == "ewma":
        return ewma_head(DECAY)
    if head == "garch":
        return garch_head(fit_garch(returns))
    raise ValueError(f"volatility head {head!r} is unknown; choose garch or ewma")


def fit_garch(returns: NDArray[np.float64]) -> dict[str, float]:
    """omega, alpha, beta and nu of a zero-mean GARCH(1,1)-t, by maximum likelihood; omega in squared log returns."""
    model = ZeroMean(PERCENT * returns, volatility=GARCH(), distribution=StudentsT(), rescale=False)
    fitted = model.fit(disp="off", show_warning=False)
    if fitted.convergence_flag:
        raise ValueError(f"the GARCH fit on {len(returns)} returns did not converge; use the head 'ewma'")
    omega, alpha, beta, nu = (float(value) for value in fitted.params)
    return {"omega": omega / PERCENT**2, "alpha": alpha, "beta": beta, "nu": nu}


def garch_head(params: Mapping[str, float], window: int = WINDOW) -> Head:
    """sigma^2[n] = omega * sum beta^k + alpha * sum beta^k r^2[n-1-k] + beta^n (alpha + beta) backcast.

    `params` are omega, alpha, beta and nu; the recursion starts as arch starts it.
    """
    omega, alpha, beta, nu = (params[name] for name in ("omega", "alpha", "beta", "nu"))
    n = window - 1
    kernel = alpha * beta ** np.arange(n - 1, -1, -1.0)
    weights = DECAY ** np.arange(min(BACKCAST, n))
    kernel[: len(weights)] += beta**n * (alpha + beta) * weights / weights.sum()
    persistence = (alpha + beta) ** np.arange(HORIZON)
    return Head(
        name="garch",
        params=params,
        kernel=kernel,
        constant=float(omega * (beta ** np.arange(n + 1.0)).sum()),
        slope=persistence.cumsum(),
        level=omega * np.concatenate([[0.0], persistence.cumsum()[:-1]]).cumsum(),
        z=stats.t.ppf(LEVELS, nu) * np.sqrt((nu - 2) / nu),
    )


def ewma_head(decay: float = DECAY, window: int = WINDOW) -> Head:
    """Weights that sum to one over the window, a variance that grows with the horizon, Gaussian tails."""
    kernel = decay ** np.arange(window - 2, -1, -1.0)
    return Head(
        name="ewma",
        params={"decay": decay},
        kernel=kernel / kernel.sum(),
        constant=0.0,
        slope=np.arange(1.0, HORIZON + 1),
        level=np.zeros(HORIZON),
        z=np.asarray(stats.norm.ppf(LEVELS)),
    )


def truncation(head: Head, close: NDArray[np.float64], origins: int) -> float:
    """What the window forgets: the largest relative difference of a quantile's price, over the last `origins` rows,
    between the head on its window and the same head on the whole history, [n]."""
    apart = []
    for end in range(len(close) - min(origins, len(close) - WINDOW), len(close) + 1):
        longer = ewma_head(head.params["decay"], end) if head.name == "ewma" else garch_head(head.params, end)
        whole = longer.sd(close[None, :end])
        windowed = head.sd(close[None, end - WINDOW : end])
        apart.append(np.abs(np.expm1(np.abs(head.z).max() * (whole - windowed))).max())
    return float(max(apart))
