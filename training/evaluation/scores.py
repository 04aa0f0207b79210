"""The score table: what the walk-forward forecasts of families and baselines were worth, on the days all forecast."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.evaluation import metrics
from training.evaluation.significance import (
    christoffersen,
    compare,
    confidence_set,
    draws,
    kupiec,
    relative_losses,
    skill_interval,
    superior,
)
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import HORIZON, LEVELS, positions, targets

SCORED = (1, 2, 3, 4, 5, 21)  # horizons of the score table: the days that families are judged by, and a month
TAILS = (1, 5)  # percent
REFERENCE = "ewma"
MINIMUM_ORIGINS = 30  # fewer forecasts than this say nothing about a family


def score(forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], prices: pd.DataFrame) -> pd.DataFrame:
    """The score table, a row a family and horizon of SCORED, baselines last; of the origins that all have forecast.

    `pinball`, `rmse`, `mae` and the widths are in percent of log return. For each baseline `skill_<baseline>` and
    the Diebold-Mariano p-value of the pinball losses `dm_<baseline>`; `dm_walk` is that of the squared errors of the
    point forecast against no change. `skill_garch_low` and `_high` are the limits of its 90 % block-bootstrap interval,
    `kupiec_1`, `christoffersen_5` and so on the p-values of the tests of the lower tail, at one day.

    Raises ValueError when a family has a baseline's name, or fewer than `MINIMUM_ORIGINS` origins are common to all.
    """
    everyone, origins = common(forecasts, baselines)
    actual = targets(prices, origins)
    losses = {name: metrics.pinball_losses(actual, own.quantiles) for name, own in everyone.items()}
    against = {name: losses[name] for name in baselines}
    counts = draws(len(origins))
    tables = [_score(name, own, actual, losses[name], against, counts) for name, own in everyone.items()]
    return pd.concat(tables, ignore_index=True)


def judge(
    forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], prices: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the choice rests on beside the score table: every pair's tests (`comparison.compare`), and by family its
    p-value in the model confidence set of the families, with that of "no family is better than GARCH-t" in `spa`."""
    everyone, origins = common(forecasts, baselines)
    actual = targets(prices, origins)
    losses = {name: metrics.pinball_losses(actual, own.quantiles) for name, own in everyone.items()}
    means = {name: relative_losses(own, losses[REFERENCE]) for name, own in losses.items()}
    families = {name: means[name] for name in forecasts}
    confidence = pd.DataFrame({"mcs": pd.Series(confidence_set(families)), "spa": superior(families, means["garch"])})
    return compare(losses, REFERENCE), confidence.rename_axis("family").reset_index()


def _score(
    family: str,
    own: Forecasts,
    actual: NDArray[np.float64],
    losses: NDArray[np.float64],
    against: Mapping[str, NDArray[np.float64]],
    counts: NDArray[np.float64],
) -> pd.DataFrame:
    mean = np.nanmean(losses, axis=0)
    direction = metrics.direction(actual, own.mean)
    errors, walk = (metrics.squared_errors(actual, point) for point in (own.mean, np.zeros_like(own.mean)))
    low, high = skill_interval(losses, against["garch"], counts)
    table = pd.DataFrame(
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
            "skill_garch_low": low,
            "skill_garch_high": high,
            **_tails(actual, own.quantiles),
        }
    )
    return table[table["horizon"].isin(SCORED)]


def _tails(actual: NDArray[np.float64], quantiles: NDArray[np.float64]) -> dict[str, list[float]]:
    """Kupiec's and Christoffersen's p-values of the lower tail at one day; beyond, days overlap."""
    known = ~np.isnan(actual[:, 0])
    found = {}
    for percent in TAILS:
        below = actual[known, 0] < quantiles[known, 0, LEVELS.index(percent / 100)]
        for test in (kupiec, christoffersen):
            found[f"{test.__name__}_{percent}"] = [test(below, percent / 100), *[np.nan] * (HORIZON - 1)]
    return found


def skill_by_year(
    forecasts: Mapping[str, Forecasts],
    baselines: Mapping[str, Forecasts],
    prices: pd.DataFrame,
    horizon: int = 1,
    against: str = "ewma",
) -> pd.DataFrame:
    """Pinball skill against one baseline, family by year of the day after the origin; raises ValueError like score."""
    everyone, origins = common(forecasts, baselines)
    actual = targets(prices, origins)[:, horizon - 1 : horizon]
    year = pd.DatetimeIndex(prices.index)[positions(prices, origins) + 1].year
    losses = {
        name: metrics.pinball_losses(actual, own.quantiles[:, horizon - 1 : horizon])[:, 0]
        for name, own in everyone.items()
    }
    by_year = pd.DataFrame(losses).groupby(np.asarray(year)).mean()
    skills = 1 - by_year.div(by_year[against], axis=0)
    return skills.T.rename_axis(index="family", columns="year")


def common(
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
