"""Scores by quantile level, by year, by volatility regime, and on days with and without news."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.conventions import HEADLINE_HORIZONS
from training.evaluation import metrics
from training.evaluation.scores import align_forecasts
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import LEVELS, positions, targets

BENCHMARK = "garch"
REGIMES = ("calm", "usual", "wild")  # terciles of the benchmark's standard deviation, known before the day


def reliability(
    forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], prices: pd.DataFrame
) -> pd.DataFrame:
    """Share of returns below each quantile, which should be its level; a row per family, horizon and level."""
    aligned, origins = align_forecasts(forecasts, baselines)
    actual = targets(prices, origins)
    rows = []
    for name, forecast in aligned.items():
        for horizon in HEADLINE_HORIZONS:
            observed = ~np.isnan(actual[:, horizon - 1])
            below = (actual[observed, horizon - 1, None] < forecast.quantiles[observed, horizon - 1]).mean(axis=0)
            rows += [
                {"family": name, "horizon": horizon, "level": level, "share": float(share), "n": int(observed.sum())}
                for level, share in zip(LEVELS, below, strict=True)
            ]
    return pd.DataFrame(rows)


def pit(actual: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability integral transform of returns [n] under quantiles [n, levels]: uniform where they are right.

    Dawid (1984), doi:10.2307/2981683. Between levels it is linear; beyond the outermost level it is the middle of the
    remaining probability.
    """
    low, high = LEVELS[0] / 2, (1 + LEVELS[-1]) / 2
    transform = np.empty(len(actual))
    for i, (value, row) in enumerate(zip(actual, quantiles, strict=True)):
        if value < row[0] or value > row[-1]:
            transform[i] = low if value < row[0] else high
        else:
            transform[i] = np.interp(value, row, LEVELS)
    return transform


def breakdown(
    forecasts: Mapping[str, Forecasts],
    baselines: Mapping[str, Forecasts],
    prices: pd.DataFrame,
    event_days: NDArray[np.bool_],
) -> pd.DataFrame:
    """Skill against the benchmark, coverage, mean width and number of days, at one day; a row per family and part.

    Parts are each year, each of REGIMES, and days with scheduled news and without.

    Args:
        forecasts: The forecasts of the families.
        baselines: Those of the baselines.
        prices: The price table.
        event_days: Whether scheduled news falls on the return between each two rows of `prices`, [rows - 1].
    """
    aligned, origins = align_forecasts(forecasts, baselines)
    rows = positions(prices, origins)
    actual = targets(prices, origins)[:, :1]
    first = {name: forecast.quantiles[:, :1] for name, forecast in aligned.items()}
    width = first[BENCHMARK][:, 0, LEVELS.index(0.9)] - first[BENCHMARK][:, 0, LEVELS.index(0.1)]
    regime = np.searchsorted(np.quantile(width, [1 / 3, 2 / 3]), width)
    years, news = np.asarray(pd.DatetimeIndex(prices.index)[rows + 1].year), event_days[rows]
    parts = [  # kind, name, mask [n]
        *(("year", str(year), years == year) for year in np.unique(years)),
        *(("regime", name, regime == i) for i, name in enumerate(REGIMES)),
        ("news", "scheduled", news),
        ("news", "none", ~news),
    ]
    losses = {name: metrics.pinball_losses(actual, quantiles)[:, 0] for name, quantiles in first.items()}
    return pd.DataFrame(
        [
            {
                "family": name,
                "by": by,
                "part": part,
                "n": int(mask.sum()),
                "skill_garch": 1 - losses[name][mask].mean() / losses[BENCHMARK][mask].mean(),
                "coverage_80": metrics.coverage(actual[mask], first[name][mask], 0.80)[0],
                "coverage_95": metrics.coverage(actual[mask], first[name][mask], 0.95)[0],
                "width_80": metrics.width(actual[mask], first[name][mask], 0.80)[0],
            }
            for name in aligned
            for by, part, mask in parts
            if mask.any()
        ]
    )
