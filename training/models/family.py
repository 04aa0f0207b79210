"""What a model family is: a fit of the conditional mean, joined with a volatility head."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from training.models.features import Array, Window
from training.models.heads.head import Head
from training.models.heads.heads import find_head
from training.prices.windows import HORIZON, WINDOW, complete_origins, targets, windows

Mean: TypeAlias = Callable[[Window, Array], Array]
"""(window, sd [batch, horizon]) -> mean of the cumulative log return, [batch, horizon]; numpy or traced."""


@dataclass(frozen=True)
class Sample:
    """All that a fit may learn from: windows whose whole future lies at or before the cutoff."""

    prices: pd.DataFrame  # every row up to the cutoff
    window: Mapping[str, NDArray[np.float64]]  # each [n, window]
    target: NDArray[np.float64]  # [n, horizon], cumulative log returns
    sd: NDArray[np.float64]  # [n, horizon], the head's standard deviation of them
    seed: int


@dataclass(frozen=True)
class Fitted:
    """A conditional mean and what is worth telling of it in MLflow."""

    mean: Mean
    params: Mapping[str, float | str]


@dataclass(frozen=True)
class Family:
    """A model family. `parity` bounds the relative price error of its export, `batching` that of single to batch."""

    name: str  # "linear_regression"
    model_type: str  # "LinearRegression", registered as EURUSD_LinearRegression
    features: tuple[str, ...]
    fit: Callable[[Sample], Fitted]
    head: str = "garch"  # a name in HEADS
    columns: tuple[str, ...] = ("close",)  # that its mean reads; dates may be among them
    random: bool = False  # its fit draws from the seed, so several seeds are worth averaging
    parity: float = 1e-9
    batching: float = 1e-12

    @property
    def inputs(self) -> tuple[str, ...]:
        """The whole window: what the mean reads, then what only the head reads."""
        return tuple(dict.fromkeys((*self.columns, *find_head(self.head).columns)))


@dataclass(frozen=True)
class Model:
    """A fitted family with its head: the forecast that is exported as one graph."""

    family: Family
    fitted: Fitted
    head: Head

    def forecast(self, window: Window) -> tuple[Array, Array]:
        """(quantiles [batch, horizon, levels], mean [batch, horizon]) as prices, from each [batch, window].

        last * exp(mean + sd * z) with z ascending: the quantiles cannot cross.
        """
        close = window["close"]
        xp = close.__array_namespace__()
        sd = self.head.sd(window)
        mean = self.fitted.mean(window, sd)
        last = close[:, -1]
        log_quantiles = mean[:, :, None] + sd[:, :, None] * xp.asarray(self.head.z)[None, None, :]
        return last[:, None, None] * xp.exp(log_quantiles), last[:, None] * xp.exp(mean)


def fit(family: Family, prices: pd.DataFrame, pair: str = "EURUSD", seed: int = 0) -> Model:
    """Fit a family and its head on all rows of `prices`; raises ValueError when there are too few."""
    origins = complete_origins(prices)[:-HORIZON]
    if len(origins) == 0:
        raise ValueError(f"{len(prices)} rows up to the cutoff; a fit needs at least {WINDOW + HORIZON}")
    with threadpool_limits(1):  # sums on two threads round differently, and an optimiser makes much of it
        return _fit(family, prices, origins, pair, seed)


def _fit(family: Family, prices: pd.DataFrame, origins: pd.DatetimeIndex, pair: str, seed: int) -> Model:
    window = windows(prices, family.inputs, origins)
    head = find_head(family.head).fit(prices)
    cutoff = pd.Timestamp(prices.index[-1]).date().isoformat()
    sample = Sample(
        prices=prices,
        window=window,
        target=targets(prices, origins),
        sd=head.sd(window),
        seed=derive_seed(seed, pair, family.name, cutoff),
    )
    return Model(family, family.fit(sample), head)


def derive_seed(*parts: int | str) -> int:
    """A 32-bit seed from what a fit is of, so that it does not depend on which fits ran before."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big")
