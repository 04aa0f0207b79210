"""Records cached in memory: revalidated once they are old, and served stale for a while when the store fails."""

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from lambda_fn.fields import ContractError
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, NotYetPublished, Store, Unavailable, WaitBudget

Unavailability = Literal["nothing yet", "missing", "damaged", "expired", "store", "unexpected"]
T = TypeVar("T")
MIN_BACKGROUND_MAX_AGE_S = 1.0
BACK_OFF_S = 4.0  # after a failure, so that not every request retries a store that is down
# Back-off after the first, second, ... failure while nothing is cached; the last value repeats. It is short, because
# a process that starts while the store fails now and then must still get all that it needs.
FIRST_BACK_OFFS_S = (0.0, 0.5, 1.0, 2.0)
_log = logging.getLogger(__name__)


class NothingToServe(Exception):
    """Nothing is cached and fetching failed; retry after `retry_after_s` seconds.

    The message may name the store and is for the log only. Public answers use `reason`.
    """

    def __init__(self, message: str, retry_after_s: int, reason: Unavailability) -> None:
        super().__init__(message)
        self.retry_after_s, self.reason = retry_after_s, reason


class CachedValue(NamedTuple, Generic[T]):
    """A value, the time of its last successful check (seconds since 1970), and whether the last check failed."""

    value: T
    checked_at: float
    stale: bool


class LastKnownGood(Generic[T]):
    """Cache for one value, which stays in use while it cannot be renewed.

    `current()` revalidates an expired value. With a value in memory it waits at most `wait_budget`; then it returns the
    old value with stale=True, the check continues in a thread, and the next call gets its result.

    With `background_refresh` a thread revalidates the cached value whenever it is due, for as long as this object is
    referenced, and no call waits for the store. This is for a server. Lambda freezes all threads between invocations;
    there, and where the value may not be older than a second, `current()` revalidates.
    """

    def __init__(
        self,
        fetch: Callable[[T | None], T],
        max_age_s: float,
        clock: Callable[[], float],
        background_refresh: bool = False,
        wait_budget: WaitBudget | None = None,
    ) -> None:
        """Create an empty cache.

        Args:
            fetch: returns the newest value. It gets the cached value, or None, and may return it when nothing has
                changed. Whatever it raises, the cached value stays in use.
            max_age_s: seconds after which a value is revalidated.
            clock: returns seconds since 1970.
            background_refresh: whether a thread revalidates; ignored if max_age_s is below MIN_BACKGROUND_MAX_AGE_S.
            wait_budget: limits the waiting of `current()` while a value is cached; None for one of its own.
        """
        self._fetch = fetch
        self._max_age_s = max_age_s
        self._clock = clock
        self._background_refresh = background_refresh and max_age_s >= MIN_BACKGROUND_MAX_AGE_S
        self._cached: CachedValue[T] | None = None
        self._failure = ""
        self._reason: Unavailability = "store"
        self._failures = 0  # in a row
        self._last_check = self._due = -math.inf
        self._lock = threading.Lock()
        self._wait_budget = wait_budget or WaitBudget()
        self._checked = threading.Event()  # clear while a thread checks for `current()`, otherwise set
        self._checked.set()

    def current(self) -> CachedValue[T]:
        """Return the value, checked at most `max_age_s` ago unless it is stale. Raises NothingToServe."""
        if self._background_refresh and self._cached is not None:
            return self._cached
        if not self._lock.acquire(blocking=self._cached is None):
            return self._value_or_raise()  # another thread is fetching: do not wait for it
        try:
            if self._background_refresh and self._cached is not None:
                return self._cached  # it arrived while this thread waited, and the background thread checks it
            if not self._checked.is_set() and not self._wait_budget.wait(self._checked):
                return self._stale_value()
            now = self._clock()
            if self._last_check <= now < self._due:  # false also when the clock was set back
                return self._value_or_raise()
            if self._cached is None:
                self._check(now)
                if self._background_refresh and self._cached is not None:
                    threading.Thread(target=_recheck, args=(weakref.ref(self),), name="recheck", daemon=True).start()
                return self._value_or_raise()

            def check() -> None:
                try:
                    self._check(now)
                finally:
                    self._checked.set()

            self._checked.clear()
            threading.Thread(target=check, name="check", daemon=True).start()
            return self._value_or_raise() if self._wait_budget.wait(self._checked) else self._stale_value()
        finally:
            self._lock.release()

    def _stale_value(self) -> CachedValue[T]:
        """Return the value as stale, because the running check may find a newer one."""
        return self._value_or_raise()._replace(stale=True)

    def _value_or_raise(self) -> CachedValue[T]:
        if self._cached is None:
            wait = min(max(self._due - self._clock(), 1), BACK_OFF_S)
            raise NothingToServe(self._failure, math.ceil(wait), self._reason)
        return self._cached

    def _check(self, now: float) -> None:
        previous = self._cached
        self._last_check = now
        try:
            self._cached = CachedValue(self._fetch(previous.value if previous else None), now, stale=False)
            self._due, self._failures = now + self._max_age_s, 0
        except (Missing, Unavailable, ContractError) as error:
            match error:
                case NotYetPublished():
                    reason: Unavailability = "nothing yet"
                case Missing():
                    reason = "missing"
                case ContractError():
                    reason = "damaged"
                case _:
                    reason = "store"
            self._record_failure(previous, now, str(error), reason)
        except Exception as error:  # noqa: BLE001 whatever is wrong with the new value, the old one is as good as before
            _log.error("unexpected error while fetching", exc_info=error)
            self._record_failure(previous, now, "unexpected error; see the log", "unexpected")

    def _record_failure(
        self, previous: CachedValue[T] | None, now: float, failure: str, reason: Unavailability
    ) -> None:
        self._cached = previous._replace(stale=True) if previous else None
        step = min(self._failures, len(FIRST_BACK_OFFS_S) - 1)
        self._due = now + (BACK_OFF_S if previous else FIRST_BACK_OFFS_S[step])
        self._failures += 1
        self._failure, self._reason = failure, reason
        _log.warning("%s; %s", failure, "still serving the previous value" if previous else "nothing to serve")


def _recheck(reference: "weakref.ref[LastKnownGood[Any]]") -> None:
    while (cache := reference()) is not None:
        now = cache._clock()
        if not cache._last_check <= now < cache._due:  # also when the clock was set back
            cache._check(now)
        wait = min(max(cache._due - cache._clock(), 0), max(cache._max_age_s, BACK_OFF_S))
        del cache  # so that it can be collected meanwhile
        time.sleep(wait)


def as_not_yet_published(error: Missing, store: Store, pair: str) -> Missing:
    """Tell "never published" (expected before the first training) from "lost".

    Returns NotYetPublished if the pair has neither a forecast nor an active champion, otherwise `error`. Raises
    Unavailable.
    """
    for key in (keys.forecast_key(pair), keys.active_key(pair)):
        try:
            store.head(key, 1)
        except Missing:
            continue
        return error
    return NotYetPublished(error.key, store.describe())
