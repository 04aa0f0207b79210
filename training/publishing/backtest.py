"""The walk-forward record of a champion's family: out of sample, and never to be taken for a live one.

Its rows are those of the live record (`lambda_fn.record.scoring`) with the kind `backtest`, at the horizons that the
score table shows; its summary travels in the pointer.
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
from training.evaluation import metrics
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import LEVELS, positions, targets

HORIZONS = (1, 5, 21)  # days: every horizon would be 90,000 rows
KIND = "backtest"
ATTEMPTS = 5


def keep(
    store: Store,
    pair: str,
    family: str,
    own: Forecasts,
    baselines: Mapping[str, Forecasts],
    prices: pd.DataFrame,
) -> dict[str, Any]:
    """Writes `record/<PAIR>-backtest.csv` and gives its summary. Raises Unavailable."""
    found = list(rows(family, own, baselines, prices))
    key, data = backtest_key(pair), scoring.to_csv(found)
    for _ in range(ATTEMPTS):
        try:
            blob = store.read(key)
            same, etag = blob.data == data, blob.etag
        except Missing:
            same, etag = False, None
        if same or store.replace(key, data, etag):
            return {"family": family, **summarise(found)}
    raise Unavailable(f"{store.describe()}: {key} changed {ATTEMPTS} times meanwhile; publish again")


def rows(family: str, own: Forecasts, baselines: Mapping[str, Forecasts], prices: pd.DataFrame) -> Iterator[Score]:
    """A row a scored day and horizon of HORIZONS, as far as it was forecast."""
    actual = targets(prices, own.origins)
    losses = {
        name: metrics.pinball_losses(actual, forecast.quantiles) for name, forecast in _all(own, baselines).items()
    }
    at, dates = positions(prices, own.origins), [day.date() for day in prices.index]
    close = prices["close"].to_numpy(np.float64)
    for i, row in enumerate(at):
        for horizon in (h for h in HORIZONS if h <= actual.shape[1]):
            h = horizon - 1
            if np.isnan(actual[i, h]):
                continue
            quantiles = (close[row] * np.exp(own.quantiles[i, h])).tolist()
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
                pinball=round(float(losses[""][i, h]), scoring.LOSS_DIGITS),
                benchmarks=tuple(_loss(losses, name, i, h) for name in BENCHMARKS),
                pit=round(probability_below(LEVELS, quantiles, outcome), scoring.PIT_DIGITS),
                inside=tuple(scoring.inside(LEVELS, quantiles, level, outcome) for level in INTERVALS),
                note="",
            )


def _all(own: Forecasts, baselines: Mapping[str, Forecasts]) -> dict[str, Forecasts]:
    return {"": own} | {name: forecast.at(own.origins) for name, forecast in baselines.items()}


def _loss(losses: Mapping[str, Any], name: str, i: int, h: int) -> float | None:
    return round(float(losses[name][i, h]), scoring.LOSS_DIGITS) if name in losses else None
