"""The last rows of price files in memory."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.prices.table import Table, read_table
from lambda_fn.settings import Settings
from lambda_fn.store.last_known_good import LastKnownGood
from lambda_fn.store.objects import Store

MOST = 4


class Prices(NamedTuple):
    """The last rows of a price file as `Table`, the date of the last, and how fresh that knowledge is."""

    dates: list[date]
    columns: dict[str, NDArray[np.float64]]
    as_of: date
    stale: bool
    checked_at: datetime


class PriceCache:
    """Keeps the last rows of price files in memory, reads them again when older than PRICES_MAX_AGE_S, and keeps the
    old ones when that fails. Of what was asked for it keeps the last MOST: champions come and go, a process stays."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float]) -> None:
        self._store = store
        self._max_age_s = settings.prices_max_age_s
        self._clock = clock
        self._known: dict[tuple[str, str, int, tuple[str, ...]], LastKnownGood[Table]] = {}

    def current(self, pair: str, source: str, rows: int, columns: Sequence[str] = ("close",)) -> Prices:
        """The last `rows` rows; raises NothingToServe with the seconds after which to ask again."""
        asked = (pair, source, rows, tuple(columns))

        def fetch(_: Table | None) -> Table:
            return read_table(self._store, *asked)

        known = self._known.pop(asked, None) or LastKnownGood(fetch, self._max_age_s, self._clock)
        self._known[asked] = known  # the last asked for is the last in the dict
        for oldest in list(self._known)[:-MOST]:
            self._known.pop(oldest, None)
        table, checked_at, stale = known.current()
        return Prices(*table, table.dates[-1], stale, datetime.fromtimestamp(checked_at, UTC))
