"""The backtest record of a champion's family: out of sample, and clearly marked as not live.

Its rows have the format of the live record (`lambda_fn.record.scoring`) with the kind `backtest`, at the horizons that
the score table shows. Its summary is part of the pointer.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lambda_fn.record import scoring
from lambda_fn.record.interpolation import probability_below
from lambda_fn.record.official_forecast import BENCHMARKS
from lambda_fn.record.scoring import INTERVALS, Score
from lambda_fn.record.statistics import summarise
from lambda_fn.store.keys import backtest_key
from lambda_fn.store.object_store import Store
from training.conventions import HEADLINE_HORIZONS
from training.evaluation import metrics
from training.evaluation.scores import NO_NEWS
from training.evaluation.walk_forward import Forecasts
from training.models.families import FAMILIES
from training.prices.windows import LEVELS, positions, targets

KIND = "backtest"
DIGITS = 6


def save(
    store: Store,
    pair: str,
    family: str,
    forecasts: Forecasts,
    baselines: Mapping[str, Forecasts],
    prices: pd.DataFrame,
    breakdown: pd.DataFrame,
    scores: pd.DataFrame,
) -> dict[str, Any]:
    """Write `record/<PAIR>-backtest.csv` and return its summary. Raises Unavailable.

    Args:
        store: The store to write to.
        pair: The currency pair.
        family: The family of the champion.
        forecasts: Its walk-forward forecasts.
        baselines: Those of the baselines, by name.
        prices: The prices that were forecast.
        breakdown: The scores by part of the days; the summary has those by kind of scheduled news.
        scores: The score table.
    """
    rows = list(make_scores(family, forecasts, baselines, prices))
    key, data = backtest_key(pair), scoring.to_csv(rows)
    store.update(key, lambda stored: (None if stored == data else data, None))
    return _summarise(family, rows, breakdown, scores)


def summarise_family(
    family: str,
    forecasts: Forecasts,
    baselines: Mapping[str, Forecasts],
    prices: pd.DataFrame,
    breakdown: pd.DataFrame,
    scores: pd.DataFrame,
) -> dict[str, Any]:
    """Return the summary that the pointer of any family has; nothing is written. The arguments are those of `save`."""
    return _summarise(family, list(make_scores(family, forecasts, baselines, prices)), breakdown, scores)


def _summarise(family: str, rows: list[Score], breakdown: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Any]:
    summary = {"family": family, **summarise(rows), "events": _summarise_events(family, breakdown)}
    t = float(scores.loc[(scores["family"] == family) & (scores["horizon"] == 1), "t_garch"].iloc[0])
    if not math.isnan(t):
        summary["t_garch"] = round(t, DIGITS)
    if note := FAMILIES[family].hindsight:
        summary["note"] = note
    return summary


def _summarise_events(family: str, breakdown: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the coverage of the 80 % interval at one day by kind of news, and on days without any."""
    parts = breakdown[(breakdown["family"] == family) & ((breakdown["by"] == "event") | (breakdown["part"] == NO_NEWS))]
    names = {"value": "coverage_80", "low": "coverage_80_low", "high": "coverage_80_high"}
    return [
        {
            "event": str(row["part"]),
            "n": int(row["n"]),
            "coverage": {"80": {name: round(float(row[column]), DIGITS) for name, column in names.items()}},
        }
        for row in parts.sort_values("by", kind="stable").to_dict("records")
    ]


def make_scores(
    family: str, forecasts: Forecasts, baselines: Mapping[str, Forecasts], prices: pd.DataFrame
) -> Iterator[Score]:
    """Yield a row for each origin and each of HEADLINE_HORIZONS (all would be 90,000 rows) whose outcome is known.

    Args:
        family: The family of the champion.
        forecasts: Its walk-forward forecasts.
        baselines: Those of the baselines, by name.
        prices: The prices that were forecast.
    """
    actual = targets(prices, forecasts.origins)
    aligned = {name: baseline.at(forecasts.origins) for name, baseline in baselines.items()}
    losses = metrics.pinball_losses(actual, forecasts.quantiles)
    baseline_losses = {name: metrics.pinball_losses(actual, other.quantiles) for name, other in aligned.items()}
    at, dates = positions(prices, forecasts.origins), [day.date() for day in prices.index]
    close = prices["close"].to_numpy(np.float64)
    columns = [horizon - 1 for horizon in HEADLINE_HORIZONS]
    quantiles = (close[at, None, None] * np.exp(forecasts.quantiles[:, columns])).tolist()
    closes = close.tolist()
    for i, row in enumerate(at.tolist()):
        for horizon, prices_by_level in zip(HEADLINE_HORIZONS, quantiles[i], strict=True):
            h = horizon - 1
            if np.isnan(actual[i, h]):
                continue
            outcome = closes[row + horizon]
            yield Score(
                as_of=dates[row],
                target_date=dates[row + horizon],
                horizon=horizon,
                made_at="",
                generation=0,
                family=family,
                sha256="",
                kind=KIND,
                close=closes[row],
                outcome=outcome,
                pinball=round(float(losses[i, h]), scoring.LOSS_DIGITS),
                benchmarks=tuple(
                    round(float(baseline_losses[name][i, h]), scoring.LOSS_DIGITS) if name in baseline_losses else None
                    for name in BENCHMARKS
                ),
                pit=round(probability_below(LEVELS, prices_by_level, outcome), scoring.PIT_DIGITS),
                inside=tuple(scoring.inside(LEVELS, prices_by_level, level, outcome) for level in INTERVALS),
                note="",
            )
