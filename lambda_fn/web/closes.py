"""One list of prices from a request, checked value by value."""

import math

import numpy as np
from numpy.typing import NDArray

from lambda_fn.prices.limits import HIGHEST, LOWEST, MAX_JUMP
from lambda_fn.web.problem import bad_body, shown

MAX_VALUES = 10_000  # of a column; no champion's window is longer


def parse_prices(place: str, values: object) -> NDArray[np.float64]:
    """The values as float64 [n].

    Raises:
        Problem: 400 when they are too many, or naming the position of the first that is no number, out of range or a
            jump.
    """
    if not isinstance(values, list) or not values:
        raise bad_body(place, f"{place} is {shown(values)}", "send a list of prices, oldest first")
    if len(values) > MAX_VALUES:
        raise bad_body(place, f"{place} is {shown(values)}", f"send the last {MAX_VALUES:,} at most")
    for i, value in enumerate(values):
        if type(value) is not float and type(value) is not int:  # a bool is an int, but no price
            raise bad_body(f"{place}[{i}]", f"{place}[{i}] is {shown(value)}, not a number", "send a price")
    prices = np.array([_float(value) for value in values])
    outside = ~((prices >= LOWEST) & (prices <= HIGHEST))  # also true for NaN
    if outside.any():
        i = int(outside.argmax())
        raise bad_body(
            f"{place}[{i}]",
            f"{place}[{i}] is {shown(values[i])}, not a price",
            f"send a price from {LOWEST:g} to {HIGHEST:,.0f}",
        )
    change = np.abs(prices[1:] / prices[:-1] - 1)
    if (change > MAX_JUMP).any():
        i = int((change > MAX_JUMP).argmax()) + 1
        raise bad_body(
            f"{place}[{i}]",
            f"{place}[{i}] is {shown(values[i])} after {shown(values[i - 1])}, a jump over {MAX_JUMP:.0%} in a day",
            "correct the faulty price of the two",
        )
    return prices


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf
