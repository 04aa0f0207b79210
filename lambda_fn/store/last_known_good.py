"""A value that is fetched again when it is too old, and kept when fetching fails."""

import logging
import math
import threading
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from lambda_fn.fields import ContractError
from lambda_fn.store.objects import Missing, Unavailable

T = TypeVar("T")
BACK_OFF_S = 10.0  # after a failure: a store that is down must not slow down every request
_log = logging.getLogger(__name__)


class NothingToServe(Exception):
    """Nothing is in memory and fetching failed; ask again after `retry_after_s` seconds."""

    def __init__(self, reason: str, retry_after_s: int) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Known(NamedTuple, Generic[T]):
    """A value, the time of the last check that succeeded (seconds since 1970), and whether the last one failed."""

    value: T
    checked_at: float
    stale: bool


class LastKnownGood(Generic[T]):
    """Holds at most one value. `fetch` gets the value held, so that it can return it again when nothing changed;
    when it raises Missing, Unavailable or ContractError the value held goes on serving."""

    def __init__(self, fetch: Callable[[T | None], T], max_age_s: float, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._max_age_s = max_age_s
        self._clock = clock
        self._known: Known[T] | None = None
        self._failure = ""
        self._tried = self._due = -math.inf
        self._lock = threading.Lock()

    def current(self) -> Known[T]:
        """The value, checked no longer than `max_age_s` ago unless stale; raises NothingToServe."""
        if not self._lock.acquire(blocking=self._known is None):
            return self._held()  # another thread is fetching: do not wait for it
        try:
            now = self._clock()
            if not self._tried <= now < self._due:  # also when the clock was set back
                self._check(now)
            return self._held()
        finally:
            self._lock.release()

    def _held(self) -> Known[T]:
        if self._known is None:
            wait = min(max(self._due - self._clock(), 1), BACK_OFF_S)
            raise NothingToServe(self._failure, math.ceil(wait))
        return self._known

    def _check(self, now: float) -> None:
        held = self._known
        self._tried = now
        try:
            self._known = Known(self._fetch(held.value if held else None), now, stale=False)
            self._due = now + self._max_age_s
        except (Missing, Unavailable, ContractError) as error:
            self._known = held._replace(stale=True) if held else None
            self._due = now + BACK_OFF_S
            self._failure = str(error)
            _log.warning("%s; %s", error, "the old one goes on serving" if held else "nothing to serve")
