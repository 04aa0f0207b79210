"""All pairs at once: which are served, and what their records say, each and pooled."""

from collections.abc import Callable

from lambda_fn.record.summary_checks import parse_pairs
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.cache import CachedValue, LastKnownGood, NothingToServe
from lambda_fn.store.object_store import Store
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.freshness import freshness
from lambda_fn.web.records import Held, fetcher
from lambda_fn.web.response import Text


class Together:
    """Keeps the record of all pairs in memory and looks for a newer one when it is older than CHAMPION_MAX_AGE_S."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float], beside: bool = False) -> None:
        self.pairs = settings.pairs
        kept = settings.champion_max_age_s, clock, beside, store.wait_budget
        self._record = LastKnownGood(fetcher(store, settings.pair, keys.PAIRS_KEY, parse_pairs), *kept)

    def record(self) -> CachedValue[Held[JsonObject]] | None:
        """What ingest made of all records; None while there is none, and with one pair, which is not pooled."""
        if len(self.pairs) == 1:
            return None
        try:
            return self._record.current()
        except NothingToServe:
            return None


def pairs(together: Together) -> JsonObject:
    """The pairs in the order in which they were named, each with what is known of it."""
    known = together.record()
    found = known.value.value if known else {}
    about = {each["pair"]: each for each in found.get("pairs", ())}
    return {
        "default": together.pairs[0],
        "pairs": [_named(pair) | about.get(pair, {}) for pair in together.pairs],
        "pooled": found.get("pooled"),
        **(freshness({"records": (known.checked_at, known.stale)}) if known else {}),
    }


def page(together: Together) -> Text:
    """The same for a browser."""
    from lambda_fn.web.page import pairs as shown  # only a browser wants it

    return shown.page(pairs(together))


def _named(pair: str) -> JsonObject:
    return {"pair": pair, "base": pair[:3], "quote": pair[3:]}
