"""Records in memory: parsed, with the ETag by which the store tells whether there is a newer one."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from lambda_fn.record.official_forecast import Official
from lambda_fn.record.summary_checks import parse_record
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import CachedValue, LastKnownGood, NothingToServe, as_not_yet_published
from lambda_fn.store.object_store import Missing, Store
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.freshness import Age
from lambda_fn.web.response import Version

T = TypeVar("T")


class CachedRecord(NamedTuple, Generic[T]):
    """A record and the ETag that its bytes have in the store."""

    value: T
    etag: str


def fetcher(
    store: Store, pair: str, key: str, parse: Callable[[bytes], T]
) -> Callable[[CachedRecord[T] | None], CachedRecord[T]]:
    """Return a function that reads the record under `key` unless the cached one is the latest.

    It raises what the store and `parse` raise.
    """

    def fetch(cached: CachedRecord[T] | None) -> CachedRecord[T]:
        try:
            blob = store.read(key, cached.etag) if cached else store.read(key)
        except Missing as error:
            raise as_not_yet_published(error, store, pair) from error
        if blob is None:
            assert cached is not None
            return cached
        return CachedRecord(parse(blob.data), blob.etag)

    return fetch


Record = Literal["forecast", "record", "both"]  # what a response is made of; both is for the page
EXPIRED_RETRY_S = 600  # prices come once a day
_log = logging.getLogger(__name__)


class Records:
    """The records of a pair in memory; each looks for a newer one when it is older than CHAMPION_MAX_AGE_S."""

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], float], background_refresh: bool = False
    ) -> None:
        self._settings = settings
        self._clock = clock
        pair, kept = settings.pair, (settings.champion_max_age_s, clock, background_refresh, store.wait_budget)
        parse_official, parse = partial(Official.parse, pair=pair), partial(parse_record, pair=pair)
        self._official = LastKnownGood(fetcher(store, pair, keys.forecast_key(pair), parse_official), *kept)
        self.generation: int | None = None
        self._record = LastKnownGood(fetcher(store, pair, keys.record_key(pair), parse), *kept)

    def official(self) -> tuple[CachedValue[CachedRecord[Official]], Age]:
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

    def record(self) -> CachedValue[CachedRecord[JsonObject]]:
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

    def _version(self, known: CachedValue[CachedRecord[Any]]) -> Version:
        until = None if known.stale else known.checked_at + self._settings.champion_max_age_s
        return Version(known.value.etag, known.checked_at, self.now().toordinal(), until)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
