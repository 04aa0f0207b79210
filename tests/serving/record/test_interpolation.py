"""The probability of a price and the price of a probability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lambda_fn.prices.plausibility import MIN_PROBABILITY
from lambda_fn.record.interpolation import price_at, probability_below

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
prices = st.floats(0.5, 2.0)
quantile_rows = st.lists(prices, min_size=len(LEVELS), max_size=len(LEVELS)).map(sorted)


def of_t(freedom: float, sd: float = 0.005, last: float = 1.1) -> list[float]:
    z = stats.t.ppf(LEVELS, freedom) * np.sqrt((freedom - 2) / freedom)
    return [float(price) for price in last * np.exp(sd * z)]


def test_a_t_of_seven_is_met_to_four_hundredths_of_a_point() -> None:
    """The figure that the documentation states: 0.04 points of probability for 7.4 degrees of freedom."""
    freedom, sd, last = 7.4, 0.005, 1.1
    quantiles = of_t(freedom, sd, last)
    worst = 0.0
    for price in np.linspace(quantiles[0], quantiles[-1], 2001):
        z = np.log(price / last) / sd / np.sqrt((freedom - 2) / freedom)
        worst = max(worst, abs(float(stats.t.cdf(z, freedom)) - probability_below(LEVELS, quantiles, float(price))))
    assert worst < 0.0005


def test_levels_are_met_exactly() -> None:
    quantiles = of_t(5)
    for level, price in zip(LEVELS, quantiles, strict=True):
        assert probability_below(LEVELS, quantiles, price) == pytest.approx(level, abs=1e-12)
        assert price_at(LEVELS, quantiles, level) == pytest.approx(price, rel=1e-12)


@given(quantile_rows, prices, prices)
def test_it_never_falls_and_stays_within_its_bounds(quantiles: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    first, second = (probability_below(LEVELS, quantiles, price) for price in (low, high))
    assert MIN_PROBABILITY <= first <= second <= 1 - MIN_PROBABILITY


@given(st.floats(0.0011, 0.9989))
def test_the_price_of_a_probability_has_that_probability(probability: float) -> None:
    quantiles = of_t(6)
    price = price_at(LEVELS, quantiles, probability)
    assert probability_below(LEVELS, quantiles, price) == pytest.approx(probability, abs=1e-9)


def test_far_prices_are_as_unlikely_as_can_be_said() -> None:
    quantiles = of_t(6)
    assert probability_below(LEVELS, quantiles, 0.2) == MIN_PROBABILITY
    assert probability_below(LEVELS, quantiles, 9.0) == 1 - MIN_PROBABILITY


def test_equal_quantiles_are_a_step() -> None:
    flat = [1.1] * len(LEVELS)
    assert [probability_below(LEVELS, flat, price) for price in (1.0, 1.1, 1.2)] == [
        MIN_PROBABILITY,
        pytest.approx(0.5),
        1 - MIN_PROBABILITY,
    ]


@pytest.mark.parametrize("probability", [0.0, 0.0009, 0.9991, 1.0])
def test_a_probability_of_which_nothing_is_known_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        price_at(LEVELS, of_t(6), probability)
