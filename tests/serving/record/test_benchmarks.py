"""The closed forms of serving are those of training's evaluation."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from lambda_fn.record import benchmarks
from training.evaluation.baselines import BASELINES
from training.evaluation.walk_forward import Forecasts, walk_forward
from training.prices.table import load
from training.prices.windows import HORIZON, LEVELS


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    return load("ecb", today=date(2026, 11, 1)).frame[["close"]]


@pytest.mark.parametrize("name", ["constant", "ewma"])
def test_they_are_trainings_baselines(name: str, prices: pd.DataFrame) -> None:
    """On days of several years, the last ones before and the first ones after a refit among them."""
    checked = 0
    for split in list(walk_forward(prices, 2012))[::5]:
        wanted: Forecasts = BASELINES[name](prices, split)
        for position in (0, 1, len(split.test) // 2, len(split.test) - 1):
            known = prices.loc[: split.test[position]]
            close, dates = known["close"].to_numpy(np.float64), [day.date() for day in known.index]
            if name == "constant":
                found = benchmarks.constant(dates, close, LEVELS, HORIZON, "ecb")
            else:
                found = benchmarks.ewma(close, LEVELS, HORIZON)
            expected = close[-1] * np.exp(wanted.quantiles[position])
            np.testing.assert_allclose(found, expected, rtol=1e-9)
            checked += 1
    assert checked >= 12
