"""The scores of families and baselines in the backtest, on the days that all forecast.

The score table has metrics and tests by horizon. The breakdown has the scores of one day ahead by year, by volatility
regime, and on days with and without news; the reliability is the share of returns below each quantile.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.record.statistics import estimate_coverage
from training.conventions import HEADLINE_HORIZONS, TAIL_PERCENTS
from training.evaluation import metrics
from training.evaluation.significance import (
    bootstrap_counts,
    christoffersen,
    compare,
    confidence_set,
    diebold_mariano_statistic,
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
BENCHMARK = "garch"  # of the breakdown
NO_NEWS = "none"
REGIMES = ("calm", "usual", "wild")  # terciles of the benchmark's standard deviation, known before the day


def score(forecasts: Mapping[str, Forecasts], baselines: Mapping[str, Forecasts], prices: pd.DataFrame) -> pd.DataFrame:
    """Compute the score table: a row per family and horizon of SCORED, baselines last, over the common origins.

    `pinball`, `rmse`, `mae` and the widths are in percent of log return. For each baseline `skill_<baseline>` and
    the Diebold-Mariano p-value of the pinball losses `dm_<baseline>`; `dm_walk` is that of the squared errors of the
    point forecast against no change. `skill_garch_low` and `_high` are the limits of its 90 % block-bootstrap interval,
    `t_garch` is the t of its loss against GARCH-t's with a Newey-West variance, positive where the family is better.
    `kupiec_1`, `christoffersen_5` and so on are the p-values of the tests of the lower tail, at one day.

    Raises ValueError when a family has a baseline's name, or fewer than `MINIMUM_ORIGINS` origins are common to all.
    """
    aligned, origins = align_forecasts(forecasts, baselines)
    actual = targets(prices, origins)
    losses = {name: metrics.pinball_losses(actual, forecast.quantiles) for name, forecast in aligned.items()}
    baseline_losses = {name: losses[name] for name in baselines}
    counts = bootstrap_counts(len(origins))
    tables = []
    for family, forecast in aligned.items():
        mean = np.nanmean(losses[family], axis=0)
        direction = metrics.direction(actual, forecast.mean)
        errors, walk = (
            metrics.squared_errors(actual, point) for point in (forecast.mean, np.zeros_like(forecast.mean))
        )
        low, high = skill_interval(losses[family], baseline_losses["garch"], counts)
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
                    f"dm_{name}": metrics.diebold_mariano(losses[family], others).p_value
                    for name, others in baseline_losses.items()
                },
                "dm_walk": metrics.diebold_mariano(errors, walk).p_value,
                "t_garch": [
                    -diebold_mariano_statistic(losses[family][:, h], baseline_losses[BENCHMARK][:, h], h + 1)
                    for h in range(HORIZON)
                ],
                "skill_garch_low": low,
                "skill_garch_high": high,
                **tail_tests,
            }
        )
        tables.append(table[table["horizon"].isin(SCORED)])
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
    events: Mapping[str, NDArray[np.bool_]],
) -> pd.DataFrame:
    """Skill against the benchmark, coverage, mean width and number of days, at one day; a row per family and part.

    Parts are each year, each of REGIMES, days with scheduled news and without, and the days of each kind of news,
    which may overlap. `coverage_80_low` and `_high` are the limits of Wilson's 95 % interval of `coverage_80`.

    Args:
        forecasts: The forecasts of the families.
        baselines: Those of the baselines.
        prices: The price table.
        events: By kind, whether its news falls on the return between each two rows of `prices`, [rows - 1].
    """
    aligned, origins = align_forecasts(forecasts, baselines)
    rows = positions(prices, origins)
    actual = targets(prices, origins)[:, :1]
    first = {name: forecast.quantiles[:, :1] for name, forecast in aligned.items()}
    width = first[BENCHMARK][:, 0, LEVELS.index(0.9)] - first[BENCHMARK][:, 0, LEVELS.index(0.1)]
    regime = np.searchsorted(np.quantile(width, [1 / 3, 2 / 3]), width)
    years = np.asarray(pd.DatetimeIndex(prices.index)[rows + 1].year)
    kinds = {kind: mask[rows] for kind, mask in events.items()}
    news = np.any(list(kinds.values()), axis=0)
    parts = [  # kind, name, mask [n]
        *(("year", str(year), years == year) for year in np.unique(years)),
        *(("regime", name, regime == i) for i, name in enumerate(REGIMES)),
        ("news", "scheduled", news),
        ("news", NO_NEWS, ~news),
        *(("event", kind, mask) for kind, mask in kinds.items()),
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
                **_coverage(actual[mask], first[name][mask]),
                "width_80": metrics.width(actual[mask], first[name][mask], 0.80)[0],
            }
            for name in aligned
            for by, part, mask in parts
            if mask.any()
        ]
    )


def _coverage(actual: NDArray[np.float64], quantiles: NDArray[np.float64]) -> dict[str, float | None]:
    """Coverage of the 80 and 95 % intervals at one day, and the interval of the former.

    Args:
        actual: Log returns, [n, 1].
        quantiles: Their forecast quantiles, [n, 1, levels].
    """
    shares = {level: float(metrics.coverage(actual, quantiles, level)[0]) for level in (0.80, 0.95)}
    n = len(actual)
    covered = round(shares[0.80] * n)
    interval = estimate_coverage([1.0] * covered + [0.0] * (n - covered), 1, n)
    return {
        "coverage_80": shares[0.80],
        "coverage_80_low": interval["low"],
        "coverage_80_high": interval["high"],
        "coverage_95": shares[0.95],
    }
