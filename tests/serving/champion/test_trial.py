"""A champion's trial: whatever a hostile file does to the child is a refusal, within its limits."""

import signal
import sys
import textwrap

import pytest

from lambda_fn.champion import trial
from lambda_fn.champion.acceptance import read_metadata
from lambda_fn.champion.model import Champion
from lambda_fn.contract import MAX_MODEL_BYTES, Golden
from lambda_fn.fields import ContractError
from lambda_fn.prices.table import Table
from lambda_fn.store.objects import Unavailable
from tests.support import foreign
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

pytestmark = pytest.mark.real_trials

TABLE = Table(foreign.price_rows(20), {"close": foreign.closes(20)})

HOSTILE = {
    "endless": (changed(endless), "more than|no verdict"),
    "huge": (changed(huge), "MB|memory|cannot run|allocate|no verdict"),
    "slow": (changed(slow), "processor time|bad_alloc|no verdict"),
    "day three high": (changed(day_three(1.1e9)), "day 3 is"),
    "day three negative": (changed(day_three(-5.5)), "above zero|fall"),
    "no width": (foreign.champion_bytes(spread=0.0), "is 0.00% wide"),
    "mean of a billion": (changed(mean_times(1e9)), "mean outside"),
    "mean below zero": (changed(mean_times(-1.0)), "above zero"),
    "random": (changed(random), "random"),
    "mixed with others": (changed(mixed), "1 at once differ by .* from 100 at once"),
    "bad from tomorrow on": (changed(tomorrow_bad, foreign.champion_bytes(dated=True)), "days later"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_champion_is_refused(name: str) -> None:
    data, words = HOSTILE[name]
    with pytest.raises(ContractError, match=words):
        trial.run(data, (), TABLE)


def test_a_champion_as_large_as_allowed_passes() -> None:
    data = changed(heavy)
    assert 0.95 < len(data) / MAX_MODEL_BYTES <= 1
    trial.run(data, (), TABLE)


def test_the_prices_of_its_pair_are_asked_of_in_batches_whatever_their_scale() -> None:
    """Mixed, and without any forecast at the scales of other pairs."""
    table = TABLE._replace(columns={"close": 40 * TABLE.columns["close"]})
    trial.run(GOOD, (), table)
    with pytest.raises(ContractError, match=r"about 44.* at once differ"):
        trial.run(changed(mixed), (), table)


def test_processor_time_without_end_is_ended_by_the_kernel_and_said_so() -> None:
    with pytest.raises(ContractError, match=r"2 s of processor time to its first forecast|more than 5 s"):
        trial.run(changed(endless), (), TABLE)


def test_a_machine_that_can_start_no_trial_is_no_fault_of_the_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ARGUMENTS", ("-m", "no_such_module_anywhere"))
    with pytest.raises(Unavailable, match="cannot be started"):
        trial.run(GOOD, (), TABLE)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(Unavailable, match=r"cannot be started: .*No such file"):
        trial.run(GOOD, (), TABLE)


def test_a_verdict_without_end_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ARGUMENTS", ("-c", "while True: print('[' * 65536)"))
    monkeypatch.setattr(trial, "MAX_VERDICT", 2**20)
    with pytest.raises(ContractError, match="signal 9 and no verdict"):
        trial.run(GOOD, (), TABLE)


def test_an_interrupt_of_this_process_does_not_reach_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import json, os; print(json.dumps({'refused': f'{os.getpgid(0) == os.getpid()}, {os.listdir()}'}))"
    monkeypatch.setattr(trial, "ARGUMENTS", ("-c", code))
    with pytest.raises(ContractError, match=r"^True, \[\]$"):  # a group of its own, an empty folder
        trial.run(GOOD, (), TABLE)


def test_a_good_champion_gives_the_forecast_of_the_window() -> None:
    found = trial.run(GOOD, (), TABLE)
    assert isinstance(found, Golden)
    forecast = Champion.load(GOOD).forecast({"close": TABLE.columns["close"][None]})
    assert found.quantiles == forecast.quantiles[0].tolist()


def test_the_metadata_of_hostile_bytes_is_read_without_running_them() -> None:
    metadata, columns = read_metadata(changed(endless))
    assert (metadata.family, columns) == ("foreign", ("close",))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGXCPU])
def test_a_child_that_is_killed_is_a_refusal(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dying = ("-c", f"import os; os.kill(os.getpid(), {int(number)})")
    monkeypatch.setattr(trial, "ARGUMENTS", dying)
    with pytest.raises(ContractError, match=f"ended with signal {int(number)} and no verdict"):
        trial.run(GOOD, (), TABLE)


NO_VERDICTS = ("", "[]", "{}", '{"good": {}}', '{"good": 1}', "\\xff", '{"good": {"x": 1}}', "[" * 9999)


@pytest.mark.parametrize("said", NO_VERDICTS)
def test_what_is_no_verdict_is_a_refusal(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ARGUMENTS", ("-c", f"print('''{said}''')"))
    with pytest.raises(ContractError, match="no verdict"):
        trial.run(GOOD, (), TABLE)


def test_a_child_that_never_ends_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ARGUMENTS", ("-c", "import signal; signal.pause()"))
    monkeypatch.setattr(trial, "WALL_S", 0.5)
    with pytest.raises(ContractError, match=r"took more than 0\.5 s"):
        trial.run(GOOD, (), TABLE)


def test_the_child_sees_no_secret_and_works_in_an_empty_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    code = """
        import json, os
        said = [value for value in os.environ.values() if "secret" in value]
        print(json.dumps({"refused": f"{os.listdir()}, {said}"}))
    """
    monkeypatch.setattr(trial, "ARGUMENTS", ("-c", textwrap.dedent(code)))
    with pytest.raises(ContractError, match=r"^\[\], \[\]$"):
        trial.run(GOOD, (), TABLE)


# What a child does that has set its limits, and what is said of its end.
BEYOND = {
    "processor": ("while True: pass", f"signal {int(signal.SIGXCPU)} .* more than 2 s of processor time"),
    "memory": ("bytearray(2 * trial.MEMORY)", "MemoryError"),
    "file": ("signal.signal(signal.SIGXFSZ, signal.SIG_IGN); open('own', 'wb', 0).write(b'1')", "File too large"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="macOS says little of an address space")
@pytest.mark.parametrize("beyond", BEYOND)
def test_each_limit_holds_by_itself(beyond: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile champion meets several, and the first one hides the others."""
    code, words = BEYOND[beyond]
    whole = f"""
        import json, signal
        from lambda_fn.champion import trial
        trial._limit()
        try:
            {code}
        except (MemoryError, OSError) as error:
            print(json.dumps({{"refused": repr(error)}}))
    """
    monkeypatch.setattr(trial, "ARGUMENTS", ("-c", textwrap.dedent(whole)))
    with pytest.raises(ContractError, match=words):
        trial.run(GOOD, (), TABLE)
