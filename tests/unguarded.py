"""`make unguarded`: removes one check, limit or option of the service at a time and lists what no test notices.

It runs the tests of serving once and records which lines each test runs. Then it makes each removal of
`tests/support/removals.py` in a copy and runs only the tests that run its lines. The results are in `.unguarded/`: a
stopped run continues, and removals from a changed file are repeated. `--fresh` measures the tests again.
"""

import argparse
import functools
import hashlib
import importlib.util
import itertools
import json
import math
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import coverage

from tests.support import measured_processes
from tests.support.project import ROOT, copy_tracked
from tests.support.removals import Removal, removals
from tests.survivors import SURVIVORS

STATE = ROOT / ".unguarded"
SANDBOX = ROOT / "lambda_fn/champion/sandbox.py"
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
CHILD_FACTOR = 3  # of the seconds, for what only children of the sandbox run
TEST_S = 40  # for one test, which hangs where a limit of time is gone
COVERAGE = """[run]
source = lambda_fn
parallel = true
context = ${PYTEST_CURRENT_TEST-}
data_file = %s
"""


def measure(folder: Path) -> None:
    """Runs the tests of serving and saves which lines each of them runs, and how long each takes."""
    settings = folder / "coverage.ini"
    settings.write_text(COVERAGE % (STATE / "coverage"))
    for old in STATE.glob("coverage*"):
        old.unlink()
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses", "2", "--dist", "loadfile"),
        *("--cov", "--cov-context=test", f"--cov-config={settings}", "--cov-report="),
        *("-p", measured_processes.__name__),
        *("-m", "not long", f"--junitxml={STATE / 'times.xml'}", "tests/serving"),
    ]
    environ = {**os.environ, measured_processes.VARIABLE: str(settings)}
    done = subprocess.run(command, cwd=folder, env=environ, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests ended with {done.returncode}")


def collected(folder: Path) -> set[str]:
    """The tests of serving, as pytest names them."""
    command = [*PYTEST, "--collect-only", "-m", "not long", "tests/serving"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if line.startswith("tests/")}


class Tests:
    """The tests that passed, and the lines that each of them runs.

    Those of the module and those that see an error raised come first, then others that run the lines in this process,
    and the fastest of each.
    """

    def __init__(self, folder: Path) -> None:
        times = dict(_times(STATE / "times.xml"))
        # Those that have come since are tried first.
        self._seconds = {test: times.get(test, 0.0) for test in collected(folder)}
        self._seconds = {test: seconds for test, seconds in self._seconds.items() if seconds < math.inf}
        self._data = coverage.CoverageData(str(STATE / "coverage"))
        self._data.read()
        self._files: dict[str, dict[int, list[str]]] = {}
        self._measured = {name.partition("/lambda_fn/")[2]: name for name in self._data.measured_files()}

    @functools.cache  # noqa: B019
    def of(self, removal: Removal) -> list[str]:
        """Return the tests that run its lines and those of its room, the most likely to fail first.

        Children of the sandbox record nothing, but what they refuse their parents raise.
        """
        module = Path(removal.file).relative_to("lambda_fn")
        place = f"tests/serving/{module.parent}/" if module.parent.name else f"tests/serving/test_{module.name}"
        limit = f"test_a_limit_is_as_documented[{str(module.with_suffix('')).replace('/', '.')}."
        documented = {test for test in self._seconds if removal.kind == "limit" and limit in test}
        raising = {test for file, line in removal.raises for test in self._of_line(file, line)}
        refused = self._of_raises(SANDBOX) if module.parent.name == "champion" else set()
        of_room = {test for test in self._seconds if test.startswith(place) or f"/test_{module.name}::" in test}
        recorded = self.recorded(removal)
        # What runs at the import of a module, or is cached, runs in the first test of a process only.
        tests = documented | raising | refused | recorded | of_room
        if module.parent.name != "store":  # the twins on a folder run the same lines without a server
            tests = {test for test in tests if "[bucket" not in test}
        of_module = {test for test in tests if f"/test_{module.name}::" in test}
        order = (documented, of_module, raising & recorded, recorded, raising, refused)
        return sorted(tests, key=lambda test: (*(test not in some for some in order), self._seconds[test]))

    def _of_raises(self, path: Path) -> set[str]:
        lines = [number for number, line in enumerate(path.read_text().splitlines(), 1) if "raise" in line]
        return {test for line in lines for test in self._of_line(str(path.relative_to(ROOT)), line)}

    def recorded(self, removal: Removal) -> set[str]:
        return {test for file, line in removal.lines for test in self._of_line(file, line)}

    def within(self, tests: list[str], seconds: float) -> list[str]:
        """The first of them that take no longer than this together."""
        ends = itertools.accumulate(self._seconds[test] for test in tests)
        return [test for test, end in zip(tests, ends, strict=True) if end <= seconds] or tests[:1]

    def first_s(self, removal: Removal) -> float:
        return next((self._seconds[test] for test in self.of(removal)), 0.0)

    @functools.cache  # noqa: B019  # one object a run
    def _of_line(self, file: str, line: int) -> set[str]:
        if file not in self._files:
            name = self._measured.get(file.removeprefix("lambda_fn/"))
            self._files[file] = self._data.contexts_by_lineno(name) if name else {}
        tests: set[str] = set()
        for context in self._files[file].get(line, ()):
            test = re.split(r"\||\s\((?:setup|call|teardown)\)$", context)[0]
            if context.endswith(" (setup)"):  # a process that the tests of a module share
                place = test.partition("::")[0]
                tests |= {other for other in self._seconds if other.startswith(f"{place}::")}
            elif test in self._seconds:
                tests.add(test)
        return tests


def noticed_by(removal: Removal, tests: list[str], folder: Path) -> str:
    """The first test that fails without it, or nothing."""
    if not tests:
        return ""
    path, arguments = folder / removal.file, folder / "tests.txt"
    source = path.read_bytes()
    _write(path, removal.applied(source))
    arguments.write_text("\n".join(tests))
    try:
        command = [*PYTEST, "-x", "--timeout", str(TEST_S), f"@{arguments}"]
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    finally:
        _write(path, source)
    failed = re.search(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if done.returncode in (4, 5) and not failed:
        raise RuntimeError(f"pytest ran no test: {done.stdout[-500:]}{done.stderr[-500:]}")
    passed = re.search(r"^\d+ passed", done.stdout, re.MULTILINE)  # a run of few tests may leave a child behind
    return failed[1] if failed else "" if passed else f"pytest: {done.stdout[-300:].strip()}"


def _write(path: Path, source: bytes) -> None:
    """Write a module without its byte code: Python takes that of another version of the same second and length."""
    path.write_bytes(source)
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def main() -> int:
    parser = argparse.ArgumentParser("make unguarded", description=__doc__.partition("\n")[0])
    parser.add_argument("--fresh", action="store_true", help="measure again which test runs which line")
    parser.add_argument("--only", default="", help="removals whose names contain this")
    parser.add_argument("--again", action="store_true", help="repeat what no test noticed")
    parser.add_argument("--seconds", type=float, default=120, help="of tests for one removal (default: %(default)s)")
    args = parser.parse_args()
    STATE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folders: queue.Queue[Path] = queue.Queue()
        for number in range(min(2, os.cpu_count() or 1)):
            folders.put(folder := Path(name) / str(number) / "clone")
            copy_tracked(folder)
        if args.fresh or not (STATE / "coverage").exists():
            measure(Path(name) / "0" / "clone")
        tests = Tests(Path(name) / "0" / "clone")
        return _remove([one for one in removals(ROOT) if args.only in one.name], tests, folders, args)


def _remove(selected: list[Removal], tests: Tests, folders: "queue.Queue[Path]", args: argparse.Namespace) -> int:
    lock = threading.Lock()
    results, keys = _results(), {removal.name: _key(removal) for removal in selected}

    def remove(removal: Removal) -> None:
        key = keys[removal.name]
        if key in results and not (args.again and not results[key]):
            return
        every = tests.of(removal)
        chosen = tests.within(every, args.seconds * (1 if tests.recorded(removal) else CHILD_FACTOR))
        folder = folders.get()
        try:
            noticed = noticed_by(removal, chosen, folder)
        finally:
            folders.put(folder)
        with lock:
            results[key] = noticed
            with (STATE / "results.jsonl").open("a") as file:
                file.write(json.dumps({"key": key, "name": removal.name, "noticed": noticed}) + "\n")
            count = f"{len(chosen)} of {len(every)} tests"
            show(f"{removal.kind:6} {removal.name}: {noticed or f'nobody noticed, {count}'}")

    with ThreadPoolExecutor(folders.qsize()) as pool:
        list(pool.map(remove, sorted(selected, key=tests.first_s)))
    survivors = [removal.name for removal in selected if not results[keys[removal.name]]]
    new = [name for name in survivors if name not in SURVIVORS]
    show(f"{len(selected)} removals, {len(survivors)} not noticed, {len(new)} of them without a reason")
    for name in new:
        show(f"  {name}")
    return 1 if new else 0


def show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _key(removal: Removal) -> str:
    """Changes with the file: what was noticed in another one is asked again."""
    digest = hashlib.sha256((ROOT / removal.file).read_bytes()).hexdigest()
    return f"{digest[:16]} {removal.name}"


def _results() -> dict[str, str]:
    path = STATE / "results.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["key"]: line["noticed"] for line in map(json.loads, lines)}


def _times(path: Path) -> Iterator[tuple[str, float]]:
    """The tests, as pytest names them, each with its seconds; infinitely many for those that did not pass."""
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}"
        yield name, math.inf if len(case) else float(case.attrib["time"])


if __name__ == "__main__":
    sys.exit(main())
