"""Hourly paths between the European Central Bank's fixings: what a vendor's closes of any hour look like."""

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices import ecb

PAIRS = "EURUSD EURGBP EURJPY EURCHF EURSEK GBPUSD USDJPY USDCHF AUDUSD USDCAD".split()
FIXING = 14  # hour of the day in Frankfurt, rounded
# Variance of the 24 hours after a fixing: nine busy ones to 17:00 in New York have 54 %, the fifteen quiet ones 46 %.
SHARES = np.repeat([0.54 / 9, 0.46 / 15], [9, 15])


@cache
def fixings(pair: str, rows: int = 1500) -> pd.Series:
    """The last fixings of a pair."""
    rates = ecb.read_embedded()
    units = {"eur": np.ones(len(rates.days)), **rates.columns}
    cross = units[pair[3:].lower()] / units[pair[:3].lower()]
    return pd.Series(cross, pd.DatetimeIndex(list(rates.days), name="date")).iloc[-rows:]


def hours_after(fixing: pd.Series, seed: int = 0) -> NDArray[np.float64]:
    """Prices 0 to 23 hours after each fixing but the last, [n - 1, 24]: random bridges from one fixing to the next."""
    logs = np.log(fixing.to_numpy(np.float64))
    moves = np.diff(logs)[:, None]
    steps = np.random.default_rng(seed).normal(size=(len(moves), 24)) * np.sqrt(SHARES) * np.std(moves)
    walk, share = steps.cumsum(axis=1), SHARES.cumsum()
    bridge = walk + (moves - walk[:, -1:]) * share
    return np.asarray(np.exp(logs[:-1, None] + np.column_stack([np.zeros(len(moves)), bridge[:, :-1]])))


@cache
def closes(pair: str, hour: int, seed: int = 0) -> pd.Series:
    """A close at `hour` (0 to 23, Frankfurt) of each business day, dated by that day."""
    fixing = fixings(pair)
    path = hours_after(fixing, seed)
    if hour >= FIXING:
        return pd.Series(path[:, hour - FIXING], fixing.index[:-1])
    return pd.Series(path[:, hour + 24 - FIXING], fixing.index[1:])


def redated(close: pd.Series, days: int) -> pd.Series:
    """The closes with each date some rows later (or earlier, below zero)."""
    if days > 0:
        return pd.Series(close.to_numpy()[:-days], close.index[days:])
    return pd.Series(close.to_numpy()[-days:], close.index[:days])


def yfinance(seed: int = 0) -> pd.DataFrame:
    """Rows as yfinance has them for EURUSD=X: opened at midnight in London, and closed where they opened in 85 %."""
    fixing = fixings("EURUSD")
    path = hours_after(fixing, seed).ravel()  # from the first fixing on
    starts = np.arange(1, len(fixing) - 2) * 24 + 25 - FIXING - 24
    days = path[starts[:, None] + np.arange(24)]
    start, rng = days[:, 0], np.random.default_rng(seed)
    near = start * (1 + rng.choice([-1e-4, 1e-4], len(start)))
    close = np.where(rng.random(len(start)) < 0.85, start, near)
    columns = {"Close": close, "High": days.max(axis=1), "Low": days.min(axis=1), "Open": start, "Volume": 0}
    return pd.DataFrame(columns, pd.DatetimeIndex(fixing.index[1 : len(starts) + 1], name="Date")).round(6)
