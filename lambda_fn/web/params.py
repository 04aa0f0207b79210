"""Parameters of requests: each is declared once, for its parser and for the OpenAPI document."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from lambda_fn.prices.plausibility import HIGHEST, LOWEST, MIN_PROBABILITY
from lambda_fn.web.errors import bad_query, format_value

DEFAULT_HORIZON = 5  # business days: a week
# The longest JSON of each part: a price has 15 characters, a return 12, a level 12, a
# coverage 9 and a volatility 15.
SERIES_BYTES, DAY_BYTES, LEVEL_BYTES, INTERVAL_BYTES = 100, 330, 65, 140
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)
_FORMATS = ("json", "csv", "html")


class Parameter(NamedTuple):
    """A parameter in the query or the path.

    Attributes:
        name: its name in requests.
        description: for the OpenAPI document.
        example: a valid value.
        schema: its type and bounds in JSON Schema, by which it is parsed.
        key: its name in the OpenAPI document, where several parameters have one name.
        noun: what its value is, for messages.
    """

    name: str
    description: str
    example: object
    schema: Mapping[str, Any]
    key: str = ""
    noun: str = "number of days"

    def parse_whole(self, query: Mapping[str, str], default: int, maximum: int | None = None) -> int:
        """Return a whole number, at most `maximum` or that of the schema. Raises Problem (400)."""
        text = query.get(self.name)
        if text is None:
            return default
        minimum, maximum = self.schema["minimum"], maximum or self.schema["maximum"]
        # [0-9], not \d or int(): both also accept other scripts' digits, and int() accepts "1_0" and " 1"
        if not re.fullmatch("[0-9]{1,9}", text) or not minimum <= int(text) <= maximum:
            message = f"{self.name}={format_value(text)} is not a valid {self.noun}"
            cure = f"give a whole number from {minimum} to {maximum}; the default is {default}"
            raise bad_query(self.name, message, cure)
        return int(text)

    def parse_number(self, query: Mapping[str, str]) -> float:
        """Return a number within the bounds of the schema. Raises Problem (400)."""
        text, minimum, maximum = query[self.name], self.schema["minimum"], self.schema["maximum"]
        if not _NUMBER.fullmatch(text) or not minimum <= float(text) <= maximum:
            message = f"{self.name}={format_value(text)} is not a valid {self.noun}"
            cure = f"give a {self.noun} from {minimum} to {maximum:,.10g}, for example {self.name}={self.example}"
            raise bad_query(self.name, message, cure)
        return float(text)

    def parse_day(self, query: Mapping[str, str]) -> date:
        """Return a date. Raises Problem (400)."""
        text = query[self.name]
        try:
            if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):  # fromisoformat also accepts 20261030 and 2026-W44-5
                return date.fromisoformat(text)
        except ValueError:
            pass
        message = f"{self.name}={format_value(text)} is not a date"
        raise bad_query(self.name, message, f"give YYYY-MM-DD, for example {self.name}={self.example}")

    def parse_choice(self, query: Mapping[str, str]) -> str:
        """Return one of the values of the schema. Raises Problem (400)."""
        text: str = query.get(self.name, self.schema["default"])
        if text not in self.schema["enum"]:
            message = f"{self.name}={format_value(text)} is not a {self.noun}"
            raise bad_query(self.name, message, f"give {' or '.join(self.schema['enum'])}")
        return text


_POSITIVE = {"type": "integer", "minimum": 1}
_NUMBERS = {"type": "array", "items": {"type": "number"}}  # repeated, or separated by commas
PAIR = Parameter(
    "pair",
    "Currency pair, one of GET /api/pairs. Default: the first of them.",
    "EURUSD",
    {"type": "string", "pattern": "^[A-Z]{6}$"},
)
FORMAT = Parameter(
    "format",
    "Format of the response, instead of Accept: json; csv or html if the route has it.",
    "json",
    {"type": "string", "enum": _FORMATS},
)
DECIMAL = Parameter(
    "decimal",
    "Decimal mark of CSV, for spreadsheets: with a comma, semicolons separate the cells. Other formats ignore it.",
    ",",
    {"type": "string", "enum": (".", ","), "default": "."},
    noun="decimal mark",
)
HORIZON = Parameter(
    "horizon",
    "Number of business days to forecast. Default: 5, or all that the champion forecasts if fewer. For a late forecast "
    "it is 5 from the first day that has not begun, and the days before.",
    5,
    _POSITIVE,
)
H = Parameter("h", "Short form of horizon.", 5, _POSITIVE)
LEVEL = Parameter(
    "level",
    "Coverage in percent of the central intervals to return, repeated or separated by commas. Their bounds and the "
    "median are returned as quantiles. Default: all intervals, which GET /api/champion lists as `intervals`.",
    (80, 95),
    _NUMBERS,
)
QUANTILES = Parameter(
    "quantiles",
    "Quantile levels to return, repeated or separated by commas; the median is always included. Intervals are then "
    "returned only for `level`. Default: all levels.",
    (0.1, 0.9),
    _NUMBERS,
)
_PRICE = {"type": "number", "minimum": LOWEST, "maximum": HIGHEST}
QUESTIONS = (
    Parameter(
        "below",
        "Price: returns the probability of a rate below it. Exactly one of below, above, probability and touch is "
        "required.",
        1.1,
        _PRICE,
        noun="price",
    ),
    Parameter("above", "Price: returns the probability of a rate above it.", 1.15, _PRICE, noun="price"),
    Parameter(
        "probability",
        "Probability: returns the price below which the rate is with this probability.",
        0.05,
        {"type": "number", "minimum": MIN_PROBABILITY, "maximum": 1 - MIN_PROBABILITY},
        noun="probability",
    ),
    Parameter(
        "touch",
        "Price: returns the probability that at least one daily close up to the day is at or beyond it, seen from the "
        "last close.",
        1.1,
        _PRICE,
        noun="price",
    ),
)
DAY = HORIZON._replace(
    description="Business day after the last close. Default: the first that has not begun.", key="horizon_of_one"
)
DAY_H = H._replace(key="h_of_one")
DATE = Parameter(
    "date",
    "Business day of the forecast, instead of horizon.",
    "2026-11-06",
    {"type": "string", "format": "date"},
)
AS_OF = Parameter(
    "as_of",
    "Date of a last close: returns the forecast that the ledger stored after it, with its scores, instead of the "
    "newest. All its days are the default.",
    "2026-10-30",
    {"type": "string", "format": "date"},
)
FORECAST_PARAMETERS = (HORIZON, H, LEVEL, QUANTILES, PAIR)
PROBABILITY_PARAMETERS = (*QUESTIONS, DAY, DAY_H, DATE, PAIR)


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


def parse_query(
    query: Mapping[str, str], horizon: int, levels: Sequence[float], default_horizon: int = DEFAULT_HORIZON
) -> ForecastQuery:
    """Parse the query parameters for a champion with this horizon and these levels.

    The default is `default_horizon` days, or all if there are fewer, and every level. `level` selects intervals and the
    quantiles that bound them; `quantiles` selects levels, without intervals unless `level` selects them. The median is
    always included.

    Raises:
        Problem: 400 with the parameter and the available values.
    """
    days = parse_horizon(query, horizon, min(default_horizon, horizon))
    available = central_intervals(levels)
    if "level" not in query and "quantiles" not in query:
        return ForecastQuery(days, tuple(range(len(levels))), available)
    positions, coverages = {levels.index(0.5)}, set()
    for text in query["level"].split(",") if "level" in query else ():
        coverage = text.strip()
        coverage = f"{float(coverage):g}" if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?", coverage) else ""
        if coverage not in available:
            raise bad_query(
                "level",
                f"level={format_value(text.strip())} is not the coverage, in percent, of an available interval",
                f"available intervals are {', '.join(available)}; the default is all of them",
            )
        coverages.add(coverage)
        positions.update(available[coverage])
    for text in query["quantiles"].split(",") if "quantiles" in query else ():
        level = float(text) if re.fullmatch(r"[0-9]?\.[0-9]{1,9}", text.strip()) else -1.0
        if level not in levels:
            raise bad_query(
                "quantiles",
                f"quantiles={format_value(text.strip())} is not an available level",
                f"available levels are {', '.join(f'{other:g}' for other in levels)}; for any other level use "
                "GET /api/probability?probability=",
            )
        positions.add(levels.index(level))
    intervals = {coverage: bounds for coverage, bounds in available.items() if coverage in coverages}
    return ForecastQuery(days, tuple(sorted(positions)), intervals)


def parse_horizon(query: Mapping[str, str], longest: int, default: int) -> int:
    """Return the business days of `horizon` or `h`; `default` if neither is there. Raises Problem (400)."""
    if "h" not in query:
        return HORIZON.parse_whole(query, default, longest)
    if "horizon" in query:
        raise bad_query("h", "horizon and h are the same parameter, but both are present", "give one of them")
    return H.parse_whole(query, default, longest)
