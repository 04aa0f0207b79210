"""One list of prices from a request, checked value by value."""

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from lambda_fn.champion.base import BaseChampion, Rows
from lambda_fn.contract import DATE, TARGET_DATE
from lambda_fn.prices.business_days import days_since_1970, is_business_day, next_business_days
from lambda_fn.prices.limits import HIGHEST, LOWEST, MAX_DAILY_CHANGE
from lambda_fn.web.errors import MAX_BODY, MAX_SERIES, bad_body, shown, shown_name, too_large
from lambda_fn.web.params import Question

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
    jump = next((i for i, (old, new) in enumerate(pairwise(prices), 1) if abs(new / old - 1) > MAX_DAILY_CHANGE), None)
    if jump is not None:
        prices_shown = f"{shown(values[jump])} after {shown(values[jump - 1])}"
        raise bad_body(
            f"{place}[{jump}]",
            f"{place}[{jump}] is {prices_shown}, a jump over {MAX_DAILY_CHANGE:.0%} in a day",
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


MAX_COLUMNS = 64
MAX_FORECAST_BYTES = 4_000_000  # of an answer; Lambda's answers end at 6 MB, with all that is around the forecasts
EARLIEST, LATEST = date(1990, 1, 1), date(2199, 12, 31)  # far enough from the ends of the calendar to count days
_COLUMN = re.compile("[a-z][a-z0-9_]{0,39}")
_FORMS = 'send {"close": [...]}, or several as {"series": [{"close": [...]}, ...]}'


@dataclass(frozen=True)
class Series:
    """Prices of one series, oldest first: each champion column [window], and the date of the last row if given."""

    columns: dict[str, list[float]]
    as_of: date | None


@dataclass(frozen=True)
class Sent:
    """The series of one request; `several` when they came as {"series": [...]}."""

    series: tuple[Series, ...]
    several: bool


def parse_body(data: bytes, champion: BaseChampion, question: Question) -> Sent:
    """The series in a body, each cut to the champion's window; as many as the answer to `question` has room for.

    Columns that the champion does not use are checked and then ignored, so that a caller can send for the champion
    of today and the next one at once.

    Raises:
        Problem: 400 naming the place, such as `series[2].close[17]`, and the cure; 413 over MAX_BODY.
    """
    body = _object("body", json_of(data))
    if "series" not in body:
        return Sent((_series("", body, champion),), several=False)
    for name in body:
        if name != "series":
            field = shown_name(name)
            raise bad_body(field, f"{field} is beside series", f"put {field} inside each of the series")
    entries = body["series"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_SERIES:
        raise bad_body("series", f"series is {shown(entries)}", f"send a list of 1 to {MAX_SERIES} objects")
    room = MAX_FORECAST_BYTES // question.answer_bytes()
    if len(entries) > room:
        cure = f"send at most {room} at once, or ask for a shorter horizon or fewer levels"
        raise bad_body("series", f"series is {shown(entries)}, whose answer would be too long", cure)
    parsed = (_series(f"series[{i}].", entry, champion) for i, entry in enumerate(entries))
    return Sent(tuple(parsed), several=True)


def champion_inputs(batch: Sequence[Series], champion: BaseChampion) -> Rows:
    """Return the champion's inputs by name: prices [batch][window] and, where it declares them, `date`
    [batch][window] and `target_date` [batch][horizon] in days since 1970-01-01."""
    horizon, window, source = champion.metadata.horizon, champion.metadata.window, champion.metadata.prices
    inputs: dict[str, list[Sequence[float]]] = {
        name: [series.columns[name] for series in batch] for name in champion.columns
    }
    days = [series.as_of for series in batch if series.as_of is not None]
    if champion.wants_date:
        rows = {day: days_since_1970(_business_days_until(day, window, source)) for day in set(days)}
        inputs[DATE] = [rows[day] for day in days]
    if champion.wants_target_date:
        targets = {day: days_since_1970(next_business_days(day, horizon, source)) for day in set(days)}
        inputs[TARGET_DATE] = [targets[day] for day in days]
    return inputs


def json_of(data: bytes) -> object:
    """What a body says; raises Problem: 400 naming what is wrong with its JSON, 413 over MAX_BODY."""
    if len(data) > MAX_BODY:
        raise too_large()
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise bad_body("body", f"the body is not UTF-8: {error.reason}", "send JSON in UTF-8") from error
    except RecursionError as error:
        raise bad_body("body", "the body is nested too deeply", _FORMS) from error
    except ValueError as error:
        raise bad_body("body", f"the body is not JSON: {error}", _FORMS) from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object; raises Problem for a name that comes twice, and for more names than columns and as_of."""
    if len(pairs) > MAX_COLUMNS + 1:
        words = f"an object in the body has {len(pairs):,} names"
        raise bad_body("body", words, f"send at most {MAX_COLUMNS} columns and as_of in one")
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise bad_body(shown_name(name), f"{shown_name(name)} is given twice", "give each name once")
        found[name] = value
    return found


def _object(place: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise bad_body(place, f"{place} is {shown(value)}, not an object", _FORMS)
    return value


def _series(prefix: str, value: object, champion: BaseChampion) -> Series:
    entry = _object(prefix.rstrip(".") or "body", value)
    if "close" not in entry:
        raise bad_body(f"{prefix}close", f"{prefix}close is missing", _FORMS)
    as_of = _as_of(f"{prefix}as_of", entry, champion)
    columns = dict(_columns(prefix, entry, champion.columns))
    _check_lengths(prefix, columns, champion.metadata.window)
    for name in champion.columns:
        if name not in columns:
            raise bad_body(
                f"{prefix}{name}",
                f"{prefix}{name} is missing: the champion uses {', '.join(champion.columns)}",
                f"add {name}, a list as long as close",
            )
    window = champion.metadata.window
    return Series({name: columns[name][-window:] for name in champion.columns}, as_of)


def _as_of(place: str, entry: Mapping[str, object], champion: BaseChampion) -> date | None:
    if "as_of" not in entry:
        if champion.wants_date or champion.wants_target_date:
            raise bad_body(
                place,
                f"{place} is missing: the champion uses the dates of the prices",
                'add the date of the last close, such as "as_of": "2026-10-30"',
            )
        return None
    text = entry["as_of"]
    cure = f"send the date of the last close as YYYY-MM-DD, from {EARLIEST} to {LATEST}, or leave it out"
    if not isinstance(text, str) or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise bad_body(place, f"{place} is {shown(text)}, not a date", cure)
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


def _columns(prefix: str, entry: Mapping[str, object], wanted: Collection[str]) -> Iterator[tuple[str, list[float]]]:
    for name, value in entry.items():
        if name == "as_of":
            continue
        if name in wanted or (isinstance(value, list) and _COLUMN.fullmatch(name)):
            yield name, parse_prices(f"{prefix}{name}", value)
        else:
            known = ", ".join((*wanted, "as_of"))
            place = f"{prefix}{shown_name(name)}"
            raise bad_body(place, f"unknown name {place}", f"known are {known} and further price columns")


def _check_lengths(prefix: str, columns: Mapping[str, list[float]], window: int) -> None:
    rows = len(columns["close"])
    if rows < window:
        raise bad_body(
            f"{prefix}close",
            f"{prefix}close has {rows} values, the champion needs {window}",
            f"send at least {window} daily closes, oldest first, the last one today's",
        )
    for name, prices in columns.items():
        if len(prices) != rows:
            raise bad_body(
                f"{prefix}{name}",
                f"{prefix}{name} has {len(prices)} values, close has {rows}",
                "send one value of each column a day",
            )


def _business_days_until(day: date, count: int, source: str) -> list[date]:
    """The last `count` business days up to `day` itself, ascending."""
    found: list[date] = []
    while len(found) < count:
        if is_business_day(day, source):
            found.append(day)
        day -= timedelta(days=1)
    return found[::-1]
