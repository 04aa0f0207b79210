"""Features: the same numbers as pandas' own words for them, and the same in numpy as in an exported graph."""

import ndonnx
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.models.features import BLOCK, FEATURES, by_blocks, feature, stack
from training.prices.windows import WINDOW, complete_origins, windows

REFERENCE = {
    "Return": lambda close: close.pct_change(),
    "MA_5": lambda close: close.rolling(5).mean(),
    "Lag_1": lambda close: close.pct_change().shift(1),
    "Lag_2": lambda close: close.pct_change().shift(2),
    "Lag_3": lambda close: close.pct_change().shift(3),
    "Lag_5": lambda close: close.pct_change().shift(5),
}


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_a_feature_is_what_pandas_makes_of_the_close(name: str, prices: pd.DataFrame) -> None:
    origins = complete_origins(prices)[-20:]
    series = FEATURES[name](windows(prices, ["close"], origins))
    expected = REFERENCE[name](prices["close"]).loc[origins].to_numpy()
    np.testing.assert_allclose(series[:, -1], expected, rtol=1e-9, atol=1e-15)


def test_every_feature_has_a_reference() -> None:
    assert set(FEATURES) == set(REFERENCE)


@pytest.mark.parametrize("name", sorted(FEATURES))
def test_a_traced_feature_gives_the_numbers_of_numpy(name: str, prices: pd.DataFrame) -> None:
    window = windows(prices, ["close"], complete_origins(prices)[-3:])
    close = ndonnx.argument(shape=("batch", WINDOW), dtype=ndonnx.float64)
    graph = ndonnx.build({"close": close}, {"series": FEATURES[name]({"close": close})})
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    traced = np.asarray(session.run(["series"], dict(window))[0])
    np.testing.assert_allclose(traced, FEATURES[name](window), rtol=1e-15, atol=1e-16)


@given(
    closes=st.lists(st.floats(0.5, 2.0), min_size=40, max_size=40),
    changed=st.integers(0, 39),
    factor=st.floats(0.9, 1.1),
)
def test_no_value_of_a_feature_looks_ahead(closes: list[float], changed: int, factor: float) -> None:
    before: NDArray[np.float64] = np.array([closes])
    after = before.copy()
    after[0, changed:] *= factor
    for function in FEATURES.values():
        old, new = function({"close": before}), function({"close": after})
        known = changed - (before.shape[1] - old.shape[1])  # values of days before the change
        np.testing.assert_array_equal(old[:, : max(known, 0)], new[:, : max(known, 0)])


def test_stack_aligns_series_of_different_lengths_at_the_last_day(prices: pd.DataFrame) -> None:
    window = windows(prices, ["close"], complete_origins(prices)[-2:])
    stacked = stack(["Return", "Lag_1"], window, steps=4)
    assert stacked.shape == (2, 4, 2)
    np.testing.assert_array_equal(stacked[:, 1:, 1], stacked[:, :-1, 0])


@pytest.mark.parametrize("rows", [0, 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_blocks_give_the_numbers_of_one_piece(rows: int) -> None:
    close = np.random.default_rng(0).uniform(0.9, 1.1, (rows, 8))
    assert np.array_equal(by_blocks(FEATURES["MA_5"], {"close": close}), FEATURES["MA_5"]({"close": close}))


def test_an_unknown_feature_is_named_with_the_known_ones(prices: pd.DataFrame) -> None:
    window = windows(prices, ["close"], complete_origins(prices)[-1:])
    with pytest.raises(KeyError, match=r"RSI_14.*training/models/features.py.*Return, MA_5"):
        stack(["RSI_14"], window, steps=1)


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match=r"^feature Return: .*taken; "):
        feature("Return")(lambda window: window["close"])
