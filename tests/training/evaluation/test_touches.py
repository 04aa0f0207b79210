"""The report's table of touch probabilities: the served ones, and the closes that came."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lambda_fn.record.touch import touch_probability
from tests.support import records
from training.evaluation.touches import DISTANCES, HORIZONS, touch_probabilities, touch_table
from training.evaluation.walk_forward import Forecasts
from training.prices.windows import HORIZON, LEVELS

DAYS = 900
SD = 0.005


def walk(seed: int = 5) -> tuple[Forecasts, pd.DataFrame]:
    """A Gaussian walk, and its perfect forecast of each day."""
    steps = SD * np.random.default_rng(seed).standard_normal(DAYS)
    dates = pd.bdate_range("2020-01-01", periods=DAYS)
    prices = pd.DataFrame({"close": 1.1 * np.exp(steps.cumsum())}, index=dates)
    one = SD * np.sqrt(np.arange(1.0, HORIZON + 1))[:, None] * np.asarray(stats.norm.ppf(LEVELS))
    origins = pd.DatetimeIndex(dates[:-1])
    return Forecasts(origins, np.repeat(one[None], len(origins), axis=0), np.zeros((len(origins), HORIZON))), prices


def test_they_are_the_served_probabilities() -> None:
    rng = np.random.default_rng(1)
    quantiles = np.sort(0.01 * rng.standard_normal((40, 21, len(LEVELS))), axis=2) * np.sqrt(np.arange(1, 22))[:, None]
    limit = 0.02 * rng.standard_normal(40)
    for horizon in (1, 2, 21):
        expected = [
            touch_probability(
                records.official()._replace(last_close=1.0, levels=LEVELS, quantiles=np.exp(rows[:horizon]).tolist()),
                float(np.exp(price)),
                horizon,
            )
            for rows, price in zip(quantiles, limit, strict=True)
        ]
        assert touch_probabilities(quantiles[:, :horizon], limit) == pytest.approx(expected, rel=1e-9)


def test_a_perfect_forecast_is_realised() -> None:
    forecasts, prices = walk()
    table = touch_table(forecasts, prices)
    assert len(table) == len(HORIZONS) * len(DISTANCES) * 2
    assert table.groupby("horizon")["n"].first().to_dict() == {5: DAYS - 5, 10: DAYS - 10, 21: DAYS - 21}
    both = table.groupby(["horizon", "distance"])[["predicted", "realised"]].mean()
    assert (both["predicted"] - both["realised"]).abs().max() < 0.08  # 900 days: a few independent months
    assert table.groupby(["horizon", "side"])["predicted"].apply(lambda shares: shares.is_monotonic_decreasing).all()
