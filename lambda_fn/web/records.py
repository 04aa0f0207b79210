"""Records in memory: parsed, with the ETag by which the store tells whether there is a newer one."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from lambda_fn.fields import utc_text
from lambda_fn.record.official_forecast import Official
from lambda_fn.record.summary_checks import parse_record
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import CachedValue, LastKnownGood, NothingToServe
from lambda_fn.store.object_store import Missing, Store
from lambda_fn.web.errors import bad_query, shown
from lambda_fn.web.forecast import JsonObject, forecast_days, shown_forecast
from lambda_fn.web.freshness import Age, freshness
from lambda_fn.web.params import intervals_of, parse_query
from lambda_fn.web.response import Version

T = TypeVar("T")


class Held(NamedTuple, Generic[T]):
    """A record and the ETag that its bytes have in the store."""

    value: T
    etag: str


def fetcher(store: Store, pair: str, key: str, parse: Callable[[bytes], T]) -> Callable[[Held[T] | None], Held[T]]:
    """Reads the record under `key` when it is another than the one held; it raises what the store and `parse` do."""

    def fetch(held: Held[T] | None) -> Held[T]:
        try:
            blob = store.read(key, held.etag) if held else store.read(key)
        except Missing as error:
            from lambda_fn.store.cache import as_not_yet_published  # only where there is nothing

            raise as_not_yet_published(error, store, pair) from error
        if blob is None:
            assert held is not None
            return held
        return Held(parse(blob.data), blob.etag)

    return fetch


EXPIRED_RETRY_S = 600  # prices come once a day
_log = logging.getLogger(__name__)
KINDS = ("live", "backtest")
MAX_DAYS = 250  # that the record holds row by row
_HEALTH = ("name", "type", "version", "generation", "sha256", "activated_at")


class Records:
    """The records of a pair in memory; each looks for a newer one when it is older than CHAMPION_MAX_AGE_S."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float], beside: bool = False) -> None:
        self._settings = settings
        self._clock = clock
        pair, kept = settings.pair, (settings.champion_max_age_s, clock, beside, store.wait_budget)
        parse_official, parse = partial(Official.parse, pair=pair), partial(parse_record, pair=pair)
        self._official = LastKnownGood(fetcher(store, pair, keys.forecast_key(pair), parse_official), *kept)
        self.generation: int | None = None
        self._record = LastKnownGood(fetcher(store, pair, keys.record_key(pair), parse), *kept)

    def official(self) -> tuple[CachedValue[Held[Official]], Age]:
        """The official forecast and its age now; raises NothingToServe when there is none, and with REFUSE_EXPIRED
        when it has expired."""
        known = self._official.current()
        self._note(known.value.value)
        age = Age.of(known.value.value, self.now())
        if age.state == "expired" and self._settings.refuse_expired:
            raise NothingToServe(age.sentence, EXPIRED_RETRY_S, "expired")
        return known, age

    def suspended(self) -> int | None:
        """The generation whose champion gave no forecast for the live window, None when there is none such."""
        try:
            return self._official.current().value.value.blocked_generation
        except NothingToServe:
            return None

    def record(self) -> CachedValue[Held[JsonObject]]:
        """The track record; raises NothingToServe when there is none."""
        return self._record.current()

    def _note(self, official: Official) -> None:
        if official.generation != self.generation:
            _log.info("serving generation %d, %s", official.generation, official.champion["name"])
            self.generation = official.generation

    def version_of_official(self) -> Version:
        """Of answers from the official forecast; raises as `official`."""
        return self._version(self.official()[0])

    def version_of_record(self) -> Version:
        """Of answers from the track record; raises as `record`."""
        return self._version(self.record())

    def version_of_both(self) -> Version:
        """Of the page, which tells of both; raises as `official`."""
        forecast = self.version_of_official()
        try:
            record = self.version_of_record()
        except NothingToServe:
            return forecast
        until = None if None in (forecast.until, record.until) else min(forecast.until or 0, record.until or 0)
        return forecast._replace(etag=f"{forecast.etag} {record.etag}", until=until)

    def _version(self, known: CachedValue[Held[Any]]) -> Version:
        until = None if known.stale else known.checked_at + self._settings.champion_max_age_s
        return Version(known.value.etag, known.checked_at, self.now().toordinal(), until)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def health(records: Records) -> JsonObject:
    """The active champion and its prices; raises as `predict` when there is no forecast."""
    known, age = records.official()
    official, now = known.value.value, records.now()
    activated = datetime.fromisoformat(official.champion["activated_at"])
    return {
        "status": "ok" if age.state == "fresh" else age.state,
        "pair": official.pair,
        "champion": {name: official.champion[name] for name in _HEALTH}
        | {"age_s": round((now - activated).total_seconds(), 1)},
        "prices": official.source,
        "as_of": official.as_of.isoformat(),
        "as_of_age_days": (now.date() - official.as_of).days,
        **told(known, age),
    }


def predict(records: Records, query: Mapping[str, str]) -> JsonObject:
    """The official forecast, as far as it was asked for."""
    known, age = records.official()
    official = known.value.value
    return {
        "pair": official.pair,
        "as_of": official.as_of.isoformat(),
        "last_close": official.last_close,
        "forecast": days_of(official, query),
        "champion": official.champion,
        "prices": official.source,
        "made_at": utc_text(official.made_at),
        **told(known, age),
    }


def days_of(official: Official, query: Mapping[str, str]) -> list[JsonObject]:
    """The days of the official forecast, as far as they were asked for."""
    question = parse_query(query, official.horizon, official.levels)
    days = slice(question.horizon)
    shown = shown_forecast(official.last_close, official.quantiles[days], official.mean[days])
    return forecast_days(question, official.levels, official.days, shown)


def probability(records: Records, query: Mapping[str, str]) -> JsonObject:
    """How likely a price is by the official forecast, or which price has a probability."""
    from lambda_fn.web import probability as likelihood  # only who asks for one

    known, age = records.official()
    return likelihood.answer(known.value.value, query) | told(known, age)


def champion(records: Records) -> JsonObject:
    """The model card."""
    known, age = records.official()
    official = known.value.value
    more: JsonObject = {"intervals": list(intervals_of(official.levels))}
    if last := official.card.get("events_known_through"):
        more["event_days_left"] = (date.fromisoformat(last) - records.now().date()).days
    return official.card | more | told(known, age)


def track_record(records: Records, query: Mapping[str, str]) -> JsonObject:
    """The summary of the live or of the backtest record; the live one with its newest days."""
    kind = query.get("kind", "live")
    if kind not in KINDS:
        raise bad_query("kind", f"kind={shown(kind)} is no kind of record", f"give {' or '.join(KINDS)}")
    days = _days(query)
    known = records.record()
    found = known.value.value
    if kind == "backtest":
        summary: JsonObject | None = found.get("backtest")
        rows: list[JsonObject] = []
    else:
        summary, rows = found["live"], _newest(found, days, "live")
    return {"pair": found["pair"], "kind": kind, "summary": summary, "days": rows, **_checked(known)}


def history(records: Records, query: Mapping[str, str]) -> JsonObject:
    """Forecast and outcome day by day, one business day ahead; each day says whether it was live or late."""
    days = _days(query)
    known = records.record()
    found = known.value.value
    return {"pair": found["pair"], "days": _newest(found, days), **_checked(known)}


def _newest(found: JsonObject, days: int, kind: str | None = None) -> list[JsonObject]:
    rows: list[JsonObject] = [row for row in found.get("newest") or () if kind is None or row["kind"] == kind]
    return rows[-days:]


def told(known: CachedValue[Held[Official]], age: Age) -> JsonObject:
    checked, withheld = {"forecasts": (known.checked_at, known.stale)}, known.value.value.failure_reason
    return {"age": age.to_object(), **freshness(checked, age, withheld)}


def _checked(known: CachedValue[Any]) -> JsonObject:
    return freshness({"records": (known.checked_at, known.stale)})


def _days(query: Mapping[str, str]) -> int:
    text = query.get("days", str(MAX_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_DAYS):
        raise bad_query("days", f"days={shown(text)} is no number of days", f"give a whole number from 1 to {MAX_DAYS}")
    return int(text)
