"""SVG elements as safe markup, and the scales and ticks of the charts."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
ROOM = 0.04  # share of the range that stays free above and below


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """Return an element. Text is escaped, Markup is not.

    Args:
        name: of the element.
        children: text and elements.
        attributes: `class_` becomes class and `data_x` becomes data-x; None is left out.
    """
    opening = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(f"{value:g}" if isinstance(value, float) else value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{opening}>{''.join(map(escape, children))}</{name}>")


@dataclass(frozen=True)
class Scale:
    """A vertical scale from `low` to `high`; positions are percent of the height from the top."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Scale":
        """Return a scale with some room around the values."""
        ordered = sorted(values)
        low, high = ordered[0], ordered[-1]
        room = ROOM * (high - low) or 0.01 * abs(high) or 1.0
        return cls(low - room, high + room)

    def at(self, value: float) -> float:
        """Return the position from the top."""
        return round(100 * (self.high - value) / (self.high - self.low), 2)

    def across(self, value: float) -> str:
        """Return the position from the left, for a horizontal axis."""
        return f"{100 - self.at(value):.2f}%"

    def ticks(self, most: int) -> list[float]:
        """Return round values within the range, ascending, about `most`."""
        rough = (self.high - self.low) / most
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * step for step in STEPS if unit * step >= rough)
        first = math.ceil(self.low / step)
        return [round(step * i, 10) for i in range(first, math.floor(self.high / step) + 1)]


def decimals(ticks: Sequence[float]) -> int:
    """Return the decimals that distinguish the ticks, at most six."""
    return next((n for n in range(6) if all(abs(tick - round(tick, n)) < 1e-9 for tick in ticks)), 6)


def path(points: Iterable[tuple[float, float]]) -> str:
    """Return the `d` attribute of a line through the points."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
