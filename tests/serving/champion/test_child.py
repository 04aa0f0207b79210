"""The parent's half of the exchange with a child, on pipes whose other ends the test holds."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Protocol

import pytest

from lambda_fn.champion import child
from lambda_fn.champion.child import Child, ChildEnded
from lambda_fn.champion.messages import JOB, frame
from lambda_fn.store.object_store import Unavailable

READY = frame({"ready": True})
REPLY = frame({"good": {}}, b"numbers")
WRITES = 1_000  # at most, where nobody ends the child


class Clock:
    """Seconds, which only a script moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


Script = Callable[[int, Clock], None]  # writes to the child's output, which is closed then


class Start(Protocol):
    """Starts a process of this script in place of the next child."""

    def __call__(self, script: Script, ready: bytes = READY) -> "Piped": ...


class Piped:
    """A process that answers a request as its script says, and ends only where it is killed."""

    def __init__(self, script: Script, ready: bytes, clock: Clock) -> None:
        child_in, stdin = os.pipe()
        stdout, child_out = os.pipe()
        self.stdin, self.stdout = os.fdopen(stdin, "wb", 0), os.fdopen(stdout, "rb", 0)
        self.kills = 0
        self._child_in = child_in
        self._thread = threading.Thread(target=self._answer, args=(script, ready, clock, child_out))
        self._thread.start()

    def _answer(self, script: Script, ready: bytes, clock: Clock, child_out: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(child_out, ready)
            if ready:
                os.read(self._child_in, 2**16)
            script(child_out, clock)
        os.close(child_out)

    def kill(self) -> None:
        self.kills += 1

    def wait(self, timeout: float | None = None) -> int:
        if self.kills:
            return -signal.SIGKILL
        if timeout is None:
            raise AssertionError("a wait for a process that was not killed")
        raise subprocess.TimeoutExpired("child", timeout)

    def close(self) -> None:
        for stream in (self.stdin, self.stdout):
            stream.close()
        self._thread.join()
        os.close(self._child_in)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    clock, processes = Clock(), list[Piped]()
    monkeypatch.setattr(child, "time", SimpleNamespace(monotonic=clock.monotonic))
    monkeypatch.setattr(child, "MAX_REPLY", 2**16)

    def start(script: Script, ready: bytes = READY) -> Piped:
        processes.append(process := Piped(script, ready, clock))
        monkeypatch.setattr(child, "start", lambda limits, folder: process)
        return process

    yield start
    for process in processes:
        process.close()


def replies(output: int, clock: Clock) -> None:
    os.write(output, REPLY)


def writes_now_and_then(output: int, clock: Clock) -> None:
    """A byte a second."""
    for _ in range(WRITES):
        clock.now += 1
        os.write(output, b"\1")


def writes_without_end(output: int, clock: Clock) -> None:
    """Megabytes, and only then it is late."""
    for _ in range(WRITES):
        os.write(output, b"\1" * 2**12)
    clock.now += 2 * JOB.wall_s


def closes(output: int, clock: Clock) -> None:
    pass


def test_a_reply_is_read(piped: Start) -> None:
    process, exchange = piped(replies), Child(JOB)
    assert exchange.exchange({"operation": "load"}) == ({"good": {}}, b"numbers")
    assert process.kills == 0
    exchange.close()


@pytest.mark.parametrize(
    ("script", "late"), [(writes_now_and_then, True), (writes_without_end, False), (closes, False)]
)
def test_a_child_that_gives_no_reply_is_killed(script: Script, late: bool, piped: Start) -> None:
    process = piped(script)
    with pytest.raises(ChildEnded) as ended:
        Child(JOB).exchange({"operation": "load"})
    assert (ended.value.code, ended.value.late) == (-signal.SIGKILL, late)
    assert process.kills == 2, "at once, and when it is closed"


def test_without_a_child_that_is_ready_the_sandbox_is_unavailable(piped: Start) -> None:
    piped(closes, b"")
    with pytest.raises(Unavailable):
        Child(JOB).exchange({"operation": "load"})
