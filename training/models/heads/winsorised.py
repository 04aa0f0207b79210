"""GARCH on winsorised news: one wild day moves the variance of the next ones less than its square says.

The variance follows v[t + 1] = (1 - alpha - beta) level + alpha x[t] level / mean(x) + beta v[t] with Student-t tails,
as GARCH(1,1)-t does, but the news x is the squared return cut at c^2 times its ten-day EWMA, the mean over three c.
Bounded news is as in Harvey (2013), Dynamic Models for Volatility and Heavy Tails, chapter 4.

`fit_dynamics` takes any number of series at once: what pairs share is known better from many than from one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.features import Array, Window, log_return
from training.models.heads.base import Head, Kind, Known
from training.prices.windows import HORIZON, LEVELS, WINDOW

Floats = NDArray[np.float64]

CLIPS = (2.0, 2.5, 3.0)  # standard deviations beyond which news is cut; their mean, as none is right
HALF_LIFE = 10  # business days of the EWMA that says what is wild
MIN_ALPHA = 0.005  # a fit with less does not react to news at all: it is refused, whatever its optimiser says
MIN_NU = 2.1
START = np.array([-3.0, 4.0, 1.5])  # alpha .047, beta .936, nu 6.6


@dataclass(frozen=True)
class Dynamics:
    """What drives the variance, and the tails' degrees of freedom."""

    alpha: float
    beta: float
    nu: float

    def __post_init__(self) -> None:
        refuse_dead(self.alpha)


def refuse_dead(alpha: float) -> None:
    """Raises ValueError for a fit whose variance does not answer to news."""
    if not alpha >= MIN_ALPHA:
        raise ValueError(
            f"the fit ended at alpha {alpha:.4f}, below {MIN_ALPHA}: a variance that does not answer to news is no "
            "fit; give a longer history, or choose the family calendar, whose parameters are shared"
        )


def winsorise(square: Floats) -> Floats:
    """News of whole series of squared returns, [..., n]: each cut by the EWMA of the days before it."""
    from scipy.signal import lfilter

    decay = 0.5 ** (1 / HALF_LIFE)
    sums, weight = (lfilter([1], [1, -decay], of) for of in (square, np.ones_like(square)))
    before = np.concatenate([square[..., :1], (sums / weight)[..., :-1]], axis=-1)
    return np.asarray(np.mean([np.minimum(square, clip**2 * before) for clip in CLIPS], axis=0))


def winsorise_window(square: Array) -> Array:
    """The same over each window, [batch, n]: an EWMA is a cumulative sum of x / weight, times weight."""
    xp, n = square.__array_namespace__(), square.shape[1]
    weight = 0.5 ** (np.arange(n) / HALF_LIFE)
    sums = xp.cumulative_sum(square * xp.asarray(1.0 / weight)[None, :], axis=1)
    scale = xp.asarray((weight / weight.cumsum())[:-1])[None, :]
    before = xp.concat([square[:, :1], sums[:, :-1] * scale], axis=1)
    cut = [xp.where(square < clip**2 * before, square, clip**2 * before) for clip in CLIPS]
    total = cut[0]
    for own in cut[1:]:
        total = total + own
    return total / float(len(CLIPS))


def variance(returns: Floats, news: Floats, dynamics: Dynamics) -> Floats:
    """Of each return of [..., n] before it is known; a series' level is the mean square of its returns."""
    return _variance(returns, news, dynamics.alpha, dynamics.beta)


def _variance(returns: Floats, news: Floats, alpha: float, beta: float) -> Floats:
    from scipy.signal import lfilter

    level = np.mean(returns * returns, axis=-1, keepdims=True)
    drive = (1 - alpha - beta) * level + alpha * level / news.mean(axis=-1, keepdims=True) * news
    filtered, _ = lfilter([1], [1, -beta], drive, zi=beta * level)
    return np.concatenate([level, filtered[..., :-1]], axis=-1)


def log_density(z2: Floats, nu: float) -> Floats:
    """Of a Student-t of variance one, at squared standardised returns."""
    from scipy.special import gammaln

    constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(np.pi * (nu - 2))
    return np.asarray(constant - (nu + 1) / 2 * np.log1p(z2 / (nu - 2)))


def log_likelihood(returns: Floats, news: Floats, dynamics: Dynamics) -> float:
    """Of all returns [..., n] with their news [..., n]."""
    v = variance(returns, news, dynamics)
    return float((log_density(returns * returns / v, dynamics.nu) - 0.5 * np.log(v)).sum())


def fit_dynamics(returns: Floats, news: Floats) -> Dynamics:
    """Maximum likelihood over all series, [series, n]; raises ValueError for a fit that does not answer to news."""
    from scipy.optimize import minimize

    square = returns * returns

    def loss(theta: NDArray[Any]) -> float:
        alpha, beta, nu = _parameters(theta)
        v = _variance(returns, news, alpha, beta)
        return -len(square) * float(np.mean(log_density(square / v, nu) - 0.5 * np.log(v)))

    # To three digits of the parameters: what lies between is noise.
    found = minimize(loss, START, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6})
    return Dynamics(*_parameters(found.x))


def _parameters(theta: Floats) -> tuple[float, float, float]:
    """alpha in (0, 1), beta in (0, 1 - alpha), nu above MIN_NU, from three numbers without limits."""
    alpha = 1 / (1 + float(np.exp(-theta[0])))
    return alpha, (1 - alpha) / (1 + float(np.exp(-theta[1]))), MIN_NU + float(np.exp(theta[2]))


@dataclass(frozen=True)
class Recursion:
    """The variance ahead from a window of news, as one constant vector; `level` and `mean_news` are the pair's own."""

    dynamics: Dynamics
    level: float
    mean_news: float
    rows: int = WINDOW

    def ahead(self, news: Array) -> Array:
        """Variance of each of the days ahead, [batch, horizon], from news [batch, rows - 1]."""
        xp, own = news.__array_namespace__(), self.dynamics
        n = self.rows - 1
        kernel = own.alpha * self.level / self.mean_news * own.beta ** np.arange(n - 1, -1, -1.0)
        gone = own.beta**n
        constant = (1 - own.alpha - own.beta) * self.level * (1 - gone) / (1 - own.beta) + gone * self.level
        decay = (own.alpha + own.beta) ** np.arange(HORIZON)
        first = xp.matmul(news, xp.asarray(kernel)) + xp.asarray(constant)
        return first[:, None] * xp.asarray(decay)[None, :] + xp.asarray(self.level * (1 - decay))[None, :]

    @property
    def z(self) -> Floats:
        """Quantiles of the standardised return, [levels]."""
        from scipy.stats import t as student

        nu = self.dynamics.nu
        return np.asarray(student.ppf(LEVELS, nu) * np.sqrt((nu - 2) / nu))

    @property
    def params(self) -> dict[str, float | str]:
        own = self.dynamics
        return {"alpha": own.alpha, "beta": own.beta, "nu": own.nu, "level": self.level, "mean_news": self.mean_news}


@dataclass(frozen=True)
class Winsorised:
    """The fitted head."""

    recursion: Recursion

    @property
    def params(self) -> Mapping[str, float | str]:
        return self.recursion.params

    @property
    def notes(self) -> Mapping[str, str]:
        return {}

    @property
    def z(self) -> NDArray[np.float64]:
        return self.recursion.z

    def sd(self, window: Window) -> Array:
        """Standard deviation of the cumulative log return, [batch, horizon]."""
        returns = log_return(window["close"])
        xp = returns.__array_namespace__()
        ahead = self.recursion.ahead(winsorise_window(returns * returns))
        return xp.sqrt(xp.cumulative_sum(ahead, axis=1))

    def of_window(self, rows: int) -> Head:
        return Winsorised(replace(self.recursion, rows=rows))


def fit(known: Known) -> Winsorised:
    """Fit on the closes up to the cutoff; raises ValueError for a fit that does not answer to news."""
    returns = known.returns()
    news = winsorise(returns * returns)
    level, mean_news = float(np.mean(returns * returns)), float(np.mean(news))
    return Winsorised(Recursion(fit_dynamics(returns[None], news[None]), level, mean_news))


KIND = Kind(name="winsorised", fit=fit)
