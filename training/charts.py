"""Text charts without colours: a fan of intervals and bars of skill, in ASCII where the encoding has no more."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lambda_fn.currency_pairs import price_digits

MIN_WIDTH = 20  # columns of the picture itself, however narrow the terminal is
MIN_RANGE = 1e-5  # of the values: a smaller range is printed as 0.00 %, so its bars are empty


class Shapes(NamedTuple):
    """Characters of a chart: the intervals of a fan from the widest to the narrowest, a median, an axis and a bar."""

    bands: tuple[str, str, str]
    median: str
    axis: str
    bar: str


FINE = Shapes(("─", "░", "█"), "┃", "│", "█")
PLAIN = Shapes(("-", "=", "#"), "|", "|", "#")


class Day(NamedTuple):
    """One day of a fan: intervals as (lower, upper), the widest first, and the median."""

    name: str
    intervals: Sequence[tuple[float, float]]
    median: float


def select_shapes(encoding: str) -> Shapes:
    """Return the finest shapes that text in this encoding can represent."""
    try:
        "".join((*FINE.bands, *FINE[1:])).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return FINE


def fan(days: Sequence[Day], levels: Sequence[str], width: int, shapes: Shapes) -> list[str]:
    """Draw one line per day on a price axis, with the axis labels above and the legend below.

    Args:
        days: The days, from top to bottom.
        levels: The levels of the intervals in percent, the widest first.
        width: Columns of the terminal.
        shapes: The characters to draw with.
    """
    margin = max(len(day.name) for day in days) + 1
    columns = max(width - margin - 1, MIN_WIDTH)
    low = min(lower for day in days for lower, _ in day.intervals)
    high = max(upper for day in days for _, upper in day.intervals)
    scale = (columns - 1) / (high - low) if high > low else 0.0

    def column(price: float) -> int:
        return round((price - low) * scale)

    digits = price_digits(low)
    start, middle, end = (f"{price:.{digits}f}" for price in (low, (low + high) / 2, high))
    gap = columns - len(start) - len(middle) - len(end)
    lines = [f"{' ' * margin}{start}{' ' * (gap // 2)}{middle}{' ' * (gap - gap // 2)}{end}"]
    for day in days:
        cells = [" "] * columns
        for (lower, upper), band in zip(day.intervals, shapes.bands, strict=False):
            first, last = column(lower), column(upper)
            cells[first : last + 1] = band * (last + 1 - first)
        cells[column(day.median)] = shapes.median
        lines.append(f"{day.name:<{margin}}{''.join(cells)}".rstrip())
    legend = [f"{band} {level} %" for band, level in zip(shapes.bands, levels, strict=False)]
    return [*lines, " " * margin + "  ".join((f"{shapes.median} median", *reversed(legend)))]


def bars(values: Mapping[str, float], width: int, shapes: Shapes) -> list[str]:
    """Draw one line per value, gains to the right of the axis and losses to its left, with the number in percent."""
    margin = max(map(len, values)) + 1
    numbers = {name: f"{100 * value:+.2f} %" for name, value in values.items()}
    columns = max(width - margin - max(map(len, numbers.values())) - 2, MIN_WIDTH)
    low, high = min(0.0, *values.values()), max(0.0, *values.values())
    scale = (columns - 1) / (high - low) if high - low > MIN_RANGE else 0.0
    zero = round(-low * scale)
    lines = []
    for name, value in values.items():
        length = round(abs(value) * scale)
        loss, gain = (length, 0) if value < 0 else (0, length)
        picture = f"{' ' * (zero - loss)}{shapes.bar * loss}{shapes.axis}{shapes.bar * gain}"
        lines.append(f"{name:<{margin}}{picture:<{columns + 1}} {numbers[name]}")
    return lines
