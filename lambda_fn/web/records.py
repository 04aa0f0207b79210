"""Parsed records of a pair in memory, each with the ETag that reveals a newer one in the store."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

from lambda_fn.record.official_forecast import Official
from lambda_fn.record.timeliness import Timeliness, assess
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import CachedValue, LastKnownGood, NothingToServe, as_not_yet_published
from lambda_fn.store.object_store import Missing, Store
from lambda_fn.web.params import AS_OF
from lambda_fn.web.response import JsonObject, Version

if TYPE_CHECKING:
    from lambda_fn.web.ledger import Ledger

T = TypeVar("T")


class CachedRecord(NamedTuple, Generic[T]):
    """A record and the ETag of its bytes in the store."""

    value: T
    etag: str


def fetcher(
    store: Store, pair: str, key: str, parse: Callable[[bytes], T]
) -> Callable[[CachedRecord[T] | None], CachedRecord[T]]:
    """Return a function that reads the record under `key` unless the cached one is the latest.

    It raises what the store and `parse` raise.

    Args:
        store: the store with the record.
        pair: if the record is missing, this pair's keys show whether anything was ever published.
        key: the record's key in the store.
        parse: turns the bytes into a record, or raises ContractError.
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


# The source of a response: the page uses forecast, record and book, a book the forecasts of its currencies.
Record = Literal["forecast", "record", "page", "book"]
EXPIRED_RETRY_S = 600  # prices come once a day
NO_QUERY: Mapping[str, str] = MappingProxyType({})
_log = logging.getLogger(__name__)


def _parse_record(data: bytes, pair: str) -> JsonObject:
    from lambda_fn.record.summary_checks import parse_record  # lazy, because most requests do not need the record

    return parse_record(data, pair)


class Records:
    """Caches the records of a pair; each is revalidated when it is older than CHAMPION_MAX_AGE_S."""

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], float], background_refresh: bool = False
    ) -> None:
        """Create empty caches.

        Args:
            store: the store with the records.
            settings: those of the pair.
            clock: returns seconds since 1970.
            background_refresh: as in `store.cache`.
        """
        self._store, self._settings, self._clock = store, settings, clock
        self._ledger: Ledger | None = None
        self._lock = threading.Lock()
        self.generation: int | None = None
        self._logged_sentence = ""
        pair = settings.pair
        parse_official, parse = partial(Official.parse, pair=pair), partial(_parse_record, pair=pair)
        cache_options = settings.champion_max_age_s, clock, background_refresh, store.wait_budget
        self._official = LastKnownGood(fetcher(store, pair, keys.forecast_key(pair), parse_official), *cache_options)
        self._record = LastKnownGood(fetcher(store, pair, keys.record_key(pair), parse), *cache_options)

    def official(self) -> tuple[CachedValue[CachedRecord[Official]], Timeliness]:
        """Return the official forecast and its age. What the operator has to do about the age is logged once a day.

        Raises NothingToServe if there is none, or if it has expired and REFUSE_EXPIRED is set.
        """
        latest = self._official.current()
        official = latest.value.value
        if official.generation != self.generation:
            _log.info("serving generation %d, %s", official.generation, official.champion["name"])
            self.generation = official.generation
        timeliness = assess(official, self.now())
        if timeliness.sentence != self._logged_sentence:
            self._logged_sentence = timeliness.sentence
            if timeliness.fix:
                _log.warning("%s: %s; %s", official.pair, timeliness.sentence, timeliness.fix)
        if timeliness.state == "expired" and self._settings.refuse_expired:
            raise NothingToServe(timeliness.sentence, EXPIRED_RETRY_S, "expired")
        return latest, timeliness

    def blocked_generation(self) -> int | None:
        """Return the generation whose champion failed to forecast the live window; None if there is none."""
        try:
            return self._official.current().value.value.blocked_generation
        except NothingToServe:
            return None

    def record(self) -> CachedValue[CachedRecord[JsonObject]]:
        """Return the track record. Raises NothingToServe if there is none."""
        return self._record.current()

    def ledger(self) -> "Ledger":
        """Return the entries of the ledger, none of which is read yet at the first call."""
        with self._lock:  # two threads would create two
            if self._ledger is None:
                from lambda_fn.web.ledger import Ledger  # only for a question about a past day

                max_age_s = self._settings.champion_max_age_s
                self._ledger = Ledger(self._store, self._settings.pair, max_age_s, self._clock)
            return self._ledger

    def version(self, record: Record, query: Mapping[str, str] = NO_QUERY) -> Version:
        """Return the version of responses made of this record, or of the ledger's entry that the query names.

        That of a page is of forecast and record.

        Raises as `official`, `record` and `Ledger.find` do.
        """
        if AS_OF.name in query:
            return self.ledger().version(AS_OF.parse_day(query))
        if record == "record":
            return self.version_of(self.record())
        forecast = self.version_of(self.official()[0])
        if record == "forecast":
            return forecast
        try:
            track_record = self.version_of(self.record())
        except NothingToServe:
            return forecast
        ends = forecast.until, track_record.until
        until = None if None in ends else min(end or 0 for end in ends)
        return forecast._replace(etag=f"{forecast.etag} {track_record.etag}", until=until)

    def forecast_version(self) -> Version:
        """Return the version of the official forecast without a look at its age. Raises NothingToServe."""
        return self.version_of(self._official.current())

    def version_of(self, latest: CachedValue[CachedRecord[Any]]) -> Version:
        """Return the version of responses made of a record."""
        until = None if latest.stale else latest.checked_at + self._settings.champion_max_age_s
        return Version(latest.value.etag, latest.checked_at, self.now().toordinal(), until)

    def now(self) -> datetime:
        """Return the time of the clock in UTC."""
        return datetime.fromtimestamp(self._clock(), UTC)
