"""Entries of a pair's ledger in memory, each with its scores: the source of GET /api/predict?as_of=."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import NamedTuple

from lambda_fn.fields import ContractError, utc_text
from lambda_fn.prices.volatility import annualise
from lambda_fn.record import scoring
from lambda_fn.record.official_forecast import BENCHMARKS, Entry, return_sd
from lambda_fn.store import keys
from lambda_fn.store.cache import CachedValue, LastKnownGood
from lambda_fn.store.object_store import Missing, Store
from lambda_fn.web.errors import RETRY_AFTER_S, Problem
from lambda_fn.web.forecast import (
    RATIO_DECIMALS,
    Score,
    StoredDay,
    StoredForecast,
    fallback_field,
    freshness_fields,
)
from lambda_fn.web.params import AS_OF, ForecastQuery
from lambda_fn.web.response import Version

MAX_ENTRIES = 32  # of a pair in memory
SCORED_MAX_AGE_S = 86_400  # a correction of the prices changes even final scores
_log = logging.getLogger(__name__)


class StoredEntry(NamedTuple):
    """An entry with its scores by forecast day.

    `entry` is None if the ledger has none for the day. `fault` is why it or its scores cannot be read, with a cure.
    """

    etag: str = ""
    scores_etag: str = ""
    entry: Entry | None = None
    scores: Sequence[scoring.Score] = ()
    fault: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the last day of the forecast is scored."""
        return self.entry is not None and bool(self.scores) and self.scores[-1].target_date == self.entry.days[-1]


class Ledger:
    """The entries of one pair, of which the MAX_ENTRIES most recently used stay in memory. Thread-safe."""

    def __init__(self, store: Store, pair: str, max_age_s: float, clock: Callable[[], float]) -> None:
        """Create a ledger without any entry in memory.

        Args:
            store: the store with the ledger.
            pair: the currency pair.
            max_age_s: seconds after which an entry and its scores are revalidated.
            clock: returns seconds since 1970.
        """
        self._store, self._pair, self._max_age_s, self._clock = store, pair, max_age_s, clock
        self._entries: dict[date, LastKnownGood[StoredEntry]] = {}
        self._lock = threading.Lock()

    def find(self, as_of: date) -> CachedValue[StoredEntry]:
        """Return the entry of a day.

        Raises NothingToServe, and Problem: 404 if there is none, 503 if it or its scores are damaged.
        """
        with self._lock:
            cache = self._entries.pop(as_of, None)
            if cache is None:
                fetch = partial(self._fetch, as_of)
                cache = LastKnownGood(fetch, self._max_age_s, self._clock, wait_budget=self._store.wait_budget)
                while len(self._entries) >= MAX_ENTRIES:
                    del self._entries[next(iter(self._entries))]
            self._entries[as_of] = cache
        latest = cache.current()
        if latest.value.fault:
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            message = f"the stored forecast of {as_of} or its scores are damaged"
            raise Problem(503, "record_damaged", message, latest.value.fault, headers=headers)
        if latest.value.entry is None:
            message = f"{AS_OF.name}={as_of}: the ledger of {self._pair} has no forecast after that day's close"
            cure = "give the as_of of a day that GET /api/history lists"
            raise Problem(404, "not_found", message, cure, field=AS_OF.name)
        return latest

    def version(self, as_of: date) -> Version:
        """Return the version of the answer about a day. Raises as `find` does."""
        entry, checked_at, stale = self.find(as_of)
        until = checked_at + (max(SCORED_MAX_AGE_S, self._max_age_s) if entry.is_final else self._max_age_s)
        return Version(entry.etag, checked_at, 0, None if stale else until, entry.is_final)

    def _fetch(self, as_of: date, cached: StoredEntry | None) -> StoredEntry:
        """Read an entry and its scores, unless the cached ones are the latest."""
        old = cached or StoredEntry()
        key = keys.ledger_key(self._pair, as_of)
        try:
            blob = self._store.read(key, old.etag) if old.etag else self._store.read(key)
        except Missing:
            return StoredEntry()
        scores_key = keys.scores_key(self._pair)
        try:
            table = self._store.read(scores_key, old.scores_etag) if old.scores_etag else self._store.read(scores_key)
        except Missing:
            old, table = old._replace(scores=(), scores_etag=""), None
        place, cure = key, "the operator restores an older version of the entry"
        try:
            if blob:
                old = old._replace(etag=blob.etag, entry=Entry.parse(blob.data, self._pair, as_of), fault="")
            place, cure = scores_key, "the operator rebuilds the scores with eurusd record"
            if table:
                old = old._replace(scores_etag=table.etag, scores=_scores_of(table.data, as_of), fault="")
        except ContractError as error:
            if cached and cached.entry:
                raise  # the cached one stays
            _log.warning("%s: %s", place, error)
            return StoredEntry(fault=cure)
        return old


def _scores_of(data: bytes, as_of: date) -> list[scoring.Score]:
    """Return the rows of one forecast in the file of scores, which is ordered by as_of. Raises ContractError."""
    prefix = f"\n{as_of},".encode()
    first, last = data.find(prefix), data.rfind(prefix)
    if first < 0:
        return []
    end = data.find(b"\n", last + 1)
    return scoring.from_csv(data[: data.find(b"\n") + 1] + data[first + 1 : len(data) if end < 0 else end + 1])


def to_answer(latest: CachedValue[StoredEntry], selection: ForecastQuery) -> StoredForecast:
    """Return the selected part of an entry with its scores; its numbers are those of the ledger, not rounded."""
    entry = latest.value.entry
    assert entry is not None
    scores = {row.horizon: row for row in latest.value.scores}
    return {
        "pair": entry.pair,
        "as_of": entry.as_of.isoformat(),
        "last_close": entry.last_close,
        "forecast": [_to_day(entry, i, selection, scores.get(i + 1)) for i in range(selection.horizon)],
        "prices": entry.source,
        "made_at": utc_text(entry.made_at),
        "kind": entry.kind,
        "generation": entry.generation,
        "family": entry.family,
        "sha256": entry.sha256,
        **fallback_field(entry),
        **freshness_fields({"records": (latest.checked_at, latest.stale)}),
    }


def _to_day(entry: Entry, position: int, selection: ForecastQuery, row: scoring.Score | None) -> StoredDay:
    quantiles = entry.quantiles[position]

    def by_level(prices: Sequence[float]) -> dict[str, float]:
        return {f"{entry.levels[i]:g}": prices[i] for i in selection.positions}

    return {
        "date": entry.days[position].isoformat(),
        "horizon": position + 1,
        "mean": entry.mean[position],
        "median": quantiles[entry.levels.index(0.5)],
        "quantiles": by_level(quantiles),
        "intervals": {
            coverage: {"lower": quantiles[lower], "upper": quantiles[upper]}
            for coverage, (lower, upper) in selection.intervals.items()
        },
        "volatility": round(annualise(return_sd(entry, position + 1), position + 1), RATIO_DECIMALS),
        "benchmarks": {name: by_level(rows[position]) for name, rows in entry.benchmarks.items()},
        "score": row and _to_score(row),
    }


def _to_score(row: scoring.Score) -> Score:
    losses = zip(BENCHMARKS, row.benchmarks, strict=True)
    flags = zip(scoring.INTERVALS, row.inside, strict=True)
    return {
        "kind": "live" if row.kind == "live" else "late",
        "outcome": row.outcome,
        "pinball": row.pinball,
        "benchmarks": {name: loss for name, loss in losses if loss is not None},
        "pit": row.pit,
        "inside": {str(level): flag for level, flag in flags if flag is not None},
        "stored_at": row.stored_at or None,
        "note": row.note,
    }
