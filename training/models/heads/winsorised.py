"""The winsorised head: news without its wildest part, with parameters of the pair's own closes alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.models.features import Array, Window, log_return
from training.models.heads.base import Head, Kind, Known
from training.models.heads.news import Recursion, fit_dynamics, winsorise, winsorise_window


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
