"""`make mutate`: removes one guard of a promise at a time, in a copy, and shows which test noticed.

Not a part of the tests: it takes minutes. A guard whose removal nobody notices is an error.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.support.project import ROOT, tracked

FAULTS, ATTACKS = "tests/serving/test_faults.py", "tests/serving/server/test_attacks.py"
INTERLEAVINGS, LAST_GOOD = "tests/serving/test_interleavings.py", "tests/serving/store/test_last_known_good.py"


class Guard(NamedTuple):
    """`text` of `file` becomes `without`, and then `test` has to fail."""

    name: str
    file: str
    text: str
    without: str
    test: str


GUARDS = (
    Guard(
        "a lower generation is refused",
        "lambda_fn/champion/generations.py",
        "if last and generation < last.generation:",
        "if False and last and generation < last.generation:",
        "tests/serving/test_refresh.py::test_the_active_generation_never_falls",
    ),
    Guard(
        "a champion is tried before it becomes active",
        "lambda_fn/refresh.py",
        "first = check_champion(data, pointer, settings.pair, store, now.date())",
        "first = pointer.golden[0]",
        INTERLEAVINGS,
    ),
    Guard(
        "an older forecast never replaces a newer one",
        "lambda_fn/record/making.py",
        "return new.order > old.order",
        "return True",
        INTERLEAVINGS,
    ),
    Guard(
        "the ledger is written once",
        "lambda_fn/record/ledger.py",
        "store.create(",
        "(lambda key, data: (store.delete(key), store.create(key, data))[1])(",
        INTERLEAVINGS,
    ),
    Guard(
        "a record that was damaged on the way is noticed",
        "lambda_fn/fields.py",
        "if found and int(found[1], 16) != binascii.crc32(data[: found.start()]):",
        "if False:",
        "tests/serving/test_fuzz.py",
    ),
    Guard(
        "prices that were damaged on the way are noticed",
        "lambda_fn/store/objects.py",
        "if written is not None and written != _sum(data):",
        "if False:",
        "tests/serving/test_damaged_prices.py",
    ),
    Guard(
        "a champion that was damaged on the way is noticed",
        "lambda_fn/champion/cache.py",
        "if found != sha256:",
        "if False:",
        "tests/serving/champion/test_model.py::test_whatever_breaks_the_old_one_goes_on_serving",
    ),
    Guard(
        "what is in memory goes on being served",
        "lambda_fn/store/last_known_good.py",
        "self._known = held._replace(stale=True) if held else None",
        "self._known = None",
        f"{FAULTS}::test_a_fault_leaves_the_old_forecast_and_ends_with_itself[reset]",
    ),
    Guard(
        "nobody who can be answered waits for a slow store",
        "lambda_fn/store/allowance.py",
        "WAIT_S = 0.25",
        "WAIT_S = 60.0",
        f"{LAST_GOOD}::test_a_slow_store_holds_nobody_up_who_can_be_answered_from_memory",
    ),
    Guard(
        "one answer has one allowance",
        "lambda_fn/store/allowance.py",
        "self._spent += self._clock() - now",
        "pass",
        f"{LAST_GOOD}::test_an_answer_waits_no_longer_than_its_allowance_however_many_values_it_looks_for",
    ),
    Guard(
        "a store that is down is not asked by everybody",
        "lambda_fn/store/last_known_good.py",
        "BACK_OFF_S = 4.0",
        "BACK_OFF_S = 0.0",
        f"{LAST_GOOD}::test_with_a_value_in_memory_a_failure_is_stale_and_not_repeated_for_four_seconds",
    ),
    Guard(
        "a request's head is limited",
        "lambda_fn/server/protocol.py",
        "MAX_HEAD = 32 * 1024",
        "MAX_HEAD = 200 * 2**20",
        f"{ATTACKS}::test_a_flood_of_one_header_is_cut_off",
    ),
    Guard(
        "a request has to come in time",
        "lambda_fn/server/protocol.py",
        "READ_S = 10.0",
        "READ_S = 300.0",
        f"{ATTACKS}::test_who_sends_slowly_is_told_so_and_cut_off",
    ),
    Guard(
        "connections are limited",
        "lambda_fn/server/protocol.py",
        "if len(self.connections) > MAX_CONNECTIONS:",
        "if False:",
        f"{ATTACKS}::test_many_slow_connections_keep_nobody_out",
    ),
    Guard(
        "what waits for a thread is limited",
        "lambda_fn/server/asgi.py",
        "if self._in_threads >= MAX_IN_THREADS:",
        "if False:",
        f"{ATTACKS}::test_what_is_beyond_the_threads_is_told_to_come_again",
    ),
    Guard(
        "a body is limited",
        "lambda_fn/server/asgi.py",
        "if size > MAX_BODY:",
        "if False:",
        "tests/serving/server/test_server.py::test_a_huge_body_is_413_with_and_without_its_length",
    ),
    Guard(
        "production is built on the pinned base image",
        "infra/base.py",
        "if not first or whole[: len(first)] != first:",
        "if False:",
        "tests/infra/test_base.py::test_an_image_on_another_base_is_noticed",
    ),
    Guard(
        "history is not rewritten in silence",
        "lambda_fn/prices/update.py",
        "if changed := differences(before, offered, needed):",
        "if changed := []:",
        "tests/serving/test_ingest.py",
    ),
)


def noticed(guard: Guard, folder: Path) -> bool:
    """Whether the test fails in a copy without the guard; raises ValueError where the guard is not found as it says."""
    path = folder / guard.file
    whole = path.read_text()
    if whole.count(guard.text) != 1:
        raise ValueError(f"{guard.file}: {guard.text!r} is there {whole.count(guard.text)} times")
    path.write_text(whole.replace(guard.text, guard.without))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "300", guard.test]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    path.write_text(whole)
    if done.returncode not in (0, 1):
        raise ValueError(f"{guard.test} could not be run: {done.stdout[-500:]}")
    return done.returncode == 1


def main() -> int:
    asked = argparse.ArgumentParser("make mutate", description="Remove one guard at a time; a test has to notice.")
    asked.add_argument("--only", default="", help="guards whose names have this in them")
    only: str = asked.parse_args().only
    console, table = Console(), Table("guard", "where", "noticed by", box=None)
    unnoticed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "clone"
        for path in tracked():
            (folder / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / path.relative_to(ROOT))
        for guard in (found for found in GUARDS if only in found.name):
            seen = noticed(guard, folder)
            console.print(f"without: {guard.name}: {'noticed' if seen else 'nobody noticed'}")
            unnoticed += not seen
            table.add_row(guard.name, guard.file, guard.test if seen else "[red]nobody[/red]")
    console.print(table)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
