"""Records kept in memory: revalidated when they are old, and served stale for a while when the store fails."""

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from lambda_fn.fields import ContractError
from lambda_fn.store import keys
from lambda_fn.store.object_store import Allowance, Missing, NothingYet, Store, Unavailable

Lack = Literal["nothing yet", "missing", "damaged", "expired", "store", "unexpected"]
T = TypeVar("T")
LEAST_BESIDE_S = 1.0
BACK_OFF_S = 4.0  # after a failure: a store that is down must not be asked by every request
# After the first, second, ... failure with nothing in memory; the last goes on. Of a store that fails now and then a
# process must get all that it needs to begin.
FIRST_BACK_OFFS_S = (0.0, 0.5, 1.0, 2.0)
_log = logging.getLogger(__name__)


class NothingToServe(Exception):
    """Nothing is in memory and fetching failed; ask again after `retry_after_s` seconds. The reason may name the store:
    it is for the log, and callers are told by `lack`."""

    def __init__(self, reason: str, retry_after_s: int, lack: Lack) -> None:
        super().__init__(reason)
        self.retry_after_s, self.lack = retry_after_s, lack


class Known(NamedTuple, Generic[T]):
    """A value, the time of the last check that succeeded (seconds since 1970), and whether the last one failed."""

    value: T
    checked_at: float
    stale: bool


class LastKnownGood(Generic[T]):
    """Holds at most one value. `fetch` gets the value held, so that it can return it again when nothing changed;
    whatever it raises, the value held goes on serving.

    Who asks checks, and waits for it as long as `allowance` lets him when a value is held: then the check goes on in a
    thread, the old value is told as stale, and who asks next gets what came.

    With `beside` a value that is held is checked by a thread of its own, as often as it is due and as long as anybody
    has this object, and nobody waits for the store: for a server. Lambda stops all threads of an environment between
    its invocations; there, and where the value may not be older than a second, who asks checks.
    """

    def __init__(
        self,
        fetch: Callable[[T | None], T],
        max_age_s: float,
        clock: Callable[[], float],
        beside: bool = False,
        allowance: Allowance | None = None,
    ) -> None:
        self._fetch = fetch
        self._max_age_s = max_age_s
        self._clock = clock
        self._beside = beside and max_age_s >= LEAST_BESIDE_S
        self._known: Known[T] | None = None
        self._failure = ""
        self._lack: Lack = "store"
        self._failures = 0  # in a row
        self._tried = self._due = -math.inf
        self._lock = threading.Lock()
        self._allowance = allowance or Allowance()
        self._checked = threading.Event()  # by the thread that checks beside an answer; set when there is none
        self._checked.set()

    def current(self) -> Known[T]:
        """The value, checked no longer than `max_age_s` ago unless stale; raises NothingToServe."""
        if self._beside and self._known is not None:
            return self._known
        if not self._lock.acquire(blocking=self._known is None):
            return self._held()  # another thread is fetching: do not wait for it
        try:
            if self._beside and self._known is not None:
                return self._known  # it came while this one waited, and a thread of its own checks it from now on
            if not self._checked.is_set() and not self._allowance.wait(self._checked):
                return self._late()
            now = self._clock()
            if self._tried <= now < self._due:  # not when the clock was set back
                return self._held()
            if self._known is None:
                self._check(now)
                if self._beside and self._known is not None:
                    threading.Thread(target=_recheck, args=(weakref.ref(self),), name="recheck", daemon=True).start()
                return self._held()
            self._checked.clear()
            threading.Thread(target=self._check_beside, args=(now,), name="check", daemon=True).start()
            return self._held() if self._allowance.wait(self._checked) else self._late()
        finally:
            self._lock.release()

    def _check_beside(self, now: float) -> None:
        try:
            self._check(now)
        finally:
            self._checked.set()

    def _late(self) -> Known[T]:
        """The value while it is not known whether it is the newest."""
        return self._held()._replace(stale=True)

    def _check_if_due(self) -> float:
        """The seconds until it is due again."""
        now = self._clock()
        if not self._tried <= now < self._due:  # also when the clock was set back
            self._check(now)
        return min(max(self._due - self._clock(), 0), max(self._max_age_s, BACK_OFF_S))

    def _held(self) -> Known[T]:
        if self._known is None:
            wait = min(max(self._due - self._clock(), 1), BACK_OFF_S)
            raise NothingToServe(self._failure, math.ceil(wait), self._lack)
        return self._known

    def _check(self, now: float) -> None:
        held = self._known
        self._tried = now
        try:
            self._known = Known(self._fetch(held.value if held else None), now, stale=False)
            self._due, self._failures = now + self._max_age_s, 0
        except (Missing, Unavailable, ContractError) as error:
            self._keep(held, now, str(error), _lack_of(error))
        except Exception as error:  # noqa: BLE001 whatever is wrong with the new one, the old one is as good as before
            _log.error("unexpected error in fetching", exc_info=error)
            self._keep(held, now, "an unexpected error; it has been logged", "unexpected")

    def _keep(self, held: Known[T] | None, now: float, failure: str, lack: Lack) -> None:
        self._known = held._replace(stale=True) if held else None
        step = min(self._failures, len(FIRST_BACK_OFFS_S) - 1)
        self._due = now + (BACK_OFF_S if held else FIRST_BACK_OFFS_S[step])
        self._failures += 1
        self._failure, self._lack = failure, lack
        _log.warning("%s; %s", failure, "the old one goes on serving" if held else "nothing to serve")


def _recheck(known: "weakref.ref[LastKnownGood[Any]]") -> None:
    while (held := known()) is not None:
        wait = held._check_if_due()
        del held  # so that it can go meanwhile
        time.sleep(wait)


def _lack_of(error: Missing | Unavailable | ContractError) -> Lack:
    match error:
        case NothingYet():
            return "nothing yet"
        case Missing():
            return "missing"
        case ContractError():
            return "damaged"
    return "store"


def told_apart(error: Missing, store: Store, pair: str) -> Missing:
    """The error, as NothingYet where the pair has neither a forecast nor an active champion. Raises Unavailable."""
    for key in (keys.forecast_key(pair), keys.active_key(pair)):
        try:
            store.head(key, 1)
        except Missing:
            continue
        return error
    return NothingYet(error.key, store.describe())
