"""What a forecast must be holds for what training makes, on the ECB's history: no day would have been refused."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from lambda_fn.prices import ecb as history
from lambda_fn.prices.ecb import Rates
from lambda_fn.prices.plausibility import MAX_DAILY_CHANGE, find_implausibility
from training.models.heads import ewma, garch
from training.prices import ecb
from training.prices.windows import HORIZON, LEVELS, WINDOW

# free, managed, pegged until a shock (the franc in 2011 and 2015), and in crises of their own
PAIRS = ("EURUSD", "EURJPY", "EURGBP", "GBPUSD", "EURCHF", "EURDKK", "USDHKD", "USDCNY", "EURTRY", "EURISK", "EURRUB")


@cache
def rates() -> Rates:
    return history.read(ecb.EMBEDDED.read_bytes(), "embedded")


def closes(pair: str) -> NDArray[np.float64]:
    found = np.array(history.quote(rates(), pair).columns["close"])
    return np.asarray(found[np.isfinite(found)])


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("head", ["garch", "ewma"])
def test_history_passes(pair: str, head: str) -> None:
    """Every day of EUR/USD and every third of the others: a shock stays in the window for two years.

    The parameters are those of the last fit, which knows the shocks: they make the widest and the narrowest forecasts.
    Windows with a price that is refused as a jump are left out.
    """
    close = closes(pair)
    try:
        fitted = ewma.ewma_head() if head == "ewma" else garch.garch_head(garch.fit_garch(np.diff(np.log(close))))
    except ValueError:
        assert pair == "EURCHF", "its peg has no GARCH fit, and training takes the other head"
        return
    window = np.lib.stride_tricks.sliding_window_view(close, WINDOW)
    window = window[(np.abs(window[:, 1:] / window[:, :-1] - 1) <= MAX_DAILY_CHANGE).all(axis=1)]
    assert len(window) > 2000
    window = window if pair == "EURUSD" else window[::3]
    log_quantiles = fitted.sd({"close": window})[:, :, None] * fitted.z
    quantiles = window[:, -1:, None] * np.exp(log_quantiles)
    mean = np.repeat(window[:, -1:], HORIZON, axis=1)
    assert find_implausibility(quantiles.tolist(), mean.tolist(), LEVELS, window.tolist()) is None
