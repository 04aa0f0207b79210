"""Build the inputs of a model, the same for its fit, its trial, a forecast from a request and the official forecast.

In plain Python, because the process that answers requests does not import numpy.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from lambda_fn.champion.base import BaseChampion, Rows
from lambda_fn.contract import DATE, TARGET_DATE
from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import business_days_after, days_since_1970

if TYPE_CHECKING:  # these import numpy
    from numpy.typing import NDArray

    from lambda_fn.prices.price_file import Table

    Arrays = dict[str, NDArray[Any]]


class Window(NamedTuple):
    """The rows of prices that a model is given, oldest first, as sequences or arrays.

    Attributes:
        columns: prices [window] by name.
        days: of these rows, [window], in days since 1970-01-01; empty if unknown.
    """

    columns: Mapping[str, Any]
    days: Any


def model_inputs(names: Sequence[str], windows: Iterable[Window], horizon: int, source: str) -> dict[str, list[Any]]:
    """Return the inputs of a model for a batch of windows.

    They are prices [batch][window], `date` [batch][window], the days of these rows, and `target_date` [batch][horizon],
    the business days that follow the last row, both in days since 1970-01-01.

    Args:
        names: of the inputs, in the order of the result.
        windows: the batch; they have these columns, and days if the names have dates.
        horizon: the number of business days to forecast.
        source: of the prices, which defines the business days.
    """
    inputs: dict[str, list[Any]] = {name: [] for name in names}
    for columns, days in windows:
        for name, rows in inputs.items():
            if name == DATE:
                rows.append(days)
            elif name == TARGET_DATE:
                rows.append(business_days_after(int(days[-1]), horizon, source))
            else:
                rows.append(columns[name])
    return inputs


def champion_inputs(champion: BaseChampion, windows: Iterable[Window]) -> Rows:
    """Return the inputs that a champion declares, for a batch of its windows."""
    return model_inputs(champion.inputs, windows, champion.metadata.horizon, champion.metadata.prices)


def table_inputs(champion: BaseChampion, prices: "Table", ends: Sequence[int] | None = None) -> Rows:
    """Return the champion's inputs for windows of a price table.

    Args:
        champion: the champion.
        prices: the table.
        ends: numbers of rows, each of which ends a window; by default one window that ends at the last row.

    Raises ContractError when a column that the champion declares is missing, too short, or has a gap in a window.
    """
    length = champion.metadata.window
    if len(prices.dates) < length:
        raise ContractError(f"prices: {len(prices.dates)} rows, the champion needs {length}; add older prices")
    windows = []
    for end in [len(prices.dates)] if ends is None else ends:
        columns = {}
        for name in champion.columns:
            if name not in prices.columns:
                raise ContractError(
                    f"prices: the column {name} is missing, which the champion needs; add it to the file"
                )
            columns[name] = prices.columns[name][end - length : end].tolist()
            gaps = [row for row, price in enumerate(columns[name], end - length) if not (isfinite(price) and price > 0)]
            if gaps:
                raise ContractError(
                    f"prices: {name} has {len(gaps)} gaps among the last {length} rows, the first on "
                    f"{prices.dates[gaps[0]]}; fill them, or publish a champion that does not use {name}"
                )
        windows.append(Window(columns, days_since_1970(prices.dates[end - length : end])))
    return champion_inputs(champion, windows)


def input_arrays(inputs: Rows) -> "Arrays":
    """Return the inputs as arrays: prices float64 and days int64, [batch, window] or [batch, horizon]."""
    import numpy as np

    arrays = {}
    for name, rows in inputs.items():
        kind = np.int64 if name in (DATE, TARGET_DATE) else np.float64
        if len(rows) and isinstance(rows[0], np.ndarray):
            # three times as fast as np.array, which counts in a fit of 6,000 windows
            arrays[name] = np.concatenate(rows, dtype=kind).reshape(len(rows), -1)
        else:
            arrays[name] = np.array(rows, dtype=kind)
    return arrays
