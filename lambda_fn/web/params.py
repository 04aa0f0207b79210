"""Query parameters of a forecast: the number of days, the quantiles and the central intervals."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lambda_fn.web.errors import bad_query, format_value

DEFAULT_HORIZON = 5  # business days: a week
# The longest JSON of each part: a price has 15 characters, a return 12, a level 12 and a coverage 9.
SERIES_BYTES, DAY_BYTES, LEVEL_BYTES, INTERVAL_BYTES = 100, 300, 65, 140


class ForecastQuery(NamedTuple):
    """The parts of a forecast that a request selects.

    Attributes:
        horizon: the last business day; the days are 1 to horizon.
        positions: indices of the selected levels, ascending.
        intervals: coverage in percent, in the form of `central_intervals`, to the indices of its two levels.
    """

    horizon: int
    positions: tuple[int, ...]
    intervals: dict[str, tuple[int, int]]

    def max_json_bytes(self) -> int:
        """Return an upper bound for the JSON of one series, prices and returns."""
        bytes_per_day = DAY_BYTES + LEVEL_BYTES * len(self.positions) + INTERVAL_BYTES * len(self.intervals)
        return SERIES_BYTES + self.horizon * bytes_per_day


def central_intervals(levels: Sequence[float]) -> dict[str, tuple[int, int]]:
    """Find the central intervals among quantile levels, narrowest first.

    Returns:
        The coverage in percent ("80") to the indices of its lower and upper level (0.1 and 0.9).
    """
    widest_first = []
    lower, upper = 0, len(levels) - 1
    while lower < upper:  # from both ends, because levels ascend
        asymmetry = levels[lower] + levels[upper] - 1
        if abs(asymmetry) < 1e-9:
            widest_first.append((f"{round(100 * (levels[upper] - levels[lower]), 6):g}", (lower, upper)))
        lower += asymmetry < 1e-9
        upper -= asymmetry > -1e-9
    return dict(reversed(widest_first))


def parse_query(query: Mapping[str, str], horizon: int, levels: Sequence[float]) -> ForecastQuery:
    """Parse the query parameters for a champion with this horizon and these levels.

    The default is DEFAULT_HORIZON days and every level. `level` selects intervals and the quantiles that bound them;
    `quantiles` selects levels, without intervals unless `level` selects them. The median is always included.

    Raises:
        Problem: 400 with the parameter and the available values.
    """
    days = parse_horizon(query, horizon, min(DEFAULT_HORIZON, horizon))
    available = central_intervals(levels)
    if "level" not in query and "quantiles" not in query:
        return ForecastQuery(days, tuple(range(len(levels))), available)
    intervals = {}
    if "level" in query:
        coverages = {_parse_coverage(part.strip(), available) for part in query["level"].split(",")}
        intervals = {coverage: bounds for coverage, bounds in available.items() if coverage in coverages}
    positions = {position for bounds in intervals.values() for position in bounds} | {levels.index(0.5)}
    if "quantiles" in query:
        positions |= {_parse_level(part.strip(), levels) for part in query["quantiles"].split(",")}
    return ForecastQuery(days, tuple(sorted(positions)), intervals)


def parse_horizon(query: Mapping[str, str], longest: int, default: int) -> int:
    """Return the business days of `horizon` or `h`; `default` if neither is there. Raises Problem (400)."""
    names = [name for name in ("horizon", "h") if name in query]
    if len(names) == 2:
        raise bad_query("h", "horizon and h are the same parameter, but both are present", "give one of them")
    if not names:
        return default
    [name] = names
    text = query[name]
    # [0-9], not \d or int(): both also accept other scripts' digits, and int() accepts "1_0" and " 1"
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= longest:
        raise bad_query(
            name,
            f"{name}={format_value(text)} is not a valid number of business days",
            f"give a whole number from 1 to {longest}; the default is {default}",
        )
    return int(text)


def _parse_level(text: str, levels: Sequence[float]) -> int:
    """Return the index of a quantile level."""
    level = float(text) if re.fullmatch(r"[0-9]?\.[0-9]{1,9}", text) else -1.0
    if level not in levels:
        raise bad_query(
            "quantiles",
            f"quantiles={format_value(text)} is not an available level",
            f"available levels are {', '.join(f'{available:g}' for available in levels)}; for any other level use "
            "GET /api/probability?probability=",
        )
    return levels.index(level)


def _parse_coverage(text: str, available: Mapping[str, tuple[int, int]]) -> str:
    """Return the coverage of a central interval in the form of `central_intervals`."""
    coverage = f"{float(text):g}" if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?", text) else ""
    if coverage not in available:
        raise bad_query(
            "level",
            f"level={format_value(text)} is not the coverage, in percent, of an available interval",
            f"available intervals are {', '.join(available)}; the default is all of them",
        )
    return coverage
