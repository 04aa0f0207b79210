"""Where a value is on a chart, and the round values that are marked on its axis."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
ROOM = 0.04  # of the range, left free above and below


@dataclass(frozen=True)
class Scale:
    """From the lowest to the highest value, upwards, in percent of the height from the top."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Scale":
        """With some room around the values."""
        found = list(values)
        low, high = min(found), max(found)
        room = ROOM * (high - low) or 0.01 * abs(high) or 1.0
        return cls(low - room, high + room)

    def at(self, value: float) -> float:
        return round(100 * (self.high - value) / (self.high - self.low), 2)

    def ticks(self, most: int) -> list[float]:
        """Round values within the range, ascending, at most so many."""
        rough = (self.high - self.low) / most
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * step for step in STEPS if unit * step >= rough)
        first = math.ceil(self.low / step)
        return [round(step * i, 10) for i in range(first, math.floor(self.high / step) + 1)]


def decimals(ticks: list[float]) -> int:
    """As many as tell the ticks apart, at most six."""
    return next((n for n in range(6) if all(abs(tick - round(tick, n)) < 1e-9 for tick in ticks)), 6)


def path(points: Iterable[tuple[float, float]]) -> str:
    """The d of a line through these points."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
