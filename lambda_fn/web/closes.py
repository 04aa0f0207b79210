"""One list of prices from a request, checked value by value."""

import math

import numpy as np
from numpy.typing import NDArray

from lambda_fn.prices.limits import HIGHEST, LOWEST, MAX_JUMP
from lambda_fn.web.problem import bad_body, shown

MAX_VALUES = 10_000  # of a column; no champion's window is longer
_NUMBERS = frozenset({int, float})  # a bool is an int, but no price


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
    if not _NUMBERS.issuperset(map(type, values)):
        i = next(i for i, value in enumerate(values) if type(value) not in _NUMBERS)
        raise bad_body(f"{place}[{i}]", f"{place}[{i}] is {shown(values[i])}, not a number", "send a price")
    prices = _floats(values)
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


def _floats(values: list[int | float]) -> NDArray[np.float64]:
    try:
        return np.array(values, np.float64)
    except OverflowError:  # an integer of more than 308 digits, which is the first that is out of range
        return np.array([_float(value) for value in values])


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
