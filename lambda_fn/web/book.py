"""Parse a book of currencies from a query or a body, and assess it with the official forecasts."""

import math
import re
from binascii import crc32
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple, TypeVar

from lambda_fn.record.book import EURO, Correlations, Risk, assess
from lambda_fn.record.official_forecast import Official, return_sd
from lambda_fn.record.timeliness import Timeliness
from lambda_fn.store.cache import CachedValue, NothingToServe
from lambda_fn.web.errors import RETRY_AFTER_S, Problem, bad_body, bad_query, format_name, format_value, to_problem
from lambda_fn.web.probability import parse_day
from lambda_fn.web.records import CachedRecord, Records
from lambda_fn.web.response import Version
from lambda_fn.web.state import State

T = TypeVar("T")
MAX_POSITIONS = 60
MAX_AMOUNT = 1e15
MAX_CONFIDENCES = 10
MAX_VERSIONS = 256  # books whose records are remembered
MIN_CONFIDENCE, MAX_CONFIDENCE = 50.0, 99.9  # percent
DEFAULT_CONFIDENCES = ("95", "99")
AMOUNT = re.compile(r"[+-]?[0-9]{1,16}(\.[0-9]{1,9})?", re.ASCII)
_CONFIDENCE = re.compile(r"[0-9]{2}(\.[0-9]{1,6})?", re.ASCII)
_BODY_CURE = 'send {"currency": "EUR", "positions": {"USD": 1000000}, "date": "2026-11-06"}'
MakeProblem = Callable[[str, str, str], Problem]  # from field, message and cure
_MEMBERS = ("currency", "positions", "date", "horizon", "confidence")


class BookQuery(NamedTuple):
    """A book as it is asked for.

    Attributes:
        currency: the reporting currency.
        amounts: currency and amount of each position.
        confidences: in percent, as text for the answer.
        day: the parameters `date` or `horizon`.
    """

    currency: str
    amounts: tuple[tuple[str, float], ...]
    confidences: tuple[str, ...]
    day: Mapping[str, str]


class Assessment(NamedTuple):
    """The risk of a book until a day, and the records that it was computed from.

    `as_of` and `timeliness` are those of the oldest forecast; `has_begun` says whether the day has begun. `days` are
    those of the newest forecast, from which the day was chosen.
    """

    risk: Risk
    days: Sequence[date]
    day: date
    horizon: int
    as_of: date
    correlations_as_of: date
    timeliness: Timeliness
    has_begun: bool
    failure_reason: str | None
    checks: Mapping[str, tuple[float, bool]]


def served_currencies(pairs: Sequence[str]) -> list[str]:
    """Return the euro and the currencies whose euro pair is served, in alphabetical order."""
    return sorted({EURO, *(pair[3:] for pair in pairs if pair.startswith(EURO))})


def from_query(query: Mapping[str, str], currencies: Sequence[str]) -> BookQuery:
    """Parse the query of GET /api/book. Raises Problem (400) naming the parameter."""
    currency = _check_currency("currency", query.get("currency", EURO), currencies, bad_query)
    amounts: dict[str, float] = {}
    parts = [part.strip() for part in query.get("position", "").split(",") if part.strip()]
    if len(parts) > MAX_POSITIONS:
        raise _too_many("position", len(parts), bad_query)
    for part in parts:
        name, _, text = part.partition(":")
        _check_currency("position", name, currencies, bad_query)
        if name in amounts:
            raise bad_query("position", f"position has {name} twice", "give each currency once, with its total")
        if not AMOUNT.fullmatch(text) or abs(float(text)) > MAX_AMOUNT:
            message = f"position={format_value(part)} has no amount of at most {MAX_AMOUNT:,.0f}"
            raise bad_query("position", message, "give a currency and an amount, for example position=USD:1000000")
        amounts[name] = float(text)
    texts = query["confidence"].split(",") if "confidence" in query else DEFAULT_CONFIDENCES
    day = {name: query[name] for name in ("date", "horizon", "h") if name in query}
    return BookQuery(currency, tuple(amounts.items()), _parse_confidences(texts, bad_query), day)


def from_body(data: bytes, currencies: Sequence[str]) -> BookQuery:
    """Parse the body of POST /api/book. Raises Problem (400) naming the member."""
    from lambda_fn.web.price_body import parse_json  # only for a POST

    body = parse_json(data, _make_object)
    if not isinstance(body, dict):
        raise bad_body("body", f"the body is {format_value(body)}, not an object", _BODY_CURE)
    if (unknown := next((name for name in body if name not in _MEMBERS), None)) is not None:
        field = format_name(unknown)
        raise bad_body(field, f"{field} is not a member of a book", f"valid names are {', '.join(_MEMBERS)}")
    currency = _check_currency("currency", body.get("currency", EURO), currencies, bad_body)
    positions = body.get("positions", {})
    if not isinstance(positions, dict):
        raise bad_body("positions", f"positions is {format_value(positions)}, not an object", _BODY_CURE)
    for name, amount in positions.items():
        place = f"positions.{format_name(_check_currency('positions', name, currencies, bad_body))}"
        if type(amount) not in (int, float) or not abs(amount) <= MAX_AMOUNT:  # false for NaN too
            message = f"{place} is {format_value(amount)}, not an amount of at most {MAX_AMOUNT:,.0f}"
            raise bad_body(place, message, "send a number, negative for a short position")
    confidence = body.get("confidence", [float(text) for text in DEFAULT_CONFIDENCES])
    confidences = confidence if isinstance(confidence, list) else [confidence]
    if not all(type(value) in (int, float) for value in confidences):
        message = f"confidence is {format_value(confidence)}, not a list of numbers"
        raise bad_body("confidence", message, "send percentages, for example [95, 99]")
    day = {}
    for name, kind in (("date", str), ("horizon", int)):
        if name in body:
            if type(body[name]) is not kind:
                message = f"{name} is {format_value(body[name])}"
                raise bad_body(name, message, "send a date such as 2026-11-06, or a whole number as horizon")
            day[name] = str(body[name])
    texts = [f"{value:.10g}" for value in confidences]
    amounts = tuple((name, float(amount)) for name, amount in positions.items())
    return BookQuery(currency, amounts, _parse_confidences(texts, bad_body), day)


def evaluate(state: State, book: BookQuery) -> Assessment:
    """Assess a book. Raises Problem: 400 for an invalid day, 503 without forecasts or correlations."""
    names = sorted({book.currency, *(name for name, _ in book.amounts)} - {EURO})
    euro_pairs = _euro_pairs(state, names)
    forecasts: dict[str, tuple[CachedValue[CachedRecord[Official]], Timeliness]] = {
        pair[3:]: _read(state, pair, Records.official) for pair in euro_pairs
    }
    officials = {name: latest.value.value for name, (latest, _) in forecasts.items()}
    newest, current = max(forecasts.values(), key=lambda entry: entry[0].value.value.as_of)
    days, position = newest.value.value.days, parse_day(newest.value.value, book.day, current)
    day, has_begun = days[position], position < current.begun
    rates, sds = {EURO: 1.0}, {}
    for name, official in officials.items():
        if day not in official.days:
            message = f"{day} is not a day of the official forecast of EUR{name}, which is of {official.as_of}"
            raise bad_query("date", message, f"give a day from {official.days[0]} to {official.days[-1]}")
        rates[name], sds[name] = official.last_close, return_sd(official, official.days.index(day) + 1)
    latest = _correlations(state)
    record = latest.value.value
    if missing := [name for name in names if name not in record.currencies]:
        message = f"the correlations of {', '.join(missing)} are not available yet"
        cure = "retry after the next ingest, or leave out the currency"
        raise Problem(503, "record_missing", message, cure, headers={"Retry-After": str(RETRY_AFTER_S)})
    oldest, timeliness = min(forecasts.values(), key=lambda entry: entry[0].value.value.as_of)
    checked = min(entry.checked_at for entry, _ in forecasts.values())
    checks = {
        "forecasts": (checked, any(entry.stale for entry, _ in forecasts.values())),
        "correlations": (latest.checked_at, latest.stale),
    }
    reasons = [official.failure_reason for official in officials.values() if official.failure_reason]
    risk = assess(book.currency, book.amounts, rates, sds, record)
    as_of = oldest.value.value.as_of
    return Assessment(
        risk=risk,
        days=days,
        day=day,
        horizon=position + 1,
        as_of=as_of,
        correlations_as_of=record.as_of,
        timeliness=timeliness,
        has_begun=has_begun,
        failure_reason=reasons[0] if reasons else None,
        checks=checks,
    )


def find_version(state: State, query: Mapping[str, str]) -> Version:
    """Return the version of all records that GET /api/book uses for a query. Raises NothingToServe.

    Looking at twenty records takes longer than a cached response, so it is done once until the next of them is checked.
    """
    key, now = (query.get("currency"), query.get("position")), state.clock()
    version = state.book_versions.get(key)
    if version is None or version.until is None or not version.checked_at <= now < version.until:
        version = _find_version(state, query)
        if len(state.book_versions) >= MAX_VERSIONS:
            state.book_versions.clear()
        state.book_versions[key] = version
    return version._replace(day=datetime.fromtimestamp(now, UTC).toordinal())


def _find_version(state: State, query: Mapping[str, str]) -> Version:
    names = {query.get("currency", EURO), *(part.partition(":")[0] for part in query.get("position", "").split(","))}
    euro_pairs = _euro_pairs(state, sorted(name.strip() for name in names))
    versions = [_read(state, pair, Records.forecast_version) for pair in euro_pairs]
    latest = _correlations(state)
    checks = [latest.checked_at, *(version.checked_at for version in versions)]
    ends = [version.until for version in versions]
    max_age_s, is_stale = state.settings.champion_max_age_s, latest.stale or None in ends
    etags = " ".join([latest.value.etag, *(version.etag for version in versions)])
    # The checksum of the entity tags, as a tag of twenty records would be longer than a response header should be.
    return Version(f"{crc32(etags.encode()):08x}", min(checks), 0, None if is_stale else min(checks) + max_age_s)


def _euro_pairs(state: State, names: Sequence[str]) -> list[str]:
    """Return the served euro pairs of these currencies, or the first one, whose days a book without any has.

    Raises Problem (400) if no euro pair is served.
    """
    served = [pair for pair in state.settings.pairs if pair.startswith(EURO)]
    if not served:
        raise bad_query(
            "currency", "no euro pair is served", "ask a service whose PAIRS have euro pairs such as EURUSD"
        )
    return [pair for name in names if (pair := EURO + name) in served] or served[:1]


def _read(state: State, pair: str, read: Callable[[Records], T]) -> T:
    """Return what `read` returns for the records of a pair. Raises Problem (503) that names this pair."""
    try:
        return read(state.pair({"pair": pair}, {}).records)
    except NothingToServe as error:
        raise to_problem(error, pair) from error


def _correlations(state: State) -> CachedValue[CachedRecord[Correlations]]:
    """Return the correlations. Raises Problem (503) whose cure is the job that writes them."""
    try:
        return state.correlations()
    except NothingToServe as error:
        if error.reason not in ("missing", "damaged"):
            raise
        message, cure = f"the correlations of currencies are {error.reason}", "run eurusd ingest, or retry"
        headers = {"Retry-After": str(error.retry_after_s)}
        raise Problem(503, f"record_{error.reason}", message, cure, headers=headers) from error


def _make_object(members: list[tuple[str, object]]) -> dict[str, object]:
    """Make a JSON object. Raises Problem (400) for a repeated name, and for too many."""
    if len(members) > MAX_POSITIONS:
        raise _too_many("positions", len(members), bad_body)
    result: dict[str, object] = {}
    for name, value in members:
        if name in result:
            raise bad_body(format_name(name), f"{format_name(name)} is given twice", "send each currency once")
        result[name] = value
    return result


def _too_many(field: str, count: int, problem: MakeProblem) -> Problem:
    return problem(field, f"{field} has {count:,} positions", f"give at most {MAX_POSITIONS}")


def _check_currency(field: str, name: object, currencies: Sequence[str], problem: MakeProblem) -> str:
    """Return the currency. Raises Problem (400) that lists the served ones."""
    if isinstance(name, str) and name in currencies:
        return name
    raise problem(
        field, f"{field} has {format_value(name)}, which is not served", f"give one of {', '.join(currencies)}"
    )


def _parse_confidences(texts: Sequence[str], problem: MakeProblem) -> tuple[str, ...]:
    """Return the confidences in percent, each once. Raises Problem (400)."""
    cure = f"give percentages from {MIN_CONFIDENCE:g} to {MAX_CONFIDENCE:g}, for example 95"
    names = []
    for text in texts:
        value = float(text) if _CONFIDENCE.fullmatch(text.strip()) else math.nan
        if not MIN_CONFIDENCE <= value <= MAX_CONFIDENCE:
            raise problem("confidence", f"confidence={format_value(text)} is not valid", cure)
        names.append(f"{value:g}")
    unique = tuple(dict.fromkeys(names))
    if not 1 <= len(unique) <= MAX_CONFIDENCES:
        raise problem("confidence", f"confidence has {len(unique)} values", f"give 1 to {MAX_CONFIDENCES}")
    return unique
