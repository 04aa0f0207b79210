"""The services of the pairs: each is made when its pair is first asked for, and keeps what it knows after that."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from lambda_fn.web.errors import bad_query, shown
from lambda_fn.web.service import Service

if TYPE_CHECKING:
    from lambda_fn.champion.sandbox import Pool
    from lambda_fn.web.all_pairs import Together

PAIR = "pair"  # the query parameter
KEPT = 64  # pairs in memory at once: a champion takes a few megabytes
NAMED = 8  # pairs in a message


class Services:
    """One `Service` a pair of `settings.pairs`, of which the last KEPT that were asked for stay in memory.

    Safe in threads: a second one of a pair would begin with nothing in memory, and be older or newer than the first.
    """

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float], beside: bool = False) -> None:
        self._memory = store, settings, clock, beside
        self._together: Together | None = None
        self._pool: Pool | None = None
        self._kept: dict[str, Service] = {}
        self.forgotten = 0  # how many went out of memory for others
        self._lock = threading.Lock()

    def of(self, query: Mapping[str, str], names: Mapping[str, str]) -> Service:
        """Of the pair that the query names, or else the model's name in the path; the first one where neither does.

        Raises:
            Problem: 400 for a pair that is not served.
        """
        pairs = self._memory[1].pairs
        asked = query.get(PAIR)
        if asked is None:
            named = names.get("name", "").partition("_")[0]
            return self._service(named if named in pairs else pairs[0])
        if asked not in pairs:
            raise bad_query(PAIR, f"pair={shown(asked)} is not served", f"give {_some(pairs)}; GET /api/pairs has all")
        return self._service(asked)

    def _service(self, pair: str) -> Service:
        with self._lock:
            if (found := self._kept.pop(pair, None)) is None:
                store, settings, clock, beside = self._memory
                found = Service(store, settings.for_pair(pair), clock, beside, self.together, self.pool)
                while len(self._kept) >= KEPT:
                    del self._kept[next(iter(self._kept))]
                    self.forgotten += 1
            self._kept[pair] = found
            return found

    def together(self) -> "Together":
        """What is known of all pairs."""
        with self._lock:
            if self._together is None:
                from lambda_fn.web.all_pairs import Together  # only who asks for them

                self._together = Together(*self._memory)
            return self._together

    def pool(self) -> "Pool":
        """The children that run champions for a POST, of all pairs."""
        with self._lock:
            if self._pool is None:
                from lambda_fn.champion.child import Child  # when a POST first comes
                from lambda_fn.champion.messages import API

                first = Child(API)
                from lambda_fn.champion.sandbox import Pool

                self._pool = Pool(first)
            return self._pool


def _some(pairs: Sequence[str]) -> str:
    shown_pairs = list(pairs[:NAMED])
    if len(pairs) == 1:
        return pairs[0]
    if len(pairs) > NAMED:
        return ", ".join(shown_pairs) + f" or one of {len(pairs) - NAMED} more"
    return f"{', '.join(shown_pairs[:-1])} or {shown_pairs[-1]}"
