"""GARCH on winsorised news: an extreme day moves the variance of the next days less than its square would.

The variance follows v[t + 1] = (1 - alpha - beta) level + alpha x[t] level / mean(x) + beta v[t] with Student-t tails,
as GARCH(1,1)-t does, where `level` is the long-run variance; but the news x is the squared return cut at c^2 times its
ten-day EWMA, the mean over three c. Bounded news is as in Harvey (2013), Dynamic Models for Volatility and Heavy Tails,
chapter 4.

`fit_dynamics` takes any number of series at once: parameters that pairs share are estimated better from many than from
one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.features import Array, Window, log_return, matmul
from training.models.heads.base import Head, HeadData, HeadSpec
from training.prices.ecb import panel
from training.prices.windows import HORIZON, LEVELS, WINDOW

Floats = NDArray[np.float64]

CLIPS = (2.0, 2.5, 3.0)  # standard deviations beyond which news is cut; averaged, as no single one is right
HALF_LIFE = 10  # business days, of the EWMA that decides which returns are extreme
MIN_ALPHA = 0.005  # a fit with less does not react to news at all: it is rejected, even if its optimiser converged
MIN_NU = 2.1
START = np.array([-3.0, 4.0, 1.5])  # alpha .047, beta .936, nu 6.6


@dataclass(frozen=True)
class Dynamics:
    """Parameters of the variance recursion, and the tails' degrees of freedom; raises ValueError like check_alpha."""

    alpha: float
    beta: float
    nu: float

    def __post_init__(self) -> None:
        check_alpha(self.alpha)


def check_alpha(alpha: float) -> None:
    """Raise ValueError for a fit whose variance does not react to news."""
    if not alpha >= MIN_ALPHA:
        raise ValueError(
            f"the fit ended at alpha {alpha:.4f}, below {MIN_ALPHA}: its variance does not react to news; give a "
            "longer history, or choose the family calendar, whose parameters are shared"
        )


def winsorise(square: Floats) -> Floats:
    """Cut the squared returns of whole series, [..., n], each by the EWMA of the days before it."""
    from scipy.signal import lfilter

    decay = 0.5 ** (1 / HALF_LIFE)
    sums, weight = (lfilter([1], [1, -decay], series) for series in (square, np.ones_like(square)))
    previous = np.concatenate([square[..., :1], (sums / weight)[..., :-1]], axis=-1)
    return np.asarray(np.mean([np.minimum(square, clip**2 * previous) for clip in CLIPS], axis=0))


def median_square_to_news(square: Floats) -> float:
    """Median over the series of [series, n] of the mean square to the mean news.

    Times the mean news of one series it is a long-run variance that no single extreme day of that series widens.
    """
    return float(np.median(square.mean(axis=-1) / winsorise(square).mean(axis=-1)))


def winsorise_window(square: Array) -> Array:
    """Cut the squared returns of each window, [batch, n], as `winsorise` does.

    The EWMA is a cumulative sum of x / weight, times weight, which the Array API can express.
    """
    xp, n = square.__array_namespace__(), square.shape[1]
    weight = 0.5 ** (np.arange(n) / HALF_LIFE)
    sums = xp.cumulative_sum(square * xp.asarray(1.0 / weight)[None, :], axis=1)
    scale = xp.asarray((weight / weight.cumsum())[:-1])[None, :]
    previous = xp.concat([square[:, :1], sums[:, :-1] * scale], axis=1)
    clipped = [xp.where(square < clip**2 * previous, square, clip**2 * previous) for clip in CLIPS]
    total = clipped[0]
    for series in clipped[1:]:
        total = total + series
    return total / float(len(CLIPS))


def filter_variance(returns: Floats, news: Floats, dynamics: Dynamics) -> Floats:
    """Conditional variance of each return of [..., n], given those before it.

    The long-run variance of a series is the mean square of its returns.
    """
    return _filter_variance(returns, news, dynamics.alpha, dynamics.beta)


def _filter_variance(returns: Floats, news: Floats, alpha: float, beta: float) -> Floats:
    """Conditional variance, [..., n].

    Args:
        returns: Log returns, [..., n].
        news: Their winsorised squares, [..., n].
        alpha: Weight of the news.
        beta: Weight of the variance of the day before.
    """
    from scipy.signal import lfilter

    long_run_variance = np.mean(returns * returns, axis=-1, keepdims=True)
    scaled_news = alpha * long_run_variance / news.mean(axis=-1, keepdims=True) * news
    omega = (1 - alpha - beta) * long_run_variance
    sigma2, _ = lfilter([1], [1, -beta], omega + scaled_news, zi=beta * long_run_variance)
    return np.concatenate([long_run_variance, sigma2[..., :-1]], axis=-1)


def log_density(z2: Floats, nu: float) -> Floats:
    """Log density of a Student-t of variance one, at squared standardised returns."""
    from scipy.special import gammaln

    constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(np.pi * (nu - 2))
    return np.asarray(constant - (nu + 1) / 2 * np.log1p(z2 / (nu - 2)))


def log_likelihood(returns: Floats, news: Floats, dynamics: Dynamics) -> float:
    """Log-likelihood of all returns [..., n] with their news [..., n]."""
    sigma2 = filter_variance(returns, news, dynamics)
    return float((log_density(returns * returns / sigma2, dynamics.nu) - 0.5 * np.log(sigma2)).sum())


def fit_dynamics(returns: Floats, news: Floats) -> Dynamics:
    """Fit by maximum likelihood over all series, [series, n]; raises ValueError for a fit that ignores news."""
    from scipy.optimize import minimize

    square = returns * returns

    def loss(theta: NDArray[Any]) -> float:
        alpha, beta, nu = _parameters(theta)
        sigma2 = _filter_variance(returns, news, alpha, beta)
        return -len(square) * float(np.mean(log_density(square / sigma2, nu) - 0.5 * np.log(sigma2)))

    # To three digits of the parameters: smaller differences are noise.
    result = minimize(loss, START, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6})
    return Dynamics(*_parameters(result.x))


def _parameters(theta: Floats) -> tuple[float, float, float]:
    """Map three unbounded numbers to alpha in (0, 1), beta in (0, 1 - alpha), nu above MIN_NU."""
    alpha = 1 / (1 + float(np.exp(-theta[0])))
    return alpha, (1 - alpha) / (1 + float(np.exp(-theta[1]))), MIN_NU + float(np.exp(theta[2]))


@dataclass(frozen=True)
class Recursion:
    """Forecast of the variance from a window of news, as one constant vector.

    `long_run_variance` and `mean_news` are the pair's own.
    """

    dynamics: Dynamics
    long_run_variance: float
    mean_news: float
    rows: int = WINDOW

    def ahead(self, news: Array) -> Array:
        """Variance of each of the days ahead, [batch, horizon], from news [batch, rows - 1]."""
        xp, n = news.__array_namespace__(), self.rows - 1
        alpha, beta, long_run_variance = self.dynamics.alpha, self.dynamics.beta, self.long_run_variance
        kernel = alpha * long_run_variance / self.mean_news * beta ** np.arange(n - 1, -1, -1.0)
        backcast_weight = beta**n
        constant = (1 - alpha - beta) * long_run_variance * (1 - backcast_weight) / (1 - beta)
        constant = constant + backcast_weight * long_run_variance
        persistence = (alpha + beta) ** np.arange(HORIZON)
        first = matmul(news, kernel) + xp.asarray(constant)
        mean_reversion = long_run_variance * (1 - persistence)
        return first[:, None] * xp.asarray(persistence)[None, :] + xp.asarray(mean_reversion)[None, :]

    @property
    def z(self) -> Floats:
        """Quantiles of the standardised return, [levels]."""
        from scipy.stats import t as student

        nu = self.dynamics.nu
        return np.asarray(student.ppf(LEVELS, nu) * np.sqrt((nu - 2) / nu))

    @property
    def params(self) -> dict[str, float | str]:
        return {**asdict(self.dynamics), "level": self.long_run_variance, "mean_news": self.mean_news}


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
        sigma2 = self.recursion.ahead(winsorise_window(returns * returns))
        return xp.sqrt(xp.cumulative_sum(sigma2, axis=1))

    def for_window(self, rows: int) -> Head:
        return Winsorised(replace(self.recursion, rows=rows))


def fit(history: HeadData) -> Winsorised:
    """Fit on the closes up to the cutoff, and the long-run variance with the help of the majors' panel.

    Raises ValueError for a fit that ignores news, and where the majors are too few.
    """
    returns = history.returns()
    news = winsorise(returns * returns)
    majors = np.stack([pair.returns for pair in panel(history.prices, history.pair, history.source).pairs])
    mean_news = float(np.mean(news))
    long_run_variance = median_square_to_news(majors * majors) * mean_news
    return Winsorised(Recursion(fit_dynamics(returns[None], news[None]), long_run_variance, mean_news))


SPEC = HeadSpec(name="winsorised", fit=fit, reads_panel=True)
