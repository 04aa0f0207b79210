"""Files with high and low, honest and not: made as a market makes them, from paths within the day."""

import numpy as np
import pandas as pd

STEPS = 24  # of a day


def market(seed: int, rows: int = 1500) -> pd.DataFrame:
    """Open, high, low and close of days whose volatility comes in waves."""
    rng = np.random.default_rng(seed)
    log_sd = np.zeros(rows)
    for i in range(1, rows):
        log_sd[i] = 0.97 * log_sd[i - 1] + 0.1 * rng.standard_normal()
    steps = rng.standard_t(5, (rows, STEPS)) * (0.005 * np.exp(log_sd) / np.sqrt(STEPS))[:, None]
    path = np.log(1.1) + steps.cumsum().reshape(rows, STEPS)
    start = np.concatenate([[np.log(1.1)], path[:-1, -1]])
    every = np.column_stack([start, path])
    index = pd.bdate_range("2015-01-01", periods=rows, name="date")
    columns = {"open": start, "high": every.max(axis=1), "low": every.min(axis=1), "close": path[:, -1]}
    return pd.DataFrame({name: np.exp(values) for name, values in columns.items()}, index=index)


def yahoo(prices: pd.DataFrame) -> pd.DataFrame:
    """The same where each row's close is its open, as a vendor gives EUR/USD."""
    return prices.assign(close=prices["open"])
