"""State between requests: each pair's records and champion, created on first use."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from lambda_fn.web.errors import Problem, bad_query, shown
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.records import Record, Records
from lambda_fn.web.response import Version

if TYPE_CHECKING:
    from lambda_fn.champion.cache import ChampionCache, Serving  # only for a POST
    from lambda_fn.champion.sandbox import Pool
    from lambda_fn.web.all_pairs import AllPairsRecord

PAIR = "pair"  # the query parameter
MAX_PAIRS = 64  # in memory at once: a champion takes a few megabytes
NAMED = 8  # pairs in a message
_log = logging.getLogger(__name__)


class PairState:
    """What one pair keeps in memory: its records and, once a POST came, its champion."""

    def __init__(self, state: "State", settings: Settings) -> None:
        self.state = state
        self.pair = settings.pair
        self.records = Records(state.store, settings, state.clock, state.background_refresh)
        self._settings = settings
        self._champions: ChampionCache | None = None
        self._served_generation: int | None = None
        self._lock = threading.Lock()

    def version(self, record: Record) -> Version:
        """Return the version of what this record answers now. Raises as the handlers that read it."""
        match record:
            case "forecast":
                return self.records.version_of_official()
            case "record":
                return self.records.version_of_record()
            case "both":
                return self.records.version_of_both()

    def champion(self) -> "Serving":
        """Return the active champion. Raises NothingToServe, and Problem while it is suspended."""
        with self._lock:  # two threads would have two caches, of which one could be older
            if self._champions is None:
                pool = self.state.pool()  # its first child starts while this process imports the rest
                from lambda_fn.champion.cache import ChampionCache

                state = self.state
                self._champions = ChampionCache(
                    state.store, self._settings, state.clock, pool, state.background_refresh
                )
        serving = self._champions.current()
        generation = serving.active.generation
        if generation == self.records.suspended():
            message = f"generation {generation} is suspended: it gave no plausible forecast for the latest prices"
            cure = "use GET /api/predict for the last good forecast; the operator publishes another champion"
            raise Problem(503, "suspended", message, cure, headers={"Retry-After": "600"})
        if generation != self._served_generation:
            _log.info("forecasting with generation %d, %s", generation, serving.active.pointer.model_name)
            self._served_generation = generation
        return serving


class State:
    """The state of all pairs of `settings.pairs`, of which the MAX_PAIRS used last stay in memory. Thread-safe.

    `clock` returns seconds since 1970; `background_refresh` is that of `store.cache`, and
    `index` lists the routes. `evicted_pairs` counts the pairs
    that went out of memory for others.
    """

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], float], background_refresh: bool, index: JsonObject
    ) -> None:
        self.store, self.settings, self.clock, self.index = store, settings, clock, index
        self.background_refresh = background_refresh
        self.evicted_pairs = 0
        self._pairs: dict[str, PairState] = {}
        self._all_pairs: AllPairsRecord | None = None
        self._pool: Pool | None = None
        self._lock = threading.Lock()

    def pair(self, query: Mapping[str, str], path_args: Mapping[str, str]) -> PairState:
        """Return the state of the pair that the query or the model's name in the path names; the first by default.

        Raises Problem: 400 for a pair that is not served.
        """
        pairs = self.settings.pairs
        name = query.get(PAIR)
        if name is None:
            name = path_args.get("name", "").partition("_")[0]
            name = name if name in pairs else pairs[0]
        elif name not in pairs:
            message = f"pair={shown(name)} is not served"
            raise bad_query(PAIR, message, f"give {_some(pairs)}; GET /api/pairs lists all")
        with self._lock:  # a second state of a pair would begin with nothing, and be older or newer than the first
            state = self._pairs.pop(name, None)
            if state is None:
                state = PairState(self, self.settings.for_pair(name))
                while len(self._pairs) >= MAX_PAIRS:
                    del self._pairs[next(iter(self._pairs))]
                    self.evicted_pairs += 1
            self._pairs[name] = state
            return state

    def all_pairs(self) -> "AllPairsRecord":
        """Return the record of all pairs."""
        with self._lock:
            if self._all_pairs is None:
                from lambda_fn.web.all_pairs import AllPairsRecord  # only for GET /api/pairs

                self._all_pairs = AllPairsRecord(self.store, self.settings, self.clock, self.background_refresh)
            return self._all_pairs

    def pool(self) -> "Pool":
        """Return the children that run the champions of all pairs for a POST."""
        with self._lock:
            if self._pool is None:
                from lambda_fn.champion.child import Child  # only for a POST
                from lambda_fn.champion.messages import API

                first = Child(API)  # it starts while this process imports the rest
                from lambda_fn.champion.sandbox import Pool

                self._pool = Pool(first)
            return self._pool


def _some(pairs: Sequence[str]) -> str:
    if len(pairs) == 1:
        return pairs[0]
    if len(pairs) > NAMED:
        return f"{', '.join(pairs[:NAMED])} or one of {len(pairs) - NAMED} more"
    return f"{', '.join(pairs[:-1])} or {pairs[-1]}"
