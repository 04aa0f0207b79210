"""The volatility heads: arch's own forecast on the same closes, and a plain loop for EWMA."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from training.models.heads.base import HeadData, truncation
from training.models.heads.ewma import DECAY, ewma_head
from training.models.heads.garch import PERCENT, TYPICAL, fit_garch
from training.models.heads.registry import find_head
from training.models.heads.winsorised import MIN_ALPHA
from training.prices.windows import HORIZON, LEVELS, complete_origins, windows


def log_returns(prices: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.diff(np.log(prices["close"].to_numpy()))


def test_garch_is_the_forecast_of_arch_on_the_same_closes(prices: pd.DataFrame) -> None:
    from arch.univariate import GARCH, StudentsT, ZeroMean

    head = find_head("garch").fit(HeadData(prices))
    p = numbers(head.params)
    window = windows(prices, ["close"], complete_origins(prices)[-3000::12])
    assert len(window["close"]) >= 250
    served = head.sd(window)
    for close, sd in zip(window["close"], served, strict=True):
        model = ZeroMean(PERCENT * np.diff(np.log(close)), volatility=GARCH(), distribution=StudentsT(), rescale=False)
        fixed = model.fix([p["omega"] * PERCENT**2, p["alpha"], p["beta"], p["nu"]])
        variance = fixed.forecast(horizon=HORIZON).variance.to_numpy()[-1]
        np.testing.assert_allclose(sd, np.sqrt(variance.cumsum()) / PERCENT, rtol=1e-12)


def numbers(params: Mapping[str, float | str]) -> dict[str, float]:
    return {name: value for name, value in params.items() if isinstance(value, float)}


@pytest.mark.parametrize("name", ["garch", "ewma"])
def test_what_the_window_forgets_is_far_below_what_a_fit_can_know(name: str, prices: pd.DataFrame) -> None:
    """The whole history by a plain loop, apart from the truncation that every export reports."""
    returns = log_returns(prices)
    head = find_head(name).fit(HeadData(prices))
    p = numbers(head.params)
    if name == "garch":
        variance = np.var(returns[:75])
        for value in returns:
            variance = p["omega"] + p["alpha"] * value**2 + p["beta"] * variance
    else:
        variance = np.var(returns[:75])
        for value in returns:
            variance = p["decay"] * variance + (1 - p["decay"]) * value**2
    window = windows(prices, ["close"], complete_origins(prices)[-1:])
    assert abs(head.sd(window)[0, 0] / np.sqrt(variance) - 1) < 1e-6
    assert truncation(head, HeadData(prices), ("close",), 250) < 1e-6


def test_ewma_is_the_plain_recursion(prices: pd.DataFrame) -> None:
    head = ewma_head()
    variance, weight = 0.0, 0.0
    for value in log_returns(prices)[-512:]:
        variance = DECAY * variance + (1 - DECAY) * value**2
        weight = DECAY * weight + (1 - DECAY)
    served = head.sd(windows(prices, ["close"], complete_origins(prices)[-1:]))[0]
    np.testing.assert_allclose(served, np.sqrt(variance / weight * np.arange(1, HORIZON + 1)), rtol=1e-12)
    np.testing.assert_allclose(head.z, stats.norm.ppf(LEVELS))


def test_tails_are_standardised(prices: pd.DataFrame) -> None:
    head = find_head("garch").fit(HeadData(prices))
    nu = float(head.params["nu"])
    draws = stats.t(nu).rvs(400_000, random_state=0) * np.sqrt((nu - 2) / nu)
    assert draws.std() == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(np.quantile(draws, LEVELS), head.z, atol=0.02)
    assert (np.diff(head.z) > 0).all()


def test_an_unknown_head_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'stochastic' is unknown; choose garch or ewma or"):
        find_head("stochastic")


def test_returns_without_movement_are_refused_or_fitted_but_never_silently_nan() -> None:
    returns = np.random.default_rng(0).standard_t(6, 600) * 0.004
    assert all(np.isfinite(value) for value in numbers(fit_garch(returns)).values())


def test_a_garch_fit_that_does_not_answer_to_news_is_refused_whatever_its_optimiser_says() -> None:
    """Independent returns of a thousand days: arch ends at alpha 0 and beta near 1, and says that it converged."""
    from arch.univariate import GARCH, StudentsT, ZeroMean

    returns = np.random.default_rng(7).standard_normal(1027) * 0.004
    model = ZeroMean(PERCENT * returns, volatility=GARCH(), distribution=StudentsT(), rescale=False)
    naive = model.fit(disp="off")
    assert naive.convergence_flag == 0 and naive.params.iloc[1] < MIN_ALPHA
    found = fit_garch(returns)
    assert float(found["alpha"]) >= MIN_ALPHA
    if "refused" in found:
        assert (found["alpha"], found["beta"]) == TYPICAL
        long_run = float(found["omega"]) / (1 - sum(TYPICAL))
        assert long_run == pytest.approx(np.mean(returns**2), rel=1e-9)
