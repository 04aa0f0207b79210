"""All pairs at once: which are served, and what their records say, each and pooled."""

from collections.abc import Callable

from lambda_fn.record.summary_checks import parse_pairs
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import CachedValue, LastKnownGood, NothingToServe
from lambda_fn.store.object_store import Store
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.records import CachedRecord, fetcher


class AllPairsRecord:
    """Keeps the record of all pairs in memory and looks for a newer one when it is older than CHAMPION_MAX_AGE_S."""

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], float], background_refresh: bool = False
    ) -> None:
        self.pairs = settings.pairs
        kept = settings.champion_max_age_s, clock, background_refresh, store.wait_budget
        self._record = LastKnownGood(fetcher(store, settings.pair, keys.PAIRS_KEY, parse_pairs), *kept)

    def current(self) -> CachedValue[CachedRecord[JsonObject]] | None:
        """Return the record; None while there is none, and with one pair, which is not pooled."""
        if len(self.pairs) == 1:
            return None
        try:
            return self._record.current()
        except NothingToServe:
            return None
