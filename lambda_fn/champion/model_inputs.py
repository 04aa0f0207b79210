"""Build the inputs of a champion from the rows of a price table."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.base import BaseChampion, Rows
from lambda_fn.contract import DATE, TARGET_DATE
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import days_since_1970, next_business_days
from lambda_fn.prices.price_file import Table


def window_inputs(champion: BaseChampion, prices: Table) -> dict[str, NDArray[Any]]:
    """Return the champion's inputs at the last row, as a batch of one.

    They are the price columns, float64 [1, window], and where the champion declares them `date`, int64 [1, window], and
    `target_date`, int64 [1, horizon], both in days since 1970-01-01.

    Raises ContractError when a column that the champion declares is missing, too short, or has a gap in the window.
    """
    window, source = champion.metadata.window, champion.metadata.prices
    if len(prices.dates) < window:
        raise ContractError(f"prices: {len(prices.dates)} rows, the champion needs {window}; add older prices")
    dates = prices.dates[-window:]
    inputs: dict[str, NDArray[Any]] = {}
    for name in champion.columns:
        if name not in prices.columns:
            raise ContractError(f"prices: the column {name} is missing, which the champion needs; add it to the file")
        inputs[name] = _check_column(name, dates, prices.columns[name][-window:])[None, :]
    if champion.wants_date:
        inputs[DATE] = np.array([days_since_1970(dates)], np.int64)
    if champion.wants_target_date:
        targets = next_business_days(dates[-1], champion.metadata.horizon, source)
        inputs[TARGET_DATE] = np.array([days_since_1970(targets)], np.int64)
    return inputs


def window_rows(champion: BaseChampion, prices: Table) -> Rows:
    """Return `window_inputs` as nested lists, the form that a sandbox takes."""
    return {name: values.tolist() for name, values in window_inputs(champion, prices).items()}


def _check_column(name: str, dates: Sequence[date], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the prices [window]. Raises ContractError when one is not a finite number above zero."""
    is_gap = ~(np.isfinite(values) & (values > 0))
    if is_gap.any():
        first = int(np.argmax(is_gap))
        raise ContractError(
            f"prices: {name} has {int(is_gap.sum())} gaps among the last {len(values)} rows, the first on "
            f"{dates[first]}; fill them, or publish a champion that does not use {name}"
        )
    return values
