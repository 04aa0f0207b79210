"""ARIMA(p, 1, q) of the log close: an ARMA of the log returns, its order chosen by an information criterion.

The forecast from a window is the best linear predictor_weights of its returns, gamma' Gamma^-1 (Brockwell & Davis, Time
Series: Theory and Methods, section 5.1): the same numbers as statsmodels' Kalman filter on the same closes, as one
constant matrix.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.family import Family, Fitted, Sample
from training.models.features import Array, Window, log_return, matmul
from training.prices.windows import HORIZON, WINDOW

# Daily returns are close to white noise: more lags fit noise, and (0, 1, 0) is the random walk, a family of its own.
ORDERS = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2))
PERCENT = 100.0  # returns near one keep the optimiser away from the limits of its tolerances


def fit(sample: Sample) -> Fitted:
    """Fit each order to the returns up to the cutoff by exact maximum likelihood and keep the lowest BIC."""
    returns = PERCENT * np.diff(np.log(sample.prices["close"].to_numpy(np.float64)))
    results = {order: fit_order(returns, order) for order in ORDERS}
    order = min(ORDERS, key=lambda candidate: results[candidate].bic)
    ar, ma = np.asarray(results[order].arparams), np.asarray(results[order].maparams)
    weights = predictor_weights(ar, ma)

    def mean(window: Window, sd: Array) -> Array:
        return matmul(log_return(window["close"]), weights)

    params: dict[str, float | str] = {"order": f"({order[0]}, 1, {order[1]})"}
    params |= {f"ar_{i}": float(value) for i, value in enumerate(ar, 1)}
    params |= {f"ma_{i}": float(value) for i, value in enumerate(ma, 1)}
    return Fitted(mean, params)


def fit_order(returns: NDArray[np.float64], order: tuple[int, int]) -> Any:
    """Fit an ARMA(p, q) without a constant, as a drift of daily EUR/USD is noise too; returns statsmodels' result."""
    from statsmodels.tsa.arima.model import ARIMA

    p, q = order
    # Only parameters and BIC are read, so nothing is smoothed and no covariance is computed.
    model = ARIMA(returns, order=(p, 0, q), trend="n")
    return model.fit(method="innovations_mle", low_memory=True, cov_type="none")


def predictor_weights(ar: NDArray[np.float64], ma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the window's returns in the cumulative forecast, [window - 1, horizon], oldest return first."""
    from scipy.linalg import solve_toeplitz
    from statsmodels.tsa.arima_process import ArmaProcess

    n = WINDOW - 1
    covariance = ArmaProcess(np.r_[1.0, -ar], np.r_[1.0, ma]).acovf(n + HORIZON)
    ahead = np.stack([covariance[h : h + n] for h in range(1, HORIZON + 1)], axis=1)  # newest return first
    return np.asarray(solve_toeplitz(covariance[:n], ahead).cumsum(axis=1)[::-1])


FAMILY = Family(name="arima", model_type="ARIMA", features=(), fit=fit, shrunk=True)
