"""What the newest prices must be before anything is forecast from them."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import is_business_day
from lambda_fn.prices.limits import MAX_JUMP
from lambda_fn.prices.table import Table

AHEAD = timedelta(days=1)  # it is tomorrow already somewhere
ROWS = 25  # whose days are looked at: older ones were looked at when they were the newest


def check_window(table: Table, columns: Sequence[str], source: str, today: date) -> None:
    """Raises ContractError naming the date of the first of the newest rows that cannot be: a day of the future or
    without a price, or a change over MAX_JUMP in a day in one of `columns`."""
    if table.dates and table.dates[-1] > today + AHEAD:
        raise ContractError(f"prices: {table.dates[-1]} is in the future, today is {today}; correct the file")
    for day in table.dates[-ROWS:]:
        if not is_business_day(day, source):
            raise ContractError(
                f"prices: {day} is a {day:%A} on which there are no prices ({source}); correct the file"
            )
    for name in columns:
        values = table.columns[name]
        jumps = np.abs(values[1:] / values[:-1] - 1) > MAX_JUMP
        if jumps.any():
            at = int(jumps.argmax()) + 1
            raise ContractError(
                f"prices: {name} jumps on {table.dates[at]} from {values[at - 1]} to {values[at]}, over {MAX_JUMP:.0%} "
                "in a day; correct the faulty price of the two"
            )
