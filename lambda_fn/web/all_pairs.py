"""The stored record of all pairs: the scores of each pair and of all pairs pooled."""

from collections.abc import Callable

from lambda_fn.record.summary_checks import parse_pairs
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import CachedValue, LastKnownGood, NothingToServe
from lambda_fn.store.object_store import Store
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.records import CachedRecord, fetcher


class AllPairsRecord:
    """Caches the record of all pairs; it is revalidated when it is older than CHAMPION_MAX_AGE_S."""

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], float], background_refresh: bool = False
    ) -> None:
        """Create an empty cache.

        Args:
            store: the store with the record.
            settings: names the pairs and the maximum age.
            clock: returns seconds since 1970.
            background_refresh: as in `store.cache`.
        """
        self.pairs = settings.pairs
        self._record = LastKnownGood(
            fetcher(store, settings.pair, keys.PAIRS_KEY, parse_pairs),
            settings.champion_max_age_s,
            clock,
            background_refresh,
            store.wait_budget,
        )

    def current(self) -> CachedValue[CachedRecord[JsonObject]] | None:
        """Return the record; None if there is none yet, and for a single pair, which is not pooled."""
        if len(self.pairs) == 1:
            return None
        try:
            return self._record.current()
        except NothingToServe:
            return None
