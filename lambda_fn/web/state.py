"""State between requests: each pair's records and champion, created on first use."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from lambda_fn.record.summary_checks import parse_pairs
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import CachedValue, LastKnownGood, NothingToServe
from lambda_fn.store.object_store import Store
from lambda_fn.web.errors import Problem, bad_query, format_value
from lambda_fn.web.params import PAIR
from lambda_fn.web.records import CachedRecord, Records, fetcher
from lambda_fn.web.response import JsonObject, Version

if TYPE_CHECKING:
    from lambda_fn.champion.cache import ChampionCache, Serving  # only for a POST
    from lambda_fn.champion.sandbox import Pool
    from lambda_fn.record.book import Correlations

T = TypeVar("T")
MAX_PAIRS = 64  # in memory at once: a champion takes a few megabytes
LISTED_PAIRS = 8  # in a message
_log = logging.getLogger(__name__)


class PairState:
    """The records of one pair and, after the first POST, its champion."""

    def __init__(self, state: "State", settings: Settings) -> None:
        self.state = state
        self.pair = settings.pair
        self.records = Records(state.store, settings, state.clock, state.background_refresh)
        self._settings = settings
        self._champions: ChampionCache | None = None
        self._served_generation: int | None = None
        self._lock = threading.Lock()

    def champion(self) -> "Serving":
        """Return the active champion. Raises NothingToServe, and Problem while its generation is blocked."""
        with self._lock:  # two threads would create two caches, one of which could be older
            if self._champions is None:
                pool = self.state.pool()  # its first child starts while this process imports the rest
                from lambda_fn.champion.cache import ChampionCache

                state = self.state
                self._champions = ChampionCache(
                    state.store, self._settings, state.clock, pool, state.background_refresh
                )
        serving = self._champions.current()
        generation = serving.active.generation
        if generation == self.records.blocked_generation():
            message = f"generation {generation} is suspended: its forecast for the latest prices was not plausible"
            cure = "use GET /api/predict for the last good forecast; the operator has to publish another champion"
            raise Problem(503, "suspended", message, cure, headers={"Retry-After": "600"})
        if generation != self._served_generation:
            _log.info("forecasting with generation %d, %s", generation, serving.active.pointer.model_name)
            self._served_generation = generation
        return serving


class State:
    """The state of all served pairs, of which the MAX_PAIRS most recently used stay in memory. Thread-safe."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], float],
        background_refresh: bool,
        summaries: Mapping[str, str],
    ) -> None:
        """Create the state without any pair in memory.

        Args:
            store: the store that everything is read from.
            settings: those of the service, with all its pairs.
            clock: returns seconds since 1970.
            background_refresh: as in `store.cache`.
            summaries: that of each route, by method and path.
        """
        self.store, self.settings, self.clock, self.summaries = store, settings, clock, summaries
        self.background_refresh = background_refresh
        self.evicted_pairs = 0  # pairs evicted from memory so far
        self._pairs: dict[str, PairState] = {}
        self._all_pairs: LastKnownGood[CachedRecord[JsonObject]] | None = None
        self.book_versions: dict[tuple[str | None, str | None], Version] = {}  # by currency and positions
        self._book_record: LastKnownGood[CachedRecord[JsonObject]] | None = None
        self._correlations: LastKnownGood[CachedRecord[Correlations]] | None = None
        self._pool: Pool | None = None
        self._lock = threading.Lock()

    def pair(self, query: Mapping[str, str], path_args: Mapping[str, str]) -> PairState:
        """Return the state of the requested pair.

        The query names the pair, or a model's name in the path; the default is the first pair.

        Raises Problem: 400 for a pair that is not served.
        """
        pairs = self.settings.pairs
        name = query.get(PAIR.name)
        if name is None:
            name = path_args.get("name", "").partition("_")[0]
            name = name if name in pairs else pairs[0]
        elif name not in pairs:
            choices = [*pairs]
            if len(pairs) > LISTED_PAIRS:
                choices[LISTED_PAIRS:] = [f"one of {len(pairs) - LISTED_PAIRS} more"]
            choice = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
            message = f"pair={format_value(name)} is not served"
            raise bad_query(PAIR.name, message, f"give {choice}; GET /api/pairs lists all")
        with self._lock:  # a second state of a pair would start empty, and be older or newer than the first
            state = self._pairs.pop(name, None)
            if state is None:
                state = PairState(self, self.settings.for_pair(name))
                while len(self._pairs) >= MAX_PAIRS:
                    del self._pairs[next(iter(self._pairs))]
                    self.evicted_pairs += 1
            self._pairs[name] = state
            return state

    def all_pairs(self) -> CachedValue[CachedRecord[JsonObject]] | None:
        """Return the record of all pairs; None if there is none yet, and for a single pair, which is not pooled."""
        if len(self.settings.pairs) == 1:
            return None
        with self._lock:
            if self._all_pairs is None:
                self._all_pairs = self._cache_of(keys.PAIRS_KEY, parse_pairs)
        try:
            return self._all_pairs.current()
        except NothingToServe:
            return None

    def correlations(self) -> CachedValue[CachedRecord["Correlations"]]:
        """Return the correlations of currencies. Raises NothingToServe if there are none."""
        from lambda_fn.record.book import Correlations  # only for a book

        with self._lock:
            if self._correlations is None:
                self._correlations = self._cache_of(keys.BOOK_KEY, Correlations.parse)
        return self._correlations.current()

    def book_record(self) -> CachedValue[CachedRecord[JsonObject]]:
        """Return the record of the reference books. Raises NothingToServe if there is none."""
        from lambda_fn.record.summary_checks import parse_book_record

        with self._lock:
            if self._book_record is None:
                self._book_record = self._cache_of(keys.BOOK_RECORD_KEY, parse_book_record)
        return self._book_record.current()

    def _cache_of(self, key: str, parse: Callable[[bytes], T]) -> LastKnownGood[CachedRecord[T]]:
        """Return a cache of the record under a key that belongs to all pairs."""
        max_age_s, wait_budget = self.settings.champion_max_age_s, self.store.wait_budget
        fetch = fetcher(self.store, self.settings.pair, key, parse)
        return LastKnownGood(fetch, max_age_s, self.clock, self.background_refresh, wait_budget)

    def pool(self) -> "Pool":
        """Return the processes that run the champions of all pairs for POST requests."""
        with self._lock:
            if self._pool is None:
                from lambda_fn.champion.child import Child  # only for a POST
                from lambda_fn.champion.messages import API

                first = Child(API)  # it starts while this process imports the rest
                from lambda_fn.champion.sandbox import Pool

                self._pool = Pool(first)
            return self._pool
