"""The sandbox: whatever a hostile champion does to the child is an error about that champion, within the limits."""

import gc
import hashlib
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from itertools import chain, repeat
from types import SimpleNamespace

import numpy as np
import pytest

from lambda_fn.champion import child as process
from lambda_fn.champion.base import Died, ForecastError, TooSlow
from lambda_fn.champion.child import Child, ChildEnded
from lambda_fn.champion.gate import read_metadata
from lambda_fn.champion.messages import API, JOB, Limits
from lambda_fn.champion.runtime import Champion
from lambda_fn.champion.sandbox import MAX_CHILDREN, MAX_DEATHS, Pool, Sandbox, SandboxedChampion
from lambda_fn.champion.worker import MAX_LOADED
from lambda_fn.contract import MAX_MODEL_BYTES, Golden
from lambda_fn.fields import ContractError
from lambda_fn.prices.price_file import Table
from lambda_fn.store.object_store import Unavailable
from tests.support import foreign
from tests.support.bombs import BOMBS, TRIGGER
from tests.support.hostile import (
    GOOD,
    changed,
    day_three,
    endless,
    heavy,
    huge,
    mean_times,
    mixed,
    random,
    slow,
    tomorrow_bad,
)


def judge(data: bytes, golden: tuple[Golden, ...], table: Table, limits: Limits = JOB) -> Golden:
    with Sandbox(limits) as box:
        return box.run_trial(data, golden, table)


pytestmark = pytest.mark.real_sandbox

SHA256 = hashlib.sha256(GOOD).hexdigest()
TABLE = Table(foreign.price_rows(20), {"close": foreign.closes(20)})
ARRAYS = {"close": TABLE.columns["close"][None]}
INPUTS = {"close": [TABLE.columns["close"].tolist()]}
ARMED = {"close": [[*TABLE.columns["close"][1:].tolist(), TRIGGER]]}

HOSTILE = {
    "endless": (changed(endless), r"more than [25] s"),
    "huge": (changed(huge), "MB|memory|cannot run|allocate|no verdict"),
    "slow": (changed(slow), "processor time|bad_alloc|no verdict"),
    "day three high": (changed(day_three(1.1e9)), "day 3 is"),
    "day three negative": (changed(day_three(-5.5)), "above zero|fall"),
    "no width": (foreign.champion_bytes(spread=0.0), "is 0.00% wide"),
    "mean of a billion": (changed(mean_times(1e9)), "mean outside"),
    "mean below zero": (changed(mean_times(-1.0)), "above zero"),
    "random": (changed(random), "random"),
    "mixed with others": (changed(mixed), r"\b1 at once .* 100 at once\b"),
    "bad from tomorrow on": (changed(tomorrow_bad, foreign.champion_bytes(dated=True)), "days later"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_champion_is_refused(name: str) -> None:
    data, words = HOSTILE[name]
    with pytest.raises(ContractError, match=words):
        judge(data, (), TABLE)


def test_a_champion_as_large_as_allowed_passes() -> None:
    data = changed(heavy)
    assert 0.95 < len(data) / MAX_MODEL_BYTES <= 1
    judge(data, (), TABLE)


def test_the_prices_of_its_pair_are_asked_of_in_batches_whatever_their_scale() -> None:
    """Mixed, and without any forecast at the scales of other pairs."""
    table = TABLE._replace(columns={"close": 40 * TABLE.columns["close"]})
    judge(GOOD, (), table)
    with pytest.raises(ContractError, match=r"about 44.* at once differ"):
        judge(changed(mixed), (), table)


# What a child does instead of the worker, once it is ready and has read a request.
PREAMBLE = """
import json, os, signal, sys, time
from lambda_fn.champion import messages, worker
def reply(head, data=b""):
    worker._write(1, messages.frame(head, data))
limits = messages.Limits(**json.loads(sys.argv[1]))
worker.confine(limits)
reply({"ready": True})
request, data = messages.read_frame(sys.stdin.buffer)
"""


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replaces the worker's code."""

    def replace(code: str) -> None:
        monkeypatch.setattr(process, "ARGUMENTS", ("-c", PREAMBLE + textwrap.dedent(code)))

    return replace


def test_a_machine_that_cannot_start_a_child_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ARGUMENTS", ("-m", "no_such_module_anywhere"))
    with pytest.raises(Unavailable, match="cannot be started"):
        judge(GOOD, (), TABLE)
    monkeypatch.setattr(process, "ARGUMENTS", ("-c", "import time; time.sleep(100)"))
    with pytest.raises(Unavailable, match="cannot be started"):
        judge(GOOD, (), TABLE, JOB._replace(wall_s=0.5))
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(Unavailable, match=r"cannot be started: .*No such file"):
        judge(GOOD, (), TABLE)


def test_a_good_champion_gives_the_forecast_of_the_window() -> None:
    golden = judge(GOOD, (), TABLE)
    forecast = Champion.load(GOOD).forecast({"close": TABLE.columns["close"][None]})
    assert golden.quantiles == forecast.quantiles[0].tolist()


def test_the_metadata_of_hostile_bytes_is_read_without_running_them() -> None:
    metadata, columns = read_metadata(changed(endless))
    assert (metadata.family, columns) == ("foreign", ("close",))


# How a child can end or lie, and what the trial and a run report of it.
ENDS = {
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "ended with signal 9"),
    "segmentation fault": ("os.kill(os.getpid(), signal.SIGSEGV)", "ended with signal 11"),
    "exit": ("os._exit(3)", "ended with code 3"),
    "no end": ("time.sleep(100)", r"took more than 3 s"),
    "closed output": ("os.close(1); time.sleep(100)", "ended with signal 9"),
    "endless reply": ("while True: os.write(1, b'[' * 65536)", "ended with signal 9"),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_end_of_the_child_is_an_error_of_the_champion(
    end: str, child: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, words = ENDS[end]
    child(code)
    monkeypatch.setattr(process, "MAX_REPLY", 2**20)
    limits = Limits(wall_s=3 if end == "no end" else 60)
    with pytest.raises(ContractError, match=words):
        judge(GOOD, (), TABLE, limits)
    with Sandbox(limits) as box, pytest.raises(TooSlow if end == "no end" else Died, match=words):
        SandboxedChampion(GOOD, SHA256, box).forecast(INPUTS)


REPLIES = ("{}", '{"good": {}}', '{"good": 1}', '{"good": {"x": 1}}', '{"quantiles": [1]}', "[]", "[" * 9999, "\\xff")


@pytest.mark.parametrize("text", REPLIES)
def test_a_reply_that_is_none_is_an_error_of_the_champion(text: str, child: Callable[[str], None]) -> None:
    child(f"""
        text = b'''{text}'''
        size = len(text).to_bytes(8, "big")
        os.write(1, (8 + len(text)).to_bytes(8, "big") + size + text)
    """)
    with pytest.raises(ContractError, match="its trial"):
        judge(GOOD, (), TABLE)
    with Sandbox() as box, pytest.raises(ForecastError, match="the champion gave"):
        SandboxedChampion(GOOD, SHA256, box).forecast(INPUTS)


@pytest.mark.parametrize("surplus", [-1, 1])
def test_a_forecast_of_another_size_than_its_shape_is_an_error(surplus: int, child: Callable[[str], None]) -> None:
    child(f"""
        import numpy as np
        rows, levels = {foreign.HORIZON}, {len(Champion.load(GOOD).metadata.levels)}
        numbers = np.full(rows * levels + rows + {surplus}, 1.1).tobytes()
        reply({{"quantiles": [1, rows, levels], "mean": [1, rows]}}, numbers)
    """)
    with Sandbox() as box, pytest.raises(ForecastError, match=rf"\[1, {foreign.HORIZON}\]"):
        SandboxedChampion(GOOD, SHA256, box).forecast(INPUTS)


@pytest.mark.parametrize("run", ["forecast", "plausible_forecast"])
@pytest.mark.parametrize("number", ["float('nan')", "-1.0", "0.0", "1e308"])
def test_a_forged_forecast_is_checked_by_the_parent(number: str, run: str, child: Callable[[str], None]) -> None:
    child(f"""
        import numpy as np
        rows, levels = {foreign.HORIZON}, {len(Champion.load(GOOD).metadata.levels)}
        numbers = np.full(rows * levels + rows, {number}).tobytes()
        reply({{"quantiles": [1, rows, levels], "mean": [1, rows]}}, numbers)
    """)
    with Sandbox() as box, pytest.raises(ForecastError):
        getattr(SandboxedChampion(GOOD, SHA256, box), run)(INPUTS)


def test_the_child_has_its_own_session_no_secret_and_an_empty_folder(
    child: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    child("""
        secrets = [value for value in os.environ.values() if "secret" in value]
        reply({"refused": f"{os.getpgid(0) == os.getpid()}, {os.listdir()}, {secrets}"})
    """)
    with pytest.raises(ContractError, match=r"^True, \[\], \[\]$"):
        judge(GOOD, (), TABLE)


# What a child does within its limits, and what is reported of its end.
BEYOND = {
    "processor": ("worker.allow_cpu(limits.first_cpu_s)\nwhile True: pass", "signal 24 .* more than 2 s of processor"),
    "memory": ("bytearray(2 * limits.memory)", "MemoryError"),
    "file": (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); os.write(os.memfd_create('file'), b'1')",
        "File too large",
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit the memory")
@pytest.mark.parametrize("beyond", BEYOND)
def test_each_limit_holds_by_itself(beyond: str, child: Callable[[str], None]) -> None:
    """A hostile champion meets several, and the first one hides the others."""
    code, words = BEYOND[beyond]
    child(f"""
try:
{textwrap.indent(code, "    ")}
except (MemoryError, OSError) as error:
    reply({{"refused": repr(error)}})
""")
    with pytest.raises(ContractError, match=words):
        judge(GOOD, (), TABLE)


# What a child answers that is no end of an answer, and whether its time has to run out.
UNENDING = {
    "bytes now and then": ("while True: os.write(1, b'1'); time.sleep(0.001)", True),
    "more than any forecast": ("while True: os.write(1, b'1' * 2**16)", False),
}


@pytest.mark.parametrize("answer", UNENDING)
def test_an_answer_that_does_not_end_ends_the_child(answer: str, child: Callable[[str], None]) -> None:
    code, late = UNENDING[answer]
    child(code)
    with pytest.raises(ChildEnded) as ended:
        Child(JOB._replace(wall_s=3 if late else 60)).exchange({"operation": "load"})
    assert ended.value.late == late


def test_a_whole_answer_after_the_deadline_is_late(
    child: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that always has something to read would otherwise be read for as long as it likes."""
    child("""
        reply({"number": 0})
        messages.read_frame(sys.stdin.buffer)
        reply({"number": 1})
        time.sleep(60)
    """)
    patient = Child(JOB._replace(wall_s=60))
    assert patient.exchange({"operation": "load"})[0] == {"number": 0}
    now = time.monotonic()
    clock = chain([now, now], repeat(now + 61))  # the deadline, the first wait, and after it
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with pytest.raises(ChildEnded) as ended:
        patient.exchange({"operation": "load"})
    assert ended.value.late


STALL = pytest.param("stall", marks=pytest.mark.long)  # its end takes seconds; test_bombs.py has it in a POST


@pytest.mark.parametrize("bomb", [STALL if bomb == "stall" else bomb for bomb in BOMBS])
def test_a_champion_that_does_harm_later_ends_its_child_only(bomb: str) -> None:
    data = changed(BOMBS[bomb])
    with Sandbox(API, pool := Pool()) as box:
        champion = SandboxedChampion(data, hashlib.sha256(data).hexdigest(), box)
        calm = champion.forecast(INPUTS)
        with pytest.raises(ForecastError):
            champion.forecast(ARMED)
        np.testing.assert_array_equal(champion.forecast(INPUTS).mean, calm.mean)
        assert pool.deaths[champion.sha256] == (bomb in ("stall", "div"))


def test_after_three_deaths_a_champion_is_not_run_any_more() -> None:
    data = changed(BOMBS["div"])
    champion = SandboxedChampion(data, hashlib.sha256(data).hexdigest(), Sandbox(API, pool := Pool()))
    for _ in range(3):
        with pytest.raises(Died, match="signal 8"):
            champion.forecast(ARMED)
    with pytest.raises(Died, match=rf"\b{MAX_DEATHS} processes\b"):
        champion.forecast(INPUTS)
    np.testing.assert_array_equal(
        SandboxedChampion(GOOD, SHA256, Sandbox(API, pool)).forecast(INPUTS).mean,
        Champion.load(GOOD).forecast(ARRAYS).mean,
    )


def test_a_failure_that_another_champion_may_have_caused_is_repeated_in_a_new_child(
    child: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first champion leaves the child in a state in which every later one fails."""
    child("""
        reply({"refused": "the first"})
        while messages.read_frame(sys.stdin.buffer):
            reply({"refused": "a later one"})
    """)
    other = foreign.champion_bytes(spread=0.006)
    with Sandbox() as box:
        for data in (GOOD, other, GOOD):
            with pytest.raises(ContractError, match="the first"):
                box.run_trial(data, (), TABLE)


def test_several_champions_share_a_child_and_a_child_keeps_the_last_ones() -> None:
    files = [foreign.champion_bytes(spread=0.005 + number / 10_000) for number in range(MAX_LOADED + 2)]
    with Sandbox() as box:
        champions = [SandboxedChampion(data, hashlib.sha256(data).hexdigest(), box) for data in files]
        for _ in range(2):
            for champion, data in zip(champions, files, strict=True):
                expected = Champion.load(data).forecast(ARRAYS)
                np.testing.assert_array_equal(champion.forecast(INPUTS).quantiles, expected.quantiles)


def test_a_pool_has_a_bounded_number_of_children() -> None:
    pool = Pool()
    sandboxes = [Sandbox(API, pool) for _ in range(MAX_CHILDREN + 2)]
    for box in sandboxes:
        SandboxedChampion(GOOD, SHA256, box).forecast(INPUTS)
    assert [box.is_running for box in sandboxes] == [False] * 2 + [True] * MAX_CHILDREN
    SandboxedChampion(GOOD, SHA256, sandboxes[0]).forecast(INPUTS)
    assert [box.is_running for box in sandboxes[:4]] == [True, False, False, True]


def test_a_sandbox_that_nobody_needs_any_more_ends_its_child() -> None:
    box = Sandbox(API, Pool())
    SandboxedChampion(GOOD, SHA256, box).forecast(INPUTS)
    assert box._child is not None
    process = box._child._process
    del box
    gc.collect()
    assert process.wait(60) == -signal.SIGKILL
