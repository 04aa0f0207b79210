"""Walk-forward evaluation: every refit is exported, and its bytes forecast only the year that follows.

A unit of work is one family at one cutoff: units share nothing, so they may run in any order or at the same time
(`training.runs.jobs` distributes them), and `backtest` concatenates a family's years.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.champion.base import BaseChampion
from lambda_fn.champion.runtime import Champion
from training.prices.windows import HORIZON, LEVELS, WINDOW, positions, windows

FIRST_YEAR = 2010
MINIMUM_TRAIN = WINDOW + 250  # rows before the first cutoff: a whole window, and a year of targets to fit on

Fit: TypeAlias = Callable[[pd.DataFrame], bytes]  # rows up to the cutoff -> the exported champion
Progress: TypeAlias = Callable[[pd.Timestamp], None]


@dataclass(frozen=True)
class Split:
    """One refit: `train` has every row up to the cutoff, `test` the origins that it forecasts, the cutoff first."""

    cutoff: pd.Timestamp
    train: pd.DataFrame
    test: pd.DatetimeIndex


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of log returns since each origin's close; raises ValueError when the shapes disagree."""

    origins: pd.DatetimeIndex  # [n], ascending
    quantiles: NDArray[np.float64]  # [n, horizon, levels]
    mean: NDArray[np.float64]  # [n, horizon]

    def __post_init__(self) -> None:
        expected = (len(self.origins), HORIZON, len(LEVELS))
        if self.quantiles.shape != expected or self.mean.shape != expected[:2]:
            raise ValueError(
                f"forecasts: quantiles {self.quantiles.shape} and mean {self.mean.shape} are not {expected} "
                f"and {expected[:2]} (origins, horizon, levels)"
            )

    def at(self, origins: pd.DatetimeIndex) -> "Forecasts":
        """Select the forecasts of these origins; raises ValueError when one is absent."""
        rows = self.origins.get_indexer(origins)
        if (rows < 0).any():
            raise ValueError(f"there is no forecast on {origins[int(np.argmin(rows))].date()}")
        return Forecasts(origins, self.quantiles[rows], self.mean[rows])


def walk_forward(prices: pd.DataFrame, first_year: int = FIRST_YEAR) -> Iterator[Split]:
    """Yield yearly refits on an expanding window, the cutoff being the last row before 1 January.

    An origin is tested once, by the newest refit it could have used: from the cutoff's row up to the row before the
    next cutoff, as far as the next close is known. Years with fewer than `MINIMUM_TRAIN` rows before them are left
    out; raises ValueError when none is left.
    """
    dates = pd.DatetimeIndex(prices.index)
    years = range(first_year, dates[-1].year + 1) if len(dates) else range(0)
    cutoffs = [int(dates.searchsorted(pd.Timestamp(year, 1, 1))) - 1 for year in years]
    cutoffs = [row for row in cutoffs if row + 1 >= MINIMUM_TRAIN]
    if not cutoffs:
        raise ValueError(
            f"prices: {len(dates)} rows are too few to test any year from {first_year}; a year needs at least "
            f"{MINIMUM_TRAIN} rows before its 1 January: give earlier prices or a later first year"
        )
    for row, end in zip(cutoffs, [*cutoffs[1:], len(dates) - 1], strict=True):
        if row < end:
            yield Split(dates[row], prices.iloc[: row + 1], dates[row:end])


def forecast_year(fit: Fit, prices: pd.DataFrame, split: Split) -> Forecasts:
    """Fit on the split's rows up to the cutoff, then forecast its test origins with the exported bytes."""
    return forecast_origins(Champion.load(fit(split.train)), prices, split.test)


def forecast_origins(champion: Champion, prices: pd.DataFrame, origins: pd.DatetimeIndex) -> Forecasts:
    """Forecast with a champion as it would have been served, in one batch.

    Raises ValueError when it forecasts other horizons or levels than those scored here.
    """
    metadata = champion.metadata
    if metadata.horizon != HORIZON or tuple(metadata.levels) != LEVELS:
        raise ValueError(
            f"{metadata.family} forecasts {metadata.horizon} days at the levels {tuple(metadata.levels)}; "
            f"only {HORIZON} days at the levels {LEVELS} can be compared: export the family with these"
        )
    forecast = champion.forecast(origin_inputs(champion, prices, origins))
    close = prices["close"].to_numpy(np.float64)[positions(prices, origins)]
    return Forecasts(
        origins,
        np.log(forecast.quantiles / close[:, None, None]),
        np.log(forecast.mean / close[:, None]),
    )


def origin_inputs(champion: BaseChampion, prices: pd.DataFrame, origins: pd.DatetimeIndex) -> dict[str, NDArray[Any]]:
    """Return the inputs that a champion declares, by name, for a batch of origins."""
    metadata = champion.metadata
    return windows(prices, champion.inputs, origins, metadata.window, metadata.prices, metadata.horizon)


def concatenate(parts: Sequence[Forecasts]) -> Forecasts:
    """Concatenate a family's years in the order of their origins."""
    ordered = sorted(parts, key=lambda part: part.origins[0])
    return Forecasts(
        pd.DatetimeIndex(np.concatenate([part.origins.to_numpy() for part in ordered])),
        np.concatenate([part.quantiles for part in ordered]),
        np.concatenate([part.mean for part in ordered]),
    )


def backtest(
    fit: Fit, prices: pd.DataFrame, first_year: int = FIRST_YEAR, on_year: Progress = lambda cutoff: None
) -> Forecasts:
    """Backtest one family through all years.

    Args:
        fit: Fits on rows up to a cutoff and returns the exported champion.
        prices: The price table.
        first_year: The first year to forecast.
        on_year: Called with each cutoff when its year is forecast.
    """
    parts = []
    for split in walk_forward(prices, first_year):
        parts.append(forecast_year(fit, prices, split))
        on_year(split.cutoff)
    return concatenate(parts)
