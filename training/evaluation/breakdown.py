"""Where a forecast is good and where it is not: by level, by year, by regime of volatility, on days with news."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.evaluation import metrics
from training.evaluation.scores import common
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import LEVELS, positions, targets

BENCHMARK = "garch"
REGIMES = ("calm", "usual", "wild")  # terciles of the benchmark's standard deviation, known before the day
SHOWN = (1, 5, 21)  # horizons of the reliability table


def reliability(
    forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], prices: pd.DataFrame
) -> pd.DataFrame:
    """By family, horizon and level: the share of returns below the quantile, which should be the level."""
    everyone, origins = common(forecasts, baselines)
    actual = targets(prices, origins)
    rows = []
    for name, own in everyone.items():
        for horizon in SHOWN:
            known = ~np.isnan(actual[:, horizon - 1])
            below = (actual[known, horizon - 1, None] < own.quantiles[known, horizon - 1]).mean(axis=0)
            rows += [
                {"family": name, "horizon": horizon, "level": level, "share": float(share), "n": int(known.sum())}
                for level, share in zip(LEVELS, below, strict=True)
            ]
    return pd.DataFrame(rows)


def pit(actual: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability integral transform of returns [n] under quantiles [n, levels]: uniform where they are right.

    Dawid (1984), doi:10.2307/2981683. Between levels it is linear; outside them it is the middle of what is left.
    """
    edges = np.array([LEVELS[0] / 2, *LEVELS, (1 + LEVELS[-1]) / 2])
    found = np.empty(len(actual))
    for i, (value, own) in enumerate(zip(actual, quantiles, strict=True)):
        if value < own[0] or value > own[-1]:
            found[i] = edges[0] if value < own[0] else edges[-1]
        else:
            found[i] = np.interp(value, own, LEVELS)
    return found


def breakdown(
    forecasts: Mapping[str, Forecasts],
    baselines: Mapping[str, Forecasts],
    prices: pd.DataFrame,
    event_days: NDArray[np.bool_],
) -> pd.DataFrame:
    """At one day, by family and part: skill against the benchmark, coverage, the mean width and the number of days.

    Parts are each year, each of REGIMES, and days with scheduled news and without. `event_days` has a bool for each
    return between two rows of `prices`.
    """
    everyone, origins = common(forecasts, baselines)
    rows = positions(prices, origins)
    actual = targets(prices, origins)[:, :1]
    parts = _parts(everyone[BENCHMARK], pd.DatetimeIndex(prices.index)[rows + 1], event_days[rows])
    first = {name: own.quantiles[:, :1] for name, own in everyone.items()}
    losses = {name: metrics.pinball_losses(actual, own)[:, 0] for name, own in first.items()}
    return pd.DataFrame(
        [
            {
                "family": name,
                "by": by,
                "part": part,
                "n": int(chosen.sum()),
                "skill_garch": 1 - losses[name][chosen].mean() / losses[BENCHMARK][chosen].mean(),
                "coverage_80": metrics.coverage(actual[chosen], first[name][chosen], 0.80)[0],
                "coverage_95": metrics.coverage(actual[chosen], first[name][chosen], 0.95)[0],
                "width_80": metrics.width(actual[chosen], first[name][chosen], 0.80)[0],
            }
            for name in everyone
            for by, part, chosen in parts
            if chosen.any()
        ]
    )


def _parts(
    benchmark: Forecasts, days: pd.DatetimeIndex, news: NDArray[np.bool_]
) -> list[tuple[str, str, NDArray[np.bool_]]]:
    width = benchmark.quantiles[:, 0, LEVELS.index(0.9)] - benchmark.quantiles[:, 0, LEVELS.index(0.1)]
    regime = np.searchsorted(np.quantile(width, [1 / 3, 2 / 3]), width)
    years = np.asarray(days.year)
    return [
        *(("year", str(year), years == year) for year in np.unique(years)),
        *(("regime", name, regime == i) for i, name in enumerate(REGIMES)),
        ("news", "scheduled", news),
        ("news", "none", ~news),
    ]
