"""What a model family is: a fit of the conditional mean, joined with a volatility head."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from training.models.features import Array, Window
from training.models.heads.base import Head, Known
from training.models.heads.registry import find_head
from training.prices.windows import HORIZON, WINDOW, complete_origins, targets, windows

Mean: TypeAlias = Callable[[Window, Array], Array]
"""(window, sd [batch, horizon]) -> mean of the cumulative log return, [batch, horizon]; numpy or traced."""

HELD_OUT = 0.2  # share of the training rows, the newest, on which the mean of a fit on the others is tried
SURE = 1.645  # standard errors: one-sided, 5 %
TOLD = (1, 5, 21)  # horizons whose factor is told


@dataclass(frozen=True)
class Examples:
    """What a mean learns from: windows whose whole future lies at or before the cutoff."""

    window: Mapping[str, NDArray[Any]]  # each [n, window]
    target: NDArray[np.float64]  # [n, horizon], cumulative log returns
    sd: NDArray[np.float64]  # [n, horizon], the head's standard deviation of them

    def part(self, rows: slice) -> "Examples":
        window = {name: values[rows] for name, values in self.window.items()}
        return Examples(window, self.target[rows], self.sd[rows])


@dataclass(frozen=True)
class Sample:
    """All that a fit may learn from. Its examples are made when they are first asked for: a walk needs none."""

    prices: pd.DataFrame  # every row up to the cutoff
    make: Callable[[], Examples]
    seed: int

    @cached_property
    def examples(self) -> Examples:
        return self.make()

    @property
    def window(self) -> Mapping[str, NDArray[Any]]:
        return self.examples.window

    @property
    def target(self) -> NDArray[np.float64]:
        return self.examples.target

    @property
    def sd(self) -> NDArray[np.float64]:
        return self.examples.sd

    def split(self) -> tuple["Sample", Examples] | None:
        """An older sample, and the newer examples that begin where its rows end; None where there are too few."""
        n = len(self.target)
        newer = round(n * (1 - HELD_OUT))
        older = newer - HORIZON + 1  # whose futures end where the newer windows do
        if older < WINDOW // 2:
            return None
        rows = len(self.prices) - HORIZON - n + newer + 1
        known = self.examples
        sample = Sample(self.prices.iloc[:rows], lambda: known.part(slice(0, older)), self.seed)
        return sample, known.part(slice(newer, n))


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
    head: str = "calendar"  # a name in HEADS
    columns: tuple[str, ...] = ("close",)  # that its mean reads; dates may be among them
    random: bool = False  # its fit draws from the seed, so several seeds are worth averaging
    shrunk: bool = False  # its mean is multiplied by a factor from 0 to 1, chosen on rows that its fit did not see
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


def fit(family: Family, prices: pd.DataFrame, pair: str = "EURUSD", seed: int = 0, source: str = "ecb") -> Model:
    """Fit a family and its head on all rows of `prices`; raises ValueError when there are too few."""
    origins = complete_origins(prices)[:-HORIZON]
    if len(origins) == 0:
        raise ValueError(f"{len(prices)} rows up to the cutoff; a fit needs at least {WINDOW + HORIZON}")
    with threadpool_limits(1):  # sums on two threads round differently, and an optimiser makes much of it
        return _fit(family, Known(prices, pair, source), origins, seed)


def _fit(family: Family, known: Known, origins: pd.DatetimeIndex, seed: int) -> Model:
    head = find_head(family.head).fit(known)

    def examples() -> Examples:
        window = windows(known.prices, family.inputs, origins, source=known.source)
        return Examples(window, targets(known.prices, origins), head.sd(window))

    cutoff = pd.Timestamp(known.prices.index[-1]).date().isoformat()
    sample = Sample(known.prices, examples, derive_seed(seed, known.pair, family.name, cutoff))
    fitted = family.fit(sample)
    return Model(family, shrink(family, sample, fitted) if family.shrunk else fitted, head)


def shrink(family: Family, sample: Sample, fitted: Fitted) -> Fitted:
    """The mean of each horizon times a factor from 0, no change, to 1: what a fit on the older rows was worth on the
    newer ones.

    The factor is the slope of the newer returns on the forecast means, both in standard deviations and through zero
    (Mincer & Zarnowitz, 1969), less SURE standard errors of it over blocks of HORIZON origins: a mean that chance could
    have made is none.
    """
    factors = _factors(family, sample)

    def mean(window: Window, sd: Array) -> Array:
        xp = sd.__array_namespace__()
        return fitted.mean(window, sd) * xp.asarray(factors)[None, :]

    told = {f"shrunk_to_{horizon}": float(factors[horizon - 1]) for horizon in TOLD}
    return replace(fitted, mean=mean, params={**fitted.params, **told})


def _factors(family: Family, sample: Sample) -> NDArray[np.float64]:
    """By horizon; zero where the rows are too few to try."""
    if (split := sample.split()) is None:
        return np.zeros(HORIZON)
    older, newer = split
    forecast = family.fit(older).mean(newer.window, newer.sd) / newer.sd
    actual = newer.target / newer.sd
    square = (forecast**2).sum(axis=0)
    if not (square > 0).all():  # it forecasts no change
        return np.zeros(HORIZON)
    slope = (forecast * actual).sum(axis=0) / square
    blocks = np.add.reduceat(forecast * (actual - slope * forecast), np.arange(0, len(actual), HORIZON), axis=0)
    error = np.sqrt((blocks**2).sum(axis=0)) / square
    return np.asarray(np.round(np.clip(slope - SURE * error, 0.0, 1.0), 3))


def derive_seed(*parts: int | str) -> int:
    """A 32-bit seed from what a fit is of, so that it does not depend on which fits ran before."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big")
