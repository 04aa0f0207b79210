"""Charts as text: a fan of intervals and bars of skill, of shapes and not of colours, in ASCII where that is all."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

LEAST_WIDTH = 20  # columns of the picture itself, however narrow the terminal is
LEAST_SHOWN = 1e-5  # of a value: less is 0.00 % in its number, too


class Shapes(NamedTuple):
    """What is drawn with: the intervals of a fan from the widest to the narrowest, a median, an axis and a bar."""

    bands: tuple[str, str, str]
    median: str
    axis: str
    bar: str


FINE = Shapes(("─", "░", "█"), "┃", "│", "█")
PLAIN = Shapes(("-", "=", "#"), "|", "|", "#")


class Day(NamedTuple):
    """A day of a fan: intervals as (lower, upper), the widest first, and the median."""

    name: str
    intervals: Sequence[tuple[float, float]]
    median: float


def shapes(encoding: str) -> Shapes:
    """The shapes that text in this encoding can hold."""
    try:
        "".join((*FINE.bands, *FINE[1:])).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return FINE


def fan(days: Sequence[Day], levels: Sequence[str], width: int, drawn: Shapes) -> list[str]:
    """A line a day on one axis of prices, its ends and middle named above, what the shapes mean below."""
    margin = max(len(day.name) for day in days) + 1
    room = max(width - margin - 1, LEAST_WIDTH)
    low = min(lower for day in days for lower, _ in day.intervals)
    high = max(upper for day in days for _, upper in day.intervals)
    scale = (room - 1) / (high - low) if high > low else 0.0

    def place(price: float) -> int:
        return round((price - low) * scale)

    lines = [" " * margin + _ends(f"{low:.4f}", f"{(low + high) / 2:.4f}", f"{high:.4f}", room)]
    for day in days:
        cells = [" "] * room
        for (lower, upper), band in zip(day.intervals, drawn.bands, strict=False):
            start, end = place(lower), place(upper)
            cells[start : end + 1] = band * (end + 1 - start)
        cells[place(day.median)] = drawn.median
        lines.append(f"{day.name:<{margin}}{''.join(cells)}".rstrip())
    named = [f"{band} {level} %" for band, level in zip(drawn.bands, levels, strict=False)]
    return [*lines, " " * margin + "  ".join((f"{drawn.median} median", *reversed(named)))]


def bars(values: Mapping[str, float], width: int, drawn: Shapes) -> list[str]:
    """A line a value, in percent: gains to the right of the axis and losses to its left, with the number beside it."""
    margin = max(map(len, values)) + 1
    numbers = {name: f"{100 * value:+.2f} %" for name, value in values.items()}
    room = max(width - margin - max(map(len, numbers.values())) - 2, LEAST_WIDTH)
    low, high = min(0.0, *values.values()), max(0.0, *values.values())
    scale = (room - 1) / (high - low) if high - low > LEAST_SHOWN else 0.0
    zero = round(-low * scale)
    lines = []
    for name, value in values.items():
        length = round(abs(value) * scale)
        left, right = (length, 0) if value < 0 else (0, length)
        picture = f"{' ' * (zero - left)}{drawn.bar * left}{drawn.axis}{drawn.bar * right}"
        lines.append(f"{name:<{margin}}{picture:<{room + 1}} {numbers[name]}")
    return lines


def _ends(left: str, middle: str, right: str, room: int) -> str:
    gap = room - len(left) - len(middle) - len(right)
    return f"{left}{' ' * (gap // 2)}{middle}{' ' * (gap - gap // 2)}{right}"
