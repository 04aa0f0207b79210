"""One list of prices from a request, checked value by value."""

import math
from itertools import pairwise

from lambda_fn.prices.limits import HIGHEST, LOWEST, MAX_JUMP
from lambda_fn.web.problem import bad_body, shown

MAX_VALUES = 10_000  # of a column; no champion's window is longer
_NUMBERS = frozenset({int, float})  # a bool is an int, but no price


def parse_prices(place: str, values: object) -> list[float]:
    """Return the prices of a JSON list.

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
    outside = next((i for i, price in enumerate(prices) if not LOWEST <= price <= HIGHEST), None)  # NaN, too
    if outside is not None:
        raise bad_body(
            f"{place}[{outside}]",
            f"{place}[{outside}] is {shown(values[outside])}, not a price",
            f"send a price from {LOWEST:g} to {HIGHEST:,.0f}",
        )
    jump = next((i for i, (old, new) in enumerate(pairwise(prices), 1) if abs(new / old - 1) > MAX_JUMP), None)
    if jump is not None:
        prices_shown = f"{shown(values[jump])} after {shown(values[jump - 1])}"
        raise bad_body(
            f"{place}[{jump}]",
            f"{place}[{jump}] is {prices_shown}, a jump over {MAX_JUMP:.0%} in a day",
            "correct the faulty price of the two",
        )
    return prices


def _floats(values: list[int | float]) -> list[float]:
    try:
        return list(map(float, values))
    except OverflowError:  # an integer of more than 308 digits, which is the first that is out of range
        return [_float(value) for value in values]


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
