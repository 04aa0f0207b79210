"""The backtest record of a champion's family: out of sample, and clearly marked as not live.

Its rows have the format of the live record (`lambda_fn.record.scoring`) with the kind `backtest`, at the horizons that
the score table shows. Its summary is part of the pointer.
"""

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
from lambda_fn.store.object_store import Missing, Store, Unavailable
from training.conventions import HEADLINE_HORIZONS
from training.evaluation import metrics
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import LEVELS, positions, targets

KIND = "backtest"
ATTEMPTS = 5


def save(
    store: Store,
    pair: str,
    family: str,
    forecasts: Forecasts,
    baselines: Mapping[str, Forecasts],
    prices: pd.DataFrame,
) -> dict[str, Any]:
    """Write `record/<PAIR>-backtest.csv` and return its summary. Raises Unavailable.

    Args:
        store: The store to write to.
        pair: The currency pair.
        family: The family of the champion.
        forecasts: Its walk-forward forecasts.
        baselines: Those of the baselines, by name.
        prices: The prices that were forecast.
    """
    scores = list(make_scores(family, forecasts, baselines, prices))
    key, data = backtest_key(pair), scoring.to_csv(scores)
    for _ in range(ATTEMPTS):
        try:
            blob = store.read(key)
            same, etag = blob.data == data, blob.etag
        except Missing:
            same, etag = False, None
        if same or store.replace(key, data, etag):
            return _summarise(family, scores)
    raise Unavailable(f"{store.describe()}: {key} was changed by others {ATTEMPTS} times; publish again")


def summarise_family(
    family: str, forecasts: Forecasts, baselines: Mapping[str, Forecasts], prices: pd.DataFrame
) -> dict[str, Any]:
    """Return the summary of a family's backtest that its pointer has; see `make_scores` for the arguments."""
    return _summarise(family, list(make_scores(family, forecasts, baselines, prices)))


def _summarise(family: str, scores: list[Score]) -> dict[str, Any]:
    return {"family": family, **summarise(scores)}


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
    for i, row in enumerate(at):
        for horizon in (h for h in HEADLINE_HORIZONS if h <= actual.shape[1]):
            h = horizon - 1
            if np.isnan(actual[i, h]):
                continue
            quantiles = (close[row] * np.exp(forecasts.quantiles[i, h])).tolist()
            outcome = float(close[row + horizon])
            yield Score(
                as_of=dates[row],
                target_date=dates[row + horizon],
                horizon=horizon,
                made_at="",
                generation=0,
                family=family,
                sha256="",
                kind=KIND,
                close=float(close[row]),
                outcome=outcome,
                pinball=round(float(losses[i, h]), scoring.LOSS_DIGITS),
                benchmarks=tuple(
                    round(float(baseline_losses[name][i, h]), scoring.LOSS_DIGITS) if name in baseline_losses else None
                    for name in BENCHMARKS
                ),
                pit=round(probability_below(LEVELS, quantiles, outcome), scoring.PIT_DIGITS),
                inside=tuple(scoring.inside(LEVELS, quantiles, level, outcome) for level in INTERVALS),
                note="",
            )
