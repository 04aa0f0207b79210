"""Prices in the body of a request: parsing, checks, the champion's inputs made of them, and the forecast."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

from lambda_fn.champion.base import BaseChampion, Died, ForecastError, Rows, TooSlow
from lambda_fn.champion.model_inputs import Window, champion_inputs
from lambda_fn.champion.sandbox import Forecast, SandboxedChampion
from lambda_fn.prices.business_days import business_days_until, days_since_1970, is_business_day
from lambda_fn.prices.plausibility import HIGHEST, LOWEST, MAX_DAILY_CHANGE
from lambda_fn.store.object_store import Unavailable
from lambda_fn.web.errors import MAX_BODY, MAX_SERIES, Problem, bad_body, format_name, format_value, too_large
from lambda_fn.web.params import ForecastQuery

MAX_VALUES = 10_000  # of a column; no champion's window is longer
MAX_COLUMNS = 64
MAX_FORECAST_BYTES = 4_000_000  # of a response; Lambda's limit is 6 MB for the whole result
EARLIEST, LATEST = date(1990, 1, 1), date(2199, 12, 31)  # far enough from the ends of the calendar to count days
_NUMBERS = frozenset({int, float})  # a bool is an int, but not a price
_COLUMN = re.compile("[a-z][a-z0-9_]{0,39}")
_FORMS = 'send {"close": [...]}, or several series as {"series": [{"close": [...]}, ...]}'
# Schemas of the OpenAPI document.
_REF = "#/components/schemas/"
BODY_SCHEMAS: dict[str, dict[str, Any]] = {
    "Column": {
        "type": "array",
        "description": "prices, oldest first, the last one today's; all columns of a series have the same length",
        "items": {"type": "number", "minimum": LOWEST, "maximum": HIGHEST},
        "minItems": 1,
        "maxItems": MAX_VALUES,
    },
    "Series": {
        "type": "object",
        "properties": {
            "close": {"$ref": f"{_REF}Column"},
            "as_of": {
                "type": "string",
                "format": "date",
                "description": "date of the last close; dates the response, required by some champions",
            },
        },
        "required": ["close"],
        "additionalProperties": {"$ref": f"{_REF}Column"},
        "maxProperties": MAX_COLUMNS + 1,
    },
    "SeriesList": {
        "type": "object",
        "description": f"Fewer series if their forecasts would exceed {MAX_FORECAST_BYTES // 10**6} MB of JSON.",
        "properties": {
            "series": {
                "type": "array",
                "items": {"$ref": f"{_REF}Series"},
                "minItems": 1,
                "maxItems": MAX_SERIES,
            }
        },
        "required": ["series"],
        "additionalProperties": False,
    },
    "Sent": {"oneOf": [{"$ref": f"{_REF}Series"}, {"$ref": f"{_REF}SeriesList"}]},
}


class Series(NamedTuple):
    """One series of prices, oldest first.

    Attributes:
        columns: prices [window] by column of the champion.
        as_of: the date of the last row; None if the request does not contain it.
    """

    columns: dict[str, list[float]]
    as_of: date | None


@dataclass(frozen=True)
class PriceBody:
    """The series of one request.

    Attributes:
        series: one or more series.
        is_list: True if they came as {"series": [...]}, which the response repeats.
    """

    series: tuple[Series, ...]
    is_list: bool


def parse_body(data: bytes, champion: BaseChampion, selection: ForecastQuery) -> PriceBody:
    """Parse the series of a body and cut each to the champion's window.

    Columns that the champion does not use are checked and then ignored, so that a caller can send the columns of two
    champions at once.

    Args:
        data: the bytes of the body.
        champion: the champion, whose window, columns and calendar the prices must have.
        selection: the parts of the forecast in the response, which limit the number of series.

    Raises:
        Problem: 400 with the place, for example `series[2].close[17]`, and what to send; 413 over MAX_BODY.
    """
    body = _check_object("body", parse_json(data))
    if "series" not in body:
        return PriceBody((_parse_series("", body, champion),), is_list=False)
    for name in body:
        if name != "series":
            field = format_name(name)
            raise bad_body(field, f"{field} is outside of series", f"move {field} into each of the series")
    entries = body["series"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_SERIES:
        raise bad_body("series", f"series is {format_value(entries)}", f"send a list of 1 to {MAX_SERIES} objects")
    max_series = MAX_FORECAST_BYTES // selection.max_json_bytes()
    if len(entries) > max_series:
        cure = f"send at most {max_series} series, or request a shorter horizon or fewer levels"
        raise bad_body("series", f"series is {format_value(entries)}, whose response would be too long", cure)
    series = (_parse_series(f"series[{i}].", entry, champion) for i, entry in enumerate(entries))
    return PriceBody(tuple(series), is_list=True)


def parse_json(data: bytes, make_object: Callable[[list[tuple[str, object]]], object] | None = None) -> object:
    """Parse a body as JSON. Raises Problem: 400 for invalid JSON, 413 over MAX_BODY.

    `make_object` makes objects of names and values; by default they are objects of columns.
    """
    if len(data) > MAX_BODY:
        raise too_large()
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=make_object or _make_object)
    except UnicodeDecodeError as error:
        raise bad_body("body", f"the body is not UTF-8: {error.reason}", "send JSON in UTF-8") from error
    except RecursionError as error:
        raise bad_body("body", "the body is nested too deeply", _FORMS) from error
    except ValueError as error:
        raise bad_body("body", f"the body is not JSON: {error}", _FORMS) from error


def _make_object(members: list[tuple[str, object]]) -> dict[str, object]:
    """Make a JSON object. Raises Problem (400) for a repeated name, and for more names than columns and as_of."""
    if len(members) > MAX_COLUMNS + 1:
        message = f"an object in the body has {len(members):,} names"
        raise bad_body("body", message, f"send at most {MAX_COLUMNS} columns and as_of in one object")
    result: dict[str, object] = {}
    for name, value in members:
        if name in result:
            raise bad_body(format_name(name), f"{format_name(name)} is given twice", "send each name once")
        result[name] = value
    return result


def _check_object(place: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise bad_body(place, f"{place} is {format_value(value)}, not an object", _FORMS)
    return value


def _parse_series(prefix: str, value: object, champion: BaseChampion) -> Series:
    """Parse one series; `prefix` is its place in the body."""
    entry = _check_object(prefix.rstrip(".") or "body", value)
    if "close" not in entry:
        raise bad_body(f"{prefix}close", f"{prefix}close is missing", _FORMS)
    as_of = _parse_as_of(f"{prefix}as_of", entry, champion)
    columns = {}
    for name, prices in entry.items():
        if name == "as_of":
            continue
        if name not in champion.columns and not (isinstance(prices, list) and _COLUMN.fullmatch(name)):
            place = f"{prefix}{format_name(name)}"
            names = ", ".join((*champion.columns, "as_of"))
            raise bad_body(place, f"unknown name {place}", f"valid names are {names} and further price columns")
        columns[name] = parse_prices(f"{prefix}{name}", prices)
    window, rows = champion.metadata.window, len(columns["close"])
    if rows < window:
        raise bad_body(
            f"{prefix}close",
            f"{prefix}close has {rows} values, the champion needs {window}",
            f"send at least {window} daily closes, oldest first, the last one today's",
        )
    for name, column in columns.items():
        if len(column) != rows:
            raise bad_body(
                f"{prefix}{name}",
                f"{prefix}{name} has {len(column)} values, close has {rows}",
                "send one value of each column for each day",
            )
    for name in champion.columns:
        if name not in columns:
            raise bad_body(
                f"{prefix}{name}",
                f"{prefix}{name} is missing: the champion uses {', '.join(champion.columns)}",
                f"add {name}, a list as long as close",
            )
    return Series({name: columns[name][-window:] for name in champion.columns}, as_of)


def _parse_as_of(place: str, entry: Mapping[str, object], champion: BaseChampion) -> date | None:
    if "as_of" not in entry:
        if champion.inputs != champion.columns:
            raise bad_body(
                place,
                f"{place} is missing: the champion uses the dates of the prices",
                'add the date of the last close, for example "as_of": "2026-10-30"',
            )
        return None
    text = entry["as_of"]
    cure = f"send the date of the last close as YYYY-MM-DD, from {EARLIEST} to {LATEST}, or omit it"
    if not isinstance(text, str) or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise bad_body(place, f"{place} is {format_value(text)}, not a date", cure)
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise bad_body(place, f"{place} is {text}: {error}", cure) from error
    if not EARLIEST <= day <= LATEST:
        raise bad_body(place, f"{place} is {text}, too far away", cure)
    source = champion.metadata.prices
    if not is_business_day(day, source):
        raise bad_body(place, f"{place} is {text}, {day:%A}, a day without a price ({source})", cure)
    return day


def parse_prices(place: str, values: object) -> list[float]:
    """Return the prices of a JSON list.

    Raises:
        Problem: 400 for an empty or too long list, and with the position of the first value that is not a number, is
            out of range, or differs too much from the one before.
    """
    if not isinstance(values, list) or not values:
        raise bad_body(place, f"{place} is {format_value(values)}", "send a list of prices, oldest first")
    if len(values) > MAX_VALUES:
        raise bad_body(place, f"{place} is {format_value(values)}", f"send the last {MAX_VALUES:,} at most")
    if not _NUMBERS.issuperset(map(type, values)):
        i = next(i for i, value in enumerate(values) if type(value) not in _NUMBERS)
        raise bad_body(f"{place}[{i}]", f"{place}[{i}] is {format_value(values[i])}, not a number", "send a price")
    try:
        prices = list(map(float, values))
    except OverflowError:  # an integer of more than 308 digits, which is the first value out of range
        prices = [float(value) if LOWEST <= value <= HIGHEST else math.inf for value in values]
    outside = next((i for i, price in enumerate(prices) if not LOWEST <= price <= HIGHEST), None)  # NaN, too
    if outside is not None:
        raise bad_body(
            f"{place}[{outside}]",
            f"{place}[{outside}] is {format_value(values[outside])}, not a price",
            f"send a price from {LOWEST:g} to {HIGHEST:,.0f}",
        )
    jump = next((i for i, (old, new) in enumerate(pairwise(prices), 1) if abs(new / old - 1) > MAX_DAILY_CHANGE), None)
    if jump is not None:
        change = f"{format_value(values[jump])} after {format_value(values[jump - 1])}"
        raise bad_body(
            f"{place}[{jump}]",
            f"{place}[{jump}] is {change}, a jump over {MAX_DAILY_CHANGE:.0%} in a day",
            "correct whichever of the two prices is wrong",
        )
    return prices


def series_inputs(champion: BaseChampion, batch: Sequence[Series]) -> Rows:
    """Return the champion's inputs, with the last business days up to `as_of` for the days of the rows."""
    windows = []
    for columns, as_of in batch:
        days = days_since_1970([as_of] if as_of else [])
        if days:
            days = business_days_until(days[0], champion.metadata.window, champion.metadata.prices)
        windows.append(Window(columns, days))
    return champion_inputs(champion, windows)


def forecast_series(champion: SandboxedChampion, body: PriceBody) -> Forecast:
    """Forecast all series as one batch. If that fails, report the first series that fails alone."""
    try:
        return champion.plausible_forecast(series_inputs(champion, body.series))
    except (Died, TooSlow, Unavailable) as error:  # each of many series would take its time again
        raise champion_problem(error, "series") from error
    except ForecastError as error:
        if body.is_list:
            for i, series in enumerate(body.series):
                run(champion, series_inputs(champion, [series]), f"series[{i}].close", "series")
        raise bad_body("series" if body.is_list else "close", str(error), "check the prices") from error


def run(champion: SandboxedChampion, tensors: Rows, place: str, items: str = "rows") -> Forecast:
    """Run the champion.

    Args:
        champion: the champion.
        tensors: its inputs by name, each [batch][length].
        place: the place of the inputs in the body.
        items: the name for windows in the cure of a run that takes too long.

    Returns prices: quantiles [batch][horizon][levels] and mean [batch][horizon].

    Raises Problem: 400 for prices without a plausible forecast, 503 as in `champion_problem`.
    """
    try:
        return champion.plausible_forecast(tensors)
    except (Died, TooSlow, Unavailable) as error:
        raise champion_problem(error, items) from error
    except ForecastError as error:
        raise bad_body(place, str(error), "check the prices") from error


def champion_problem(error: Died | TooSlow | Unavailable, items: str) -> Problem:
    """Return the 503 for a champion that was stopped, that ended its process, or that no process is free to run."""
    if isinstance(error, TooSlow):
        return Problem(503, "too_slow", str(error), f"send fewer {items} at once", headers={"Retry-After": "1"})
    if isinstance(error, Unavailable):
        return Problem(503, "busy", "no process is free to run the champion", "retry", headers={"Retry-After": "5"})
    cure = "use GET /api/predict for the official forecast; the operator has to publish another champion"
    return Problem(503, "champion_failed", str(error), cure, headers={"Retry-After": "60"})
