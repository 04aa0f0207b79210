"""When a value that cannot be fetched is asked for again, and what goes on serving meanwhile."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.fields import ContractError
from lambda_fn.store import cache
from lambda_fn.store.cache import BACK_OFF_S, LastKnownGood, NothingToServe
from lambda_fn.store.object_store import WAIT_S, Missing, Unavailable, WaitBudget
from tests.support.server_process import until

ANY = [
    Missing("key", "store"),
    Unavailable("down"),
    ContractError("bad"),
    AssertionError("odd"),
    OverflowError("1e300"),
]


class Source:
    """A clock, and a fetch that takes what it gives or raises from `answers`; `asked` are the times."""

    def __init__(self, answers: Iterator[object]) -> None:
        self.answers, self.asked, self.now = answers, list[float](), 0.0

    def fetch(self, _: object) -> object:
        self.asked.append(self.now)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def known(self, max_age_s: float = 60) -> LastKnownGood[object]:
        return LastKnownGood(self.fetch, max_age_s, lambda: self.now)


def failing(error: Exception) -> Iterator[object]:
    while True:
        yield error


@pytest.mark.parametrize("error", ANY)
def test_with_nothing_in_memory_it_asks_at_once_and_then_ever_less_often(error: Exception) -> None:
    source = Source(failing(error))
    known = source.known()
    while source.now < 20:
        with pytest.raises(NothingToServe) as caught:
            known.current()
        assert 1 <= caught.value.retry_after_s <= 2
        source.now += 0.125
    assert source.asked == [0, 0.125, 0.625, *(1.625 + 2 * i for i in range(10))]


@pytest.mark.parametrize("error", ANY)
def test_with_a_value_in_memory_a_failure_is_stale_and_not_repeated_for_four_seconds(error: Exception) -> None:
    def answers() -> Iterator[object]:
        yield "good"
        yield from failing(error)

    source = Source(answers())
    known = source.known(max_age_s=60)
    assert known.current() == ("good", 0.0, False)
    while source.now < 100:
        source.now += 1
        assert known.current().value == "good"
    assert known.current() == ("good", 0.0, True)
    assert source.asked == [0, *range(60, 101, 4)]
    assert source.asked[2] - source.asked[1] == BACK_OFF_S


def test_a_success_forgets_the_failures_before_it() -> None:
    source = Source(iter([Unavailable("a"), Unavailable("b"), "one", Unavailable("c"), "two"]))
    known = source.known(max_age_s=5)
    for _ in range(2):
        with pytest.raises(NothingToServe):
            known.current()
    source.now = 1.0
    assert known.current().value == "one"
    source.now = 6.0
    assert known.current() == ("one", 1.0, True)
    source.now = 6.0 + BACK_OFF_S
    assert known.current() == ("two", 10.0, False)


@given(st.lists(st.booleans(), min_size=60, max_size=60).filter(lambda fates: any(fates[:20])))
def test_a_process_begins_within_seconds_of_the_call_that_succeeds(fates: list[bool]) -> None:
    """Whatever fails: the first success among the tries is served, and no wait is over two seconds."""
    source = Source("good" if fate else Unavailable("failed") for fate in fates)
    known, served = source.known(), False
    while not served and source.now < 200:
        try:
            served = known.current().value == "good"
        except NothingToServe:
            source.now += 0.25
    assert len(source.asked) == fates.index(True) + 1
    assert all(later - sooner <= 2 for sooner, later in zip(source.asked, source.asked[1:], strict=False))


def test_what_nobody_expected_is_logged_whole_and_said_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    def fetch(_: object) -> object:
        raise ZeroDivisionError("inner text")

    broken: Callable[[], object] = LastKnownGood(fetch, 60, lambda: 0.0).current
    with caplog.at_level(logging.ERROR), pytest.raises(NothingToServe) as caught:
        broken()
    assert caught.value.reason == "unexpected"
    assert "inner text" not in str(caught.value)
    assert "inner text" in caplog.text


def test_beside_nobody_waits_for_the_store_and_the_newer_value_comes_by_itself() -> None:
    asked, answer = threading.Event(), threading.Event()
    values = iter(["first", "second"])

    def fetch(held: str | None) -> str:
        if held is not None:
            asked.set()
            assert answer.wait(60)
            answer.clear()
        return next(values, "third")

    known = LastKnownGood(fetch, 1.0, time.time, background_refresh=True)
    assert known.current().value == "first"
    assert asked.wait(60), "it is checked though nobody asks"
    assert known.current() == known.current() and known.current().value == "first"
    answer.set()
    until(lambda: known.current().value == "second", "the newer value")


def test_beside_a_failure_is_stale_and_ends_when_the_store_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "BACK_OFF_S", 0.1)
    fetched: Iterator[int | Unavailable] = iter([1, Unavailable("down"), 2])

    def fetch(_: int | None) -> int:
        found = next(fetched, 2)
        if isinstance(found, Unavailable):
            raise found
        return found

    known = LastKnownGood(fetch, 1.0, time.time, background_refresh=True)
    assert known.current().value == 1
    until(lambda: known.current().stale, "the failure to be told")
    until(lambda: known.current() == (2, known.current().checked_at, False), "the store to be back")


def test_what_nobody_has_any_more_is_not_checked_any_more() -> None:
    """A server keeps the pairs that were asked for last; the others leave no thread behind."""

    def rechecks() -> int:
        return sum(thread.name == "recheck" for thread in threading.enumerate())

    before = rechecks()
    for _ in range(3):
        assert LastKnownGood(lambda _: 1, 1.0, time.time, background_refresh=True).current().value == 1
    assert rechecks() > before
    until(lambda: rechecks() <= before, "their threads to end")


def test_a_slow_store_holds_nobody_up_who_can_be_answered_from_memory() -> None:
    """The old value comes at once and says stale; the check goes on, and who asks later gets what it found."""
    answer, ended = threading.Event(), threading.Event()

    def fetch(held: str | None) -> str:
        if held is None:
            return "first"
        answer.wait(20)
        ended.set()
        return "second"

    now = 0.0
    known = LastKnownGood(fetch, 60, lambda: now)
    assert known.current() == ("first", 0.0, False)
    now = 60.0
    assert known.current() == ("first", 0.0, True)
    assert known.current() == ("first", 0.0, True), "one check at a time"
    assert not ended.is_set(), "nobody waited for it"
    answer.set()
    until(lambda: known.current() == ("second", 60.0, False), "what the check found")


def test_a_check_that_was_stopped_with_its_environment_is_made_again() -> None:
    """Lambda freezes threads between invocations: what comes of them is old, and fails more often than not."""
    outcomes: Iterator[str | Unavailable] = iter(["first", Unavailable("connection is gone"), "second"])
    asked, answer = threading.Event(), threading.Event()

    def fetch(_: str | None) -> str:
        outcome = next(outcomes)
        if isinstance(outcome, Unavailable):
            asked.set()
            assert answer.wait(60)
            raise outcome
        return outcome

    now = 0.0
    known = LastKnownGood(fetch, 60, lambda: now)
    known.current()
    now = 60.0
    assert known.current().stale
    now = 7_200.0  # frozen for two hours
    answer.set()
    until(lambda: known.current() == ("second", 7_200.0, False), "a check of now")


class Slow:
    """What is waited for: it takes the whole time, on the clock of the wait_budget."""

    def __init__(self) -> None:
        self.now, self.waited = 0.0, list[float]()

    def wait(self, timeout: float) -> bool:
        self.waited.append(timeout)
        self.now += timeout
        return False


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=8))
def test_an_answer_waits_no_longer_than_its_allowance_however_many_values_it_looks_for(pauses: list[float]) -> None:
    slow = Slow()
    wait_budget = WaitBudget(clock=lambda: slow.now)
    for pause in pauses:
        wait_budget.wait(slow)
        slow.now += pause
        if slow.now > 1:
            return  # the next answer
    assert sum(slow.waited) <= WAIT_S + 1e-9


class CountingLock:
    """A lock that counts the calls that wait for it."""

    def __init__(self) -> None:
        self._lock, self._waits = threading.Lock(), list[bool]()

    def acquire(self, blocking: bool) -> bool:
        self._waits.append(blocking)
        return self._lock.acquire(blocking)

    def release(self) -> None:
        self._lock.release()

    @property
    def waits(self) -> int:
        return sum(self._waits)


def test_who_waited_for_the_first_value_starts_no_check_beside_the_threads_own() -> None:
    """Two checks at once could end in the wrong order, and the served value would go back."""
    now, first, later = [0.0], threading.Event(), threading.Event()

    def fetch(held: int | None) -> int:
        assert (first if held is None else later).wait(60)
        return 1

    known = LastKnownGood(fetch, 1.0, lambda: now[0], background_refresh=True)
    known._lock = lock = CountingLock()  # type: ignore[assignment]
    before = set(threading.enumerate())
    threads = [threading.Thread(target=known.current) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: lock.waits == 4, "one thread to fetch the first value, and the others to wait")
    now[0] = 10.0  # the value is due again when it comes
    first.set()
    for thread in threads:
        thread.join(60)
    assert [thread.name for thread in set(threading.enumerate()) - before] == ["recheck"]
    later.set()
