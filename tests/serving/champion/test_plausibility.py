"""What a forecast must be: sound ones of any pair pass, and one bad row of a batch is found and named."""

import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lambda_fn.prices import plausibility

Array = NDArray[np.float64]
LEVELS = (0.01, 0.025, 0.1, 0.5, 0.9, 0.975, 0.99)
NORMAL = np.array([-2.326, -1.96, -1.2816, 0.0, 1.2816, 1.96, 2.326])
HORIZON, WINDOW, BATCH = 21, 300, 7


def closes(daily: float, last: float = 1.1, seed: int = 1) -> Array:
    """Random walks [batch, window] with this standard deviation a day."""
    steps = daily * np.random.default_rng(seed).standard_normal((BATCH, WINDOW)).clip(-4, 4)
    walk = np.exp(steps.cumsum(axis=1))
    return np.asarray(last * walk / walk[:, -1:])


def forecast(close: Array, daily: float) -> tuple[Array, Array]:
    """A walk without drift: quantiles [batch, horizon, levels] and means [batch, horizon]."""
    spread = daily * np.sqrt(np.arange(1.0, HORIZON + 1))[:, None] * NORMAL
    last = close[:, -1:]
    return last[:, :, None] * np.exp(spread)[None], np.repeat(last, HORIZON, axis=1)


def find_implausibility(quantiles: Array, mean: Array, levels: Sequence[float], close: Array) -> str | None:
    return plausibility.find_implausibility(quantiles.tolist(), mean.tolist(), levels, close.tolist())


@given(
    daily=st.floats(0.000002, 0.02),
    last=st.floats(0.001, 1e7),
    ratio=st.floats(0.4, 1.2),
    seed=st.integers(0, 2**32),
)
def test_a_sound_forecast_of_any_pair_passes(daily: float, last: float, ratio: float, seed: int) -> None:
    """Managed pairs included, which move a thousandth of what others do; `ratio` is how calm the next days are."""
    close = closes(daily, last, seed)
    assert find_implausibility(*forecast(close, ratio * daily), LEVELS, close) is None


Change = Callable[[Array, Array], object]
FAULTS: dict[str, tuple[Change, str]] = {
    "not a number": (lambda q, m: q.__setitem__((4, 2, 1), np.nan), "not finite"),
    "an infinite mean": (lambda q, m: m.__setitem__((4, 2), np.inf), "not finite"),
    "below zero": (lambda q, m: q.__setitem__((4, 2, 0), -5.5), "not above zero"),
    "a mean of zero": (lambda q, m: m.__setitem__((4, 2), 0.0), "not above zero"),
    "lower above upper": (lambda q, m: q.__setitem__((4, 2), q[4, 2, ::-1].copy()), r"quantiles .*\bfall\b"),
    "a mean of a billion": (lambda q, m: m.__setitem__((4, 2), 1e9), r"\bmean outside\b"),
    "a mean below all": (lambda q, m: m.__setitem__((4, 2), 0.5), r"\bmean outside\b"),
    "a median far away": (
        lambda q, m: (q.__imul__(1.1), m.__imul__(1.1)),
        "median is 10.0% .* on day 1",
    ),
    "one day far away": (
        lambda q, m: (q[4, 2].__imul__(1.2), m[4, 2:3].__imul__(1.2)),
        "median is 20.0% .* on day 3",
    ),
    "all quantiles equal": (lambda q, m: q.__setitem__(4, m[4, :, None]), r"0\.00% wide, 0\.1 % to 10 %"),
    "a wide first day": (lambda q, m: q.__setitem__((4, 0, slice(5, 7)), 1.3), r"\d+\.\d+% wide, 0\.1 % to 10 %"),
    "a billion on day 3": (lambda q, m: q.__setitem__((4, 2, slice(5, 7)), 1.1e9), "of day 3 is"),
    "a day without width": (lambda q, m: q.__setitem__((4, 2), m[4, 2]), "of day 3 is 0.00% wide, that of day 1"),
    "a width that stays": (lambda q, m: q.__setitem__(4, q[4, :1]), "of day 17 is"),
    "a width that shrinks": (lambda q, m: q.__setitem__((4, 9), q[4, 5]), "of day 10 is"),
    "a tail of a billion": (lambda q, m: q.__setitem__((4, 2, 6), 1e9), "the quantile of 0.99 is .* on day 3"),
    "a tail to zero": (lambda q, m: q.__setitem__((4, 2, 0), 1e-9), "the quantile of 0.01 is -100.0% .* on day 3"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_bad_row_of_a_batch_is_found(name: str) -> None:
    change, words = FAULTS[name]
    close = closes(0.005)
    quantiles, mean = forecast(close, 0.005)
    assert find_implausibility(quantiles, mean, LEVELS, close) is None
    change(quantiles, mean)
    found = find_implausibility(quantiles, mean, LEVELS, close)
    assert found is not None
    assert re.search(words, found), found


def test_a_width_may_be_less_than_a_thousandth_only_where_the_pair_moves_less() -> None:
    lively, calm = closes(0.005), closes(0.00005)
    assert "0.02% wide, 0.1 % to 10 % is allowed" in str(
        find_implausibility(*forecast(lively, 0.00005), LEVELS, lively)
    )
    assert find_implausibility(*forecast(calm, 0.00005), LEVELS, calm) is None
    assert "% wide" in str(find_implausibility(*forecast(calm, 0.000002), LEVELS, calm)), (
        "nothing is told of such a pair, too"
    )


def test_a_width_may_be_over_a_tenth_only_after_a_shock() -> None:
    """A franc that leaves its peg: 14 % in a day."""
    close = closes(0.005)
    assert "10 % is allowed" in str(find_implausibility(*forecast(close, 0.04), LEVELS, close))
    shaken = np.concatenate([close[:, :-5] * 1.14, close[:, -5:]], axis=1)
    assert find_implausibility(*forecast(shaken, 0.04), LEVELS, shaken) is None
    assert "% wide" in str(find_implausibility(*forecast(shaken, 0.2), LEVELS, shaken))


def test_a_mean_may_be_a_rounding_beyond_the_level_that_it_equals() -> None:
    assert plausibility.find_fault([[[1.1] * 3]], [[math.nextafter(1.1, 2)]]) is None
