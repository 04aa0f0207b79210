"""The score table: metrics of the walk-forward forecasts of families and baselines, on the days that all forecast."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.conventions import TAIL_PERCENTS
from training.evaluation import metrics
from training.evaluation.significance import (
    bootstrap_counts,
    christoffersen,
    compare,
    confidence_set,
    kupiec,
    relative_losses,
    skill_interval,
    spa_p_value,
)
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import HORIZON, LEVELS, positions, targets

SCORED = (1, 2, 3, 4, 5, 21)  # horizons of the score table: the days that families are compared by, and a month
REFERENCE = "ewma"
MINIMUM_ORIGINS = 30  # with fewer forecasts, scores mean nothing


def score(forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], prices: pd.DataFrame) -> pd.DataFrame:
    """Compute the score table: a row per family and horizon of SCORED, baselines last, over the common origins.

    `pinball`, `rmse`, `mae` and the widths are in percent of log return. For each baseline `skill_<baseline>` and
    the Diebold-Mariano p-value of the pinball losses `dm_<baseline>`; `dm_walk` is that of the squared errors of the
    point forecast against no change. `skill_garch_low` and `_high` are the limits of its 90 % block-bootstrap interval,
    `kupiec_1`, `christoffersen_5` and so on the p-values of the tests of the lower tail, at one day.

    Raises ValueError when a family has a baseline's name, or fewer than `MINIMUM_ORIGINS` origins are common to all.
    """
    aligned, origins = align_forecasts(forecasts, baselines)
    actual = targets(prices, origins)
    losses = {name: metrics.pinball_losses(actual, forecast.quantiles) for name, forecast in aligned.items()}
    baseline_losses = {name: losses[name] for name in baselines}
    counts = bootstrap_counts(len(origins))
    tables = [
        _score(name, forecast, actual, losses[name], baseline_losses, counts) for name, forecast in aligned.items()
    ]
    return pd.concat(tables, ignore_index=True)


def compare_families(
    forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], prices: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run the tests that the selection uses in addition to the score table.

    Returns the tests of every ordered pair (`significance.compare`), and by family its p-value in the model confidence
    set of the families, `mcs`, with that of "no family is better than GARCH-t", `spa`.
    """
    aligned, origins = align_forecasts(forecasts, baselines)
    actual = targets(prices, origins)
    losses = {name: metrics.pinball_losses(actual, forecast.quantiles) for name, forecast in aligned.items()}
    means = {name: relative_losses(loss, losses[REFERENCE]) for name, loss in losses.items()}
    families = {name: means[name] for name in forecasts}
    confidence = pd.DataFrame(
        {"mcs": pd.Series(confidence_set(families)), "spa": spa_p_value(families, means["garch"])}
    )
    return compare(losses, REFERENCE), confidence.rename_axis("family").reset_index()


def _score(
    family: str,
    forecast: Forecasts,
    actual: NDArray[np.float64],
    losses: NDArray[np.float64],
    baseline_losses: Mapping[str, NDArray[np.float64]],
    counts: NDArray[np.float64],
) -> pd.DataFrame:
    """The rows of one family.

    Args:
        family: Its name.
        forecast: Its forecasts.
        actual: Log returns, [n, horizon].
        losses: Its pinball losses, [n, horizon].
        baseline_losses: Those of each baseline, [n, horizon].
        counts: The bootstrap draws, [draws, n].
    """
    mean = np.nanmean(losses, axis=0)
    direction = metrics.direction(actual, forecast.mean)
    errors, walk = (metrics.squared_errors(actual, point) for point in (forecast.mean, np.zeros_like(forecast.mean)))
    low, high = skill_interval(losses, baseline_losses["garch"], counts)
    observed = ~np.isnan(actual[:, 0])
    tail_tests = {}  # of the lower tail at one day; NaN beyond, where days overlap
    for percent in TAIL_PERCENTS:
        below = actual[observed, 0] < forecast.quantiles[observed, 0, LEVELS.index(percent / 100)]
        for test in (kupiec, christoffersen):
            tail_tests[f"{test.__name__}_{percent}"] = [test(below, percent / 100), *[np.nan] * (HORIZON - 1)]
    table = pd.DataFrame(
        {
            "family": family,
            "horizon": np.arange(1, HORIZON + 1),
            "n": (~np.isnan(actual)).sum(axis=0),
            "pinball": mean,
            **{
                f"skill_{name}": metrics.skill(mean, np.nanmean(others, axis=0))
                for name, others in baseline_losses.items()
            },
            "rmse": metrics.rmse(actual, forecast.mean),
            "theil_u": metrics.theil_u(actual, forecast.mean),
            "mae": metrics.mae(actual, forecast.mean),
            "direction": direction.share,
            "direction_low": direction.low,
            "direction_high": direction.high,
            "coverage_80": metrics.coverage(actual, forecast.quantiles, 0.80),
            "coverage_95": metrics.coverage(actual, forecast.quantiles, 0.95),
            "width_80": metrics.width(actual, forecast.quantiles, 0.80),
            "width_95": metrics.width(actual, forecast.quantiles, 0.95),
            **{
                f"dm_{name}": metrics.diebold_mariano(losses, others).p_value
                for name, others in baseline_losses.items()
            },
            "dm_walk": metrics.diebold_mariano(errors, walk).p_value,
            "skill_garch_low": low,
            "skill_garch_high": high,
            **tail_tests,
        }
    )
    return table[table["horizon"].isin(SCORED)]


def skill_by_year(
    forecasts: Mapping[str, Forecasts],
    baselines: Mapping[str, Forecasts],
    prices: pd.DataFrame,
    horizon: int = 1,
    against: str = "ewma",
) -> pd.DataFrame:
    """Pinball skill against one baseline, family by year of the day after the origin; raises ValueError like score.

    Args:
        forecasts: The forecasts of the families.
        baselines: Those of the baselines.
        prices: The price table.
        horizon: The horizon to score, in business days.
        against: The name of the baseline.
    """
    aligned, origins = align_forecasts(forecasts, baselines)
    actual = targets(prices, origins)[:, horizon - 1 : horizon]
    year = pd.DatetimeIndex(prices.index)[positions(prices, origins) + 1].year
    losses = {
        name: metrics.pinball_losses(actual, forecast.quantiles[:, horizon - 1 : horizon])[:, 0]
        for name, forecast in aligned.items()
    }
    by_year = pd.DataFrame(losses).groupby(np.asarray(year)).mean()
    skills = 1 - by_year.div(by_year[against], axis=0)
    return skills.T.rename_axis(index="family", columns="year")


def align_forecasts(
    forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts]
) -> tuple[dict[str, Forecasts], pd.DatetimeIndex]:
    """Restrict families and baselines, in this order, to the origins that all of them forecast.

    Raises ValueError when a family has a baseline's name, or fewer than `MINIMUM_ORIGINS` origins are common to all.
    """
    if duplicates := sorted(set(forecasts) & set(baselines)):
        raise ValueError(f"family {duplicates[0]} has the name of a baseline; choose another")
    everyone = {**forecasts, **baselines}
    origins = next(iter(everyone.values())).origins
    for forecast in everyone.values():
        origins = origins.intersection(forecast.origins)
    if len(origins) < MINIMUM_ORIGINS:
        raise ValueError(
            f"only {len(origins)} days were forecast by all of {', '.join(everyone)}; at least {MINIMUM_ORIGINS} "
            "are needed: choose an earlier first year or give more prices"
        )
    return {name: forecast.at(origins) for name, forecast in everyone.items()}, origins
