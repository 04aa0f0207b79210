"""What a forecast request asks for: how many days, and which central intervals."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lambda_fn.web.errors import bad_query, shown

USUAL = 5  # business days, a week, where no other number is asked for
# The longest JSON of each part: a price has 15 characters, a return 12, a level 12 and a coverage 9.
SERIES_BYTES, DAY_BYTES, LEVEL_BYTES, INTERVAL_BYTES = 100, 300, 65, 140


class Question(NamedTuple):
    """What to give: the days 1..horizon, the levels at these positions (ascending), and these central intervals
    (coverage in percent, as `intervals_of` names it, to the positions of its two levels)."""

    horizon: int
    positions: tuple[int, ...]
    intervals: dict[str, tuple[int, int]]

    def answer_bytes(self) -> int:
        """At most so many bytes of JSON answer this question of one series, prices and returns."""
        a_day = DAY_BYTES + LEVEL_BYTES * len(self.positions) + INTERVAL_BYTES * len(self.intervals)
        return SERIES_BYTES + self.horizon * a_day


def intervals_of(levels: Sequence[float]) -> dict[str, tuple[int, int]]:
    """The central intervals that the levels hold, narrowest first.

    Returns:
        The coverage in percent ("80") to the positions of its lower and upper level (0.1 and 0.9).
    """
    found = []
    lower, upper = 0, len(levels) - 1
    while lower < upper:  # from both ends, as levels ascend
        apart = levels[lower] + levels[upper] - 1
        if abs(apart) < 1e-9:
            found.append((f"{round(100 * (levels[upper] - levels[lower]), 6):g}", (lower, upper)))
        lower += apart < 1e-9
        upper -= apart > -1e-9
    return dict(reversed(found))


def parse_query(query: Mapping[str, str], horizon: int, levels: Sequence[float]) -> Question:
    """What the query parameters ask of a champion with this horizon and these levels; when empty, USUAL days and
    every level.

    `level` gives those intervals alone, with the quantiles that bound them; `quantiles` gives those levels, with no
    interval unless `level` asks for it. The median is always there.

    Raises:
        Problem: 400 naming the parameter and what is available.
    """
    days = horizon_of(query, horizon, min(USUAL, horizon))
    available = intervals_of(levels)
    if "level" not in query and "quantiles" not in query:
        return Question(days, tuple(range(len(levels))), available)
    intervals = _intervals(query["level"], available) if "level" in query else {}
    positions = {position for both in intervals.values() for position in both} | {levels.index(0.5)}
    if "quantiles" in query:
        positions |= {_position(part.strip(), levels) for part in query["quantiles"].split(",")}
    return Question(days, tuple(sorted(positions)), intervals)


def horizon_of(query: Mapping[str, str], longest: int, usual: int) -> int:
    """The business days that `horizon`, or `h`, asks for; `usual` when neither is given. Raises Problem (400)."""
    given = [name for name in ("horizon", "h") if name in query]
    if len(given) == 2:
        raise bad_query("h", "horizon and h are given together, and mean the same", "give one of them")
    if not given:
        return usual
    [name] = given
    text = query[name]
    # [0-9], not \d or int(): both also take other scripts' digits, and int() takes "1_0" and " 1"
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= longest:
        raise bad_query(
            name,
            f"{name}={shown(text)} is not a number of business days that the champion forecasts",
            f"give a whole number from 1 to {longest}, or leave it out for {usual}",
        )
    return int(text)


def _position(text: str, levels: Sequence[float]) -> int:
    level = float(text) if re.fullmatch(r"[0-9]?\.[0-9]{1,9}", text) else -1.0
    if level not in levels:
        raise bad_query(
            "quantiles",
            f"quantiles={shown(text)} is not a level that the champion forecasts",
            f"available are {', '.join(f'{known:g}' for known in levels)}, as quantiles=0.1,0.9; "
            "GET /api/probability?probability= gives the price of any other",
        )
    return levels.index(level)


def _intervals(text: str, available: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    asked = {_coverage(part.strip(), available) for part in text.split(",")}
    return {coverage: bounds for coverage, bounds in available.items() if coverage in asked}


def _coverage(text: str, available: Mapping[str, tuple[int, int]]) -> str:
    coverage = f"{float(text):g}" if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?", text) else ""
    if coverage not in available:
        raise bad_query(
            "level",
            f"level={shown(text)} is not a central interval, in percent, that the champion forecasts",
            f"available are {', '.join(available)}, as level=80 or level=80,95; leave it out for all",
        )
    return coverage
