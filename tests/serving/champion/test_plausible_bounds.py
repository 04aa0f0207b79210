"""The bounds of a plausible forecast: just within one it passes, just beyond it does not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lambda_fn.prices.plausibility import find_fault, find_implausibility

Array = NDArray[np.float64]
LEVELS = (0.025, 0.5, 0.975)
NORMAL = np.array([-1.96, 0.0, 1.96])
HORIZON, WINDOW = 5, 300
LIVELY, CALM = 0.005, 0.00001  # standard deviations of a day


def closes(*daily: float) -> Array:
    """A random walk whose days have these standard deviations, as many of each: [1, window]."""
    sizes = np.repeat(daily, WINDOW // len(daily))
    return np.asarray(np.exp((sizes * np.random.default_rng(3).standard_normal(WINDOW)).cumsum()))[None]


def forecast(close: Array, daily: float, later: float = 1.0) -> tuple[Array, Array]:
    """A walk without drift, whose quantiles are `later` times as far from the median from the third day on."""
    roots = np.sqrt(np.arange(1.0, HORIZON + 1)) * np.where(np.arange(HORIZON) < 2, 1.0, later)
    last = close[:, -1:]
    return last[:, :, None] * np.exp(daily * roots[:, None] * NORMAL)[None], np.repeat(last, HORIZON, axis=1)


def is_sound(close: Array, quantiles: Array, mean: Array) -> bool:
    return find_implausibility(quantiles.tolist(), mean.tolist(), LEVELS, close.tolist()) is None


@pytest.mark.parametrize(("later", "passes"), [(1.0, True), (3.8, True), (4.2, False), (100.0, False)])
def test_a_width_grows_no_faster_than_four_times_a_walk(later: float, passes: bool) -> None:
    close = closes(LIVELY)
    assert is_sound(close, *forecast(close, LIVELY / 10, later)) == passes


@pytest.mark.parametrize(("daily", "passes"), [((LIVELY,) * 4 + (CALM,), True), ((CALM,) * 4 + (LIVELY,), False)])
def test_the_newest_sixty_days_say_how_calm_a_pair_is(daily: tuple[float, ...], passes: bool) -> None:
    close = closes(*daily)
    assert is_sound(close, *forecast(close, CALM)) == passes


@pytest.mark.parametrize(("beyond", "passes"), [(0.0, True), (1e-13, True), (1e-11, False), (-1e-11, True)])
def test_a_mean_is_within_its_outer_levels_but_for_a_rounding(beyond: float, passes: bool) -> None:
    quantiles = [[[1.0, 1.1, 1.2]]]
    assert (find_fault(quantiles, [[1.2 * (1 + beyond)]]) is None) == passes
    assert (find_fault(quantiles, [[1.0 * (1 - beyond)]]) is None) == passes
