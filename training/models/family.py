"""Model families: a fit of the conditional mean, joined with a volatility head."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from training.conventions import HEADLINE_HORIZONS
from training.models.features import Array, Window, by_blocks
from training.models.heads.base import Head, HeadData
from training.models.heads.registry import find_head
from training.prices.windows import HORIZON, WINDOW, complete_origins, targets, windows

Mean: TypeAlias = Callable[[Window, Array], Array]
"""(window, sd [batch, horizon]) -> mean of the cumulative log return, [batch, horizon]; numpy or traced."""

VALIDATION_SHARE = 0.2  # share of the training rows, the newest, on which the mean of a fit on the others is scored
SHRINKAGE_ERRORS = 1.645  # standard errors: one-sided, 5 %


@dataclass(frozen=True)
class Examples:
    """Training examples of a mean: windows whose whole future lies at or before the cutoff."""

    window: Mapping[str, NDArray[Any]]  # each [n, window]
    target: NDArray[np.float64]  # [n, horizon], cumulative log returns
    sd: NDArray[np.float64]  # [n, horizon], the head's standard deviation of the targets

    def select(self, rows: slice) -> "Examples":
        window = {name: values[rows] for name, values in self.window.items()}
        return Examples(window, self.target[rows], self.sd[rows])


@dataclass(frozen=True)
class Sample:
    """The data that a fit may use. Examples are made on first use, as the random walk needs none."""

    prices: pd.DataFrame  # every row up to the cutoff
    make_examples: Callable[[], Examples]
    seed: int

    @cached_property
    def examples(self) -> Examples:
        return self.make_examples()

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
        """Split into an older sample and the newer examples that begin where its rows end; None if there are too few.

        The older examples' futures end where the newer windows do.
        """
        n = len(self.target)
        newer = round(n * (1 - VALIDATION_SHARE))
        older = newer - HORIZON + 1
        if older < WINDOW // 2:
            return None
        rows = len(self.prices) - HORIZON - n + newer + 1
        examples = self.examples
        sample = Sample(self.prices.iloc[:rows], lambda: examples.select(slice(0, older)), self.seed)
        return sample, examples.select(slice(newer, n))


@dataclass(frozen=True)
class Fitted:
    """A conditional mean and the parameters to log in MLflow."""

    mean: Mean
    params: Mapping[str, float | str]


@dataclass(frozen=True)
class Family:
    """A model family.

    `parity` bounds the relative price error of its export, `batching` that of single windows against a batch.
    """

    name: str  # "linear_regression"
    model_type: str  # "LinearRegression", registered as EURUSD_LinearRegression
    features: tuple[str, ...]
    fit: Callable[[Sample], Fitted]
    head: str = "calendar"  # a name in HEADS
    columns: tuple[str, ...] = ("close",)  # read by its mean; dates may be among them
    random: bool = False  # its fit draws from the seed, so several seeds are worth averaging
    shrunk: bool = False  # its mean is multiplied by a factor from 0 to 1, chosen on rows that its fit did not use
    parity: float = 1e-9
    batching: float = 1e-12
    hindsight: str = ""  # a sentence for its scores, if the days of the backtest influenced its design

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns of the window: those that the mean reads, then those that only the head reads."""
        return tuple(dict.fromkeys((*self.columns, *find_head(self.head).columns)))


@dataclass(frozen=True)
class Model:
    """A fitted family with its head: the forecast that is exported as one graph."""

    family: Family
    fitted: Fitted
    head: Head

    def forecast(self, window: Window) -> dict[str, Array]:
        """Forecast from each [batch, window]: the outputs of the exported graph by name.

        They are `quantiles` [batch, horizon, levels] and `mean` [batch, horizon], prices, and `sd` [batch, horizon], of
        the log return. last * exp(mean + sd * z) with z ascending: the quantiles cannot cross.
        """
        close = window["close"]
        xp = close.__array_namespace__()
        sd = self.head.sd(window)
        mean = self.fitted.mean(window, sd)
        last = close[:, -1]
        log_quantiles = mean[:, :, None] + sd[:, :, None] * xp.asarray(self.head.z)[None, None, :]
        return {
            "quantiles": last[:, None, None] * xp.exp(log_quantiles),
            "mean": last[:, None] * xp.exp(mean),
            "sd": sd,
        }


def fit(family: Family, prices: pd.DataFrame, pair: str = "EURUSD", seed: int = 0, source: str = "ecb") -> Model:
    """Fit a family and its head on all rows of `prices`; raises ValueError when there are too few.

    Args:
        family: The family.
        prices: Every row up to the cutoff.
        pair: Six letters, such as EURUSD.
        seed: From which, with pair, family and cutoff, the seed of this fit is derived.
        source: The source of the prices, which determines the days that follow the last one.
    """
    origins = complete_origins(prices)[:-HORIZON]
    if len(origins) == 0:
        raise ValueError(f"{len(prices)} rows up to the cutoff; a fit needs at least {WINDOW + HORIZON}")

    def make_examples() -> Examples:
        window = windows(prices, family.inputs, origins, source=source)
        return Examples(window, targets(prices, origins), by_blocks(head.sd, window))

    # Sums on two threads round differently, and an optimiser amplifies the difference.
    with threadpool_limits(1):
        head = find_head(family.head).fit(HeadData(prices, pair, source))
        cutoff = pd.Timestamp(prices.index[-1]).date().isoformat()
        sample = Sample(prices, make_examples, derive_seed(seed, pair, family.name, cutoff))
        fitted = family.fit(sample)
        return Model(family, shrink(family, sample, fitted) if family.shrunk else fitted, head)


def shrink(family: Family, sample: Sample, fitted: Fitted) -> Fitted:
    """Multiply the mean of each horizon by a factor from 0, no change, to 1, estimated out of sample.

    A fit on the older rows forecasts the newer ones. The factor is the slope of the newer returns on the forecast
    means, both in standard deviations and through zero (Mincer & Zarnowitz, 1969), less SHRINKAGE_ERRORS standard
    errors of it over blocks of HORIZON origins: a mean that may be chance is set to zero.
    """
    factors = _shrinkage_factors(family, sample)

    def mean(window: Window, sd: Array) -> Array:
        xp = sd.__array_namespace__()
        return fitted.mean(window, sd) * xp.asarray(factors)[None, :]

    logged = {f"shrunk_to_{horizon}": float(factors[horizon - 1]) for horizon in HEADLINE_HORIZONS}
    return replace(fitted, mean=mean, params={**fitted.params, **logged})


def _shrinkage_factors(family: Family, sample: Sample) -> NDArray[np.float64]:
    """Factors by horizon, [horizon]; zero where the rows are too few to estimate them."""
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
    return np.asarray(np.round(np.clip(slope - SHRINKAGE_ERRORS * error, 0.0, 1.0), 3))


def derive_seed(*parts: int | str) -> int:
    """Derive a 32-bit seed from the identity of a fit, so that it does not depend on which fits ran before."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big")
