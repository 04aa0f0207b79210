"""Windows of the price table and the returns that follow them, on which every model is fitted and scored."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.champion.model_inputs import Window, input_arrays, model_inputs
from lambda_fn.contract import DATE, TARGET_DATE

WINDOW = 513  # closes: 512 returns, two years of business days, so that the start of every filter has decayed
HORIZON = 21  # business days, a month: as far as the closed form is calibrated
LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)


def complete_origins(prices: pd.DataFrame, window: int = WINDOW) -> pd.DatetimeIndex:
    """Return the dates at which a whole window of prices is known, ascending."""
    return pd.DatetimeIndex(prices.index[window - 1 :])


def windows(
    prices: pd.DataFrame,
    columns: Sequence[str],
    origins: pd.DatetimeIndex,
    window: int = WINDOW,
    source: str = "ecb",
    horizon: int = HORIZON,
) -> dict[str, NDArray[Any]]:
    """Return the inputs of a model at each origin, by column: the `window` prices up to it, [n, window], oldest first.

    `date` is the days of these rows and `target_date` the business days that follow the origin, [n, horizon], both
    int64 in days since 1970-01-01.

    Args:
        prices: The price table.
        columns: Columns of the table, and `date` and `target_date`.
        origins: The dates of the forecasts.
        window: The number of prices.
        source: Whose business days follow, `ecb` or `csv`.
        horizon: The number of business days.

    Raises ValueError if an origin has fewer rows before it.
    """
    ends = positions(prices, origins) + 1
    if len(ends) and ends.min() < window:
        raise ValueError(f"{origins[0].date()}: a window needs {window} rows up to its date")
    days = day_numbers(pd.DatetimeIndex(prices.index))
    arrays = {name: prices[name].to_numpy(np.float64) for name in columns if name not in (DATE, TARGET_DATE)}
    rows = (
        Window({name: values[end - window : end] for name, values in arrays.items()}, days[end - window : end])
        for end in ends.tolist()
    )
    return input_arrays(model_inputs(columns, rows, horizon, source))


def day_numbers(dates: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Return days since 1970-01-01."""
    return dates.to_numpy().astype("datetime64[D]").astype(np.int64)


def targets(prices: pd.DataFrame, origins: pd.DatetimeIndex, horizon: int = HORIZON) -> NDArray[np.float64]:
    """Return the log return of the close from each origin to 1 .. horizon rows later, [n, horizon]; NaN if unknown."""
    log_close = np.log(prices["close"].to_numpy(np.float64))
    padded = np.concatenate([log_close, np.full(horizon, np.nan)])
    last = positions(prices, origins)
    return np.asarray(padded[last[:, None] + np.arange(1, horizon + 1)] - log_close[last][:, None])


def positions(prices: pd.DataFrame, origins: pd.DatetimeIndex) -> NDArray[np.intp]:
    """Return the row numbers of the origins.

    Raises ValueError, which names the first date that is not a row of the table.
    """
    row_numbers = pd.DatetimeIndex(prices.index).get_indexer(origins)
    if (row_numbers < 0).any():
        raise ValueError(f"{origins[int(np.argmin(row_numbers))].date()} is not a date of the price table")
    return np.asarray(row_numbers)
