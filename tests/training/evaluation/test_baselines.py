"""Baselines: each against a plain loop, no look-ahead, and the losses known of the real rates."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from training.evaluation.baselines import BASELINES, constant, evaluate_baselines, ewma, garch, log_returns
from training.evaluation.scores import score
from training.evaluation.walk_forward import Forecasts, Split, walk_forward
from training.prices.windows import HORIZON, LEVELS

# No shrinking: an example takes a fifth of a second, and the first that fails says enough.
law = settings(deadline=None, max_examples=10, phases=[Phase.explicit, Phase.reuse, Phase.generate])


def volatile_prices(seed: int, rows: int = 1300) -> pd.DataFrame:
    """A walk whose volatility comes in waves, on weekdays from 2007."""
    rng = np.random.default_rng(seed)
    sd = 0.005 * np.exp(0.5 * np.sin(np.arange(rows) / 40))
    close = 1.2 * np.exp((sd * rng.standard_t(6, rows)).cumsum())
    return pd.DataFrame({"close": close}, index=pd.bdate_range("2007-01-01", periods=rows, name="date"))


def first_split(prices: pd.DataFrame) -> Split:
    return next(walk_forward(prices, 2010))


def returns_up_to(prices: pd.DataFrame, day: pd.Timestamp) -> list[float]:
    close = prices.loc[:day, "close"].tolist()
    return [math.log(after / before) for before, after in pairwise(close)]


def assert_quantiles(found: Forecasts, i: int, variances: list[float], z: list[float]) -> None:
    expected = [[math.sqrt(variance) * point for point in z] for variance in variances]
    assert_allclose(found.quantiles[i], expected, rtol=1e-9)


def gaussian() -> list[float]:
    return [float(stats.norm.ppf(level)) for level in LEVELS]


def test_constant_equals_a_loop() -> None:
    prices = volatile_prices(0)
    split = first_split(prices)
    returns = returns_up_to(prices, split.cutoff)
    variance = sum(r * r for r in returns) / len(returns)
    found = constant(prices, split)
    for i in (0, len(split.test) - 1):
        assert_quantiles(found, i, [variance * h for h in range(1, HORIZON + 1)], gaussian())


def test_ewma_equals_a_loop() -> None:
    prices = volatile_prices(1)
    split = first_split(prices)
    found = ewma(prices, split)
    for i in (0, 17, len(split.test) - 1):
        returns = returns_up_to(prices, split.test[i])
        variance = returns[0] ** 2
        for r in returns[1:]:
            variance = 0.94 * variance + 0.06 * r * r
        assert_quantiles(found, i, [variance * h for h in range(1, HORIZON + 1)], gaussian())


def test_garch_equals_a_loop_with_the_parameters_of_the_cutoff() -> None:
    from arch import arch_model

    prices = volatile_prices(2)
    split = first_split(prices)
    training = 100 * log_returns(split.train)  # to the bit, or the optimiser stops elsewhere
    fitted = arch_model(training, mean="Zero", vol="GARCH", dist="t", rescale=False).fit(disp="off")
    omega, alpha, beta, nu = fitted.params
    tails = [float(stats.t.ppf(level, nu)) * math.sqrt((nu - 2) / nu) for level in LEVELS]
    weights = [0.94**i for i in range(75)]
    start = sum(w * r * r for w, r in zip(weights, training, strict=False)) / sum(weights)
    found = garch(prices, split)
    for i in (0, 17, len(split.test) - 1):
        variance = omega + (alpha + beta) * start
        for r in returns_up_to(prices, split.test[i]):
            variance = omega + alpha * (100 * r) ** 2 + beta * variance
        days = [variance]
        for _ in range(HORIZON - 1):
            days.append(omega + (alpha + beta) * days[-1])
        assert_quantiles(found, i, [sum(days[:h]) / 100**2 for h in range(1, HORIZON + 1)], tails)


@pytest.mark.parametrize("name", BASELINES)
def test_quantiles_ascend_and_no_change_is_forecast(name: str) -> None:
    prices = volatile_prices(3)
    found = BASELINES[name](prices, first_split(prices))
    assert (np.diff(found.quantiles, axis=2) > 0).all()
    assert (np.diff(found.quantiles[:, :, -1], axis=1) > 0).all(), "wider with every day"
    assert_array_equal(found.mean, 0)
    assert_allclose(found.quantiles, -found.quantiles[:, :, ::-1], atol=1e-12)


@given(st.integers(0, 100), st.floats(0.9, 1.1))
@law
def test_no_price_after_a_cutoff_reaches_back(seed: int, factor: float) -> None:
    """Truncated to the cutoff's row and one more, or changed after it: the forecast at the cutoff is bit-identical."""
    prices = volatile_prices(seed)
    split = first_split(prices)
    row = len(split.train)
    changed = prices.copy()
    changed.iloc[row:] *= factor ** np.random.default_rng(seed).uniform(0, 1, (len(prices) - row, 1))
    only = Split(split.cutoff, split.train, split.test[:1])
    for baseline in BASELINES.values():
        expected = baseline(prices, split).quantiles[:1]
        assert_array_equal(baseline(changed, first_split(changed)).quantiles[:1], expected)
        assert_array_equal(baseline(prices.iloc[: row + 1], only).quantiles, expected)


def test_reach_on_the_ecb_rates(prices: pd.DataFrame) -> None:
    """Losses of 2010-01 to 2026-10 computed independently of this code, within 1 %."""
    rates = prices.loc[:"2026-10-30"]
    scores = score({}, evaluate_baselines(rates), rates).set_index(["family", "horizon"])
    assert scores.loc[("garch", 1), "n"] == 4310
    known = {"constant": (0.0852, 0.1883), "ewma": (0.0811, 0.1804), "garch": (0.0807, 0.1790)}
    for family, (one, five) in known.items():
        assert scores.loc[(family, 1), "pinball"] == pytest.approx(one, rel=0.01)
        assert scores.loc[(family, 5), "pinball"] == pytest.approx(five, rel=0.01)
    assert scores.loc[("garch", 1), "skill_ewma"] == pytest.approx(0.0054, abs=0.0005)
    assert scores.loc[("garch", 1), "coverage_95"] == pytest.approx(0.95, abs=0.005)
