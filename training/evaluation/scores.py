"""The score table: what the walk-forward forecasts of families and baselines were worth, on the days all forecast."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.evaluation import metrics
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import HORIZON, positions, targets

MINIMUM_ORIGINS = 30  # fewer forecasts than this say nothing about a family


def score(forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], prices: pd.DataFrame) -> pd.DataFrame:
    """The score table, one row a family and horizon, baselines last; only origins that all have forecast are scored.

    `pinball`, `rmse`, `mae` and the widths are in percent of log return. For each baseline `skill_<baseline>` and
    the Diebold-Mariano p-value of the pinball losses `dm_<baseline>`; `dm_walk` is that of the squared errors of the
    point forecast against no change. Raises ValueError when a family has a baseline's name or when fewer than
    `MINIMUM_ORIGINS` origins are common to all.
    """
    everyone, origins = _common(forecasts, baselines)
    actual = targets(prices, origins)
    losses = {name: metrics.pinball_losses(actual, own.quantiles) for name, own in everyone.items()}
    against = {name: losses[name] for name in baselines}
    tables = [_score(name, own, actual, losses[name], against) for name, own in everyone.items()]
    return pd.concat(tables, ignore_index=True)


def _score(
    family: str,
    own: Forecasts,
    actual: NDArray[np.float64],
    losses: NDArray[np.float64],
    against: Mapping[str, NDArray[np.float64]],
) -> pd.DataFrame:
    mean = np.nanmean(losses, axis=0)
    direction = metrics.direction(actual, own.mean)
    errors, walk = (metrics.squared_errors(actual, point) for point in (own.mean, np.zeros_like(own.mean)))
    return pd.DataFrame(
        {
            "family": family,
            "horizon": np.arange(1, HORIZON + 1),
            "n": (~np.isnan(actual)).sum(axis=0),
            "pinball": mean,
            **{f"skill_{name}": metrics.skill(mean, np.nanmean(it, axis=0)) for name, it in against.items()},
            "rmse": metrics.rmse(actual, own.mean),
            "theil_u": metrics.theil_u(actual, own.mean),
            "mae": metrics.mae(actual, own.mean),
            "direction": direction.share,
            "direction_low": direction.low,
            "direction_high": direction.high,
            "coverage_80": metrics.coverage(actual, own.quantiles, 0.80),
            "coverage_95": metrics.coverage(actual, own.quantiles, 0.95),
            "width_80": metrics.width(actual, own.quantiles, 0.80),
            "width_95": metrics.width(actual, own.quantiles, 0.95),
            **{f"dm_{name}": metrics.diebold_mariano(losses, it).p_value for name, it in against.items()},
            "dm_walk": metrics.diebold_mariano(errors, walk).p_value,
        }
    )


def skill_by_year(
    forecasts: Mapping[str, Forecasts],
    baselines: Mapping[str, Forecasts],
    prices: pd.DataFrame,
    horizon: int = 1,
    against: str = "ewma",
) -> pd.DataFrame:
    """Pinball skill against one baseline, family by year of the day after the origin; raises ValueError like score."""
    everyone, origins = _common(forecasts, baselines)
    actual = targets(prices, origins)[:, horizon - 1 : horizon]
    year = pd.DatetimeIndex(prices.index)[positions(prices, origins) + 1].year
    losses = {
        name: metrics.pinball_losses(actual, own.quantiles[:, horizon - 1 : horizon])[:, 0]
        for name, own in everyone.items()
    }
    by_year = pd.DataFrame(losses).groupby(np.asarray(year)).mean()
    skills = 1 - by_year.div(by_year[against], axis=0)
    return skills.T.rename_axis(index="family", columns="year")


def _common(
    forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts]
) -> tuple[dict[str, Forecasts], pd.DatetimeIndex]:
    taken = sorted(set(forecasts) & set(baselines))
    if taken:
        raise ValueError(f"family {taken[0]} has the name of a baseline; choose another")
    everyone = {**forecasts, **baselines}
    origins = next(iter(everyone.values())).origins
    for own in everyone.values():
        origins = origins.intersection(own.origins)
    if len(origins) < MINIMUM_ORIGINS:
        raise ValueError(
            f"only {len(origins)} days were forecast by all of {', '.join(everyone)}; at least {MINIMUM_ORIGINS} "
            "are needed: choose an earlier first year or give more prices"
        )
    return {name: own.at(origins) for name, own in everyone.items()}, origins
