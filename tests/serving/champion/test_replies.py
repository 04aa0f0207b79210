"""What a sandbox makes of its child's replies and ends, with children that the test scripts."""

import hashlib
import signal
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from lambda_fn.champion import sandbox
from lambda_fn.champion.base import Died, ForecastError, TooSlow
from lambda_fn.champion.child import ChildEnded
from lambda_fn.champion.messages import API, JOB, Limits
from lambda_fn.champion.sandbox import MAX_DEATHS, Pool, Sandbox
from lambda_fn.fields import ContractError

pytestmark = pytest.mark.real_sandbox  # its own code, with nothing remembered

DATA, OTHER = b"a champion", b"another champion"
SHA256 = hashlib.sha256(DATA).hexdigest()
SHAPE = 1, 2, 3
SIZES = {"quantiles": [1, 2, 3], "mean": [1, 2]}
NUMBERS = np.arange(1.0, 9.0).tobytes()
INPUTS = {"close": [[1.0] * 20]}
LATE, CRASHED = ChildEnded(-signal.SIGKILL, late=True), ChildEnded(-signal.SIGSEGV, late=False)
Reply = tuple[dict[str, Any], bytes]


class Scripted:
    """Children that give one reply each, or end with an error; `exchanges` counts by child."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *replies: Reply | ChildEnded) -> None:
        self.exchanges: list[int] = []
        self._replies = replies
        monkeypatch.setattr(sandbox, "Child", lambda limits: self._start())

    def _start(self) -> "_Child":
        self.exchanges.append(0)
        return _Child(self, len(self.exchanges) - 1)

    def reply(self, child: int) -> Reply:
        self.exchanges[child] += 1
        reply = self._replies[min(sum(self.exchanges), len(self._replies)) - 1]
        if isinstance(reply, ChildEnded):
            raise reply
        return reply


class _Child:
    def __init__(self, scripted: Scripted, number: int) -> None:
        self._scripted, self._number = scripted, number

    def exchange(self, head: Mapping[str, Any], data: Sequence[bytes] = ()) -> Reply:
        return self._scripted.reply(self._number)

    def close(self) -> None:
        pass


def forecast(box: Sandbox) -> Any:
    return box.forecast(DATA, SHA256, INPUTS, SHAPE)


def test_numbers_of_the_right_size_are_a_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted(monkeypatch, (SIZES, NUMBERS))
    quantiles, mean, sd = forecast(Sandbox(API, Pool()))
    assert quantiles == [[[1, 2, 3], [4, 5, 6]]]
    assert mean == [[7, 8]]
    assert sd is None


def test_a_champion_may_reply_with_standard_deviations(monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted(monkeypatch, ({**SIZES, "sd": [1, 2]}, NUMBERS + struct.pack("2d", 9, 10)))
    assert forecast(Sandbox(API, Pool())).sd == [[9, 10]]


# A reply or an end, and the kind of error.
ERRORS: dict[str, tuple[Reply | ChildEnded, type[ForecastError]]] = {
    "too slow": (({**SIZES, "too_slow": "a run"}, NUMBERS), TooSlow),
    "failed": (({**SIZES, "failed": "a run"}, NUMBERS), ForecastError),
    "refused": (({**SIZES, "refused": "a file"}, NUMBERS), ForecastError),
    "another shape of quantiles": (({**SIZES, "quantiles": [1, 3, 2]}, NUMBERS), ForecastError),
    "another shape of the mean": (({**SIZES, "mean": [2, 1]}, NUMBERS), ForecastError),
    "another shape of sd": (({**SIZES, "sd": [2, 1]}, NUMBERS + bytes(16)), ForecastError),
    "an sd without numbers": (({**SIZES, "sd": [1, 2]}, NUMBERS), ForecastError),
    "an output that no champion has": (({**SIZES, "skew": [1, 2]}, NUMBERS + bytes(16)), ForecastError),
    "a number too many": ((SIZES, NUMBERS + bytes(8)), ForecastError),
    "a number too few": ((SIZES, NUMBERS[:-8]), ForecastError),
    "late": (LATE, TooSlow),
    "crashed": (CRASHED, Died),
}


@pytest.mark.parametrize("name", ERRORS)
def test_every_other_reply_is_an_error_of_the_forecast(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reply, kind = ERRORS[name]
    Scripted(monkeypatch, reply)
    with pytest.raises(ForecastError) as failed:
        forecast(Sandbox(API, Pool()))
    assert type(failed.value) is kind


def test_a_champion_that_ends_its_children_is_run_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    children, box = Scripted(monkeypatch, CRASHED), Sandbox(API, Pool())
    for _ in range(MAX_DEATHS + 2):
        with pytest.raises(Died):
            forecast(box)
    assert sum(children.exchanges) == MAX_DEATHS


def test_a_job_goes_on_after_children_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    children, box = Scripted(monkeypatch, CRASHED), Sandbox(JOB)
    for _ in range(MAX_DEATHS + 2):
        with pytest.raises(Died):
            forecast(box)
    assert sum(children.exchanges) == MAX_DEATHS + 2


def test_a_late_trial_tells_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted(monkeypatch, LATE)
    with pytest.raises(ContractError, match=r"7\.25"):
        Sandbox(Limits(wall_s=7.25)).check_loads(DATA)


@pytest.mark.parametrize("name", ["refused", "failed", "too_slow"])
def test_a_failure_is_repeated_in_a_new_child_where_another_champion_may_have_caused_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    children, box = Scripted(monkeypatch, ({name: "a reason"}, b"")), Sandbox(JOB)
    with pytest.raises(ContractError, match="a reason"):
        box.check_loads(DATA)
    assert children.exchanges == [1], "alone in its child"
    with pytest.raises(ContractError, match="a reason"):
        box.check_loads(OTHER)
    assert children.exchanges == [2, 1]
