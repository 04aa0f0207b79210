"""Fixtures and hooks for every test: the stores, the order of the files, and what a run may cost and leave behind."""

import gc
import logging
import os
import random
import signal
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from lambda_fn.champion import child, sandbox
from lambda_fn.record import track_record
from lambda_fn.settings import VARIABLES, Settings
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import expensive, seaweedfs
from tests.support.forked_sandbox import ForkServer, Memory
from tests.support.infra import aws_tools
from tests.support.leftovers import Leftovers

KINDS = ("folder", "bucket") if seaweedfs.installed() else ("folder",)

SEED = 20_000  # of the trials' made-up prices
MAKE_VARIABLES = ("ARGS", "MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS")

# The files with the longest tests start first: a worker that starts one of them last runs on alone.
LONGEST_FIRST = (
    "tests/training/runs/test_task_runner.py",
    "tests/training/runs/test_fanout.py",
    "tests/training/commands/test_cli.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle-files", type=int, metavar="SEED", help="run the test files in a random order")


def pytest_configure(config: pytest.Config) -> None:
    # No test asserts a time, so no example of a property has a deadline: the first may import a library.
    hypothesis.settings.register_profile("project", deadline=None)
    hypothesis.settings.load_profile("project")
    # `make test` exports its own variables, such as ARGS, to each `make` that a test starts. The project's variables
    # may be set for the user's own service.
    for name in (*MAKE_VARIABLES, *(variable.name for variable in VARIABLES)):
        os.environ.pop(name, None)
    # A shell script starts its background jobs with SIGINT ignored, and every child process inherits that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(Sandboxes())
    config.pluginmanager.register(StoreTimes())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(WholeRun(config))


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by mark
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the test files, and mark as `long` what repeats a rule on the second kind of store."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        on_bucket = callspec is not None and callspec.params.get("store_environ") == "bucket"
        if on_bucket and not item.get_closest_marker("both_stores"):
            item.add_marker(pytest.mark.long)
    files = list(dict.fromkeys(item.nodeid.split("::")[0] for item in items))
    if (seed := config.getoption("shuffle_files")) is None:
        rank = {file: number for number, file in enumerate(LONGEST_FIRST)}
        files.sort(key=lambda file: rank.get(file, len(rank)))
    else:
        random.Random(seed).shuffle(files)
    position = {file: number for number, file in enumerate(files)}
    items.sort(key=lambda item: position[item.nodeid.split("::")[0]])


class Sandboxes:
    """Forks the sandbox's children, except in tests marked `real_sandbox`, and counts what is expensive."""

    def __init__(self) -> None:
        self._server, memory = ForkServer(), Memory()
        box = sandbox.Sandbox
        self._real: list[tuple[Any, str, Any]] = [
            (child, "start", child.start),
            (box, "_judge", box._judge),
            (box, "forecast", box.forecast),
        ]
        self._fast = self._server.start, memory.of_judge(box._judge), memory.of_forecast(box.forecast)
        sandbox.random_seed = lambda: SEED
        expensive.watch()

    def pytest_collection_finish(self) -> None:
        """Let the garbage collector leave the imported modules alone, which cost a twentieth of the processor time."""
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        expensive.watch_refits()
        if not item.get_closest_marker("real_sandbox"):
            for (owner, name, _), fast in zip(self._real, self._fast, strict=True):
                setattr(owner, name, fast)
        try:
            return (yield)
        finally:
            for owner, name, real in self._real:
                setattr(owner, name, real)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Fail the last test of a module that leaves a variable of the project set for the next module."""
        result = yield
        if nextitem is None or nextitem.path != item.path:
            os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow's client sets it in its own process
            leaked = [variable.name for variable in VARIABLES if variable.name in os.environ]
            for name in leaked:
                del os.environ[name]
            assert not leaked, f"{item.path.name} leaves {', '.join(leaked)} set"
        return result

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._server.close()
        aws_tools.close()
        expensive.counts["forked children"] = self._server.forks
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output["expensive"] = dict(expensive.counts)


class StoreTimes:
    """Tests live through days in seconds, so the store's time of an entry is that of their clock unless they say so."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        real = track_record.earliest_store_time
        if not item.get_closest_marker("store_times"):
            track_record.earliest_store_time = lambda entry, blob, times: entry.made_at
        try:
            return (yield)
        finally:
            track_record.earliest_store_time = real


class WholeRun:
    """Checks what all workers together cost, and what the run leaves behind."""

    def __init__(self, config: pytest.Config) -> None:
        self._leftovers = Leftovers()
        self._total: Counter[str] = Counter()
        self._faults: list[str] = []
        self._limited = config.option.markexpr == "not long"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._total.update(getattr(node, "workeroutput", {}).get("expensive", {}))

    @pytest.hookimpl(wrapper=True, trylast=True)  # after the workers have ended, before the summary
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        yield
        gc.collect()  # where there are no workers, what this process dropped still runs
        self._total.update(expensive.counts)
        self._faults = self._leftovers.find()
        if self._limited:
            self._faults += expensive.exceeded(self._total)
        if self._faults and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("expensive operations")
        terminalreporter.line(", ".join(f"{name}: {number}" for name, number in sorted(self._total.items())) or "none")
        if self._faults:
            terminalreporter.section("faults found after all tests", red=True)
            for fault in self._faults:
                terminalreporter.line(fault)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Some tests log halves of a character, which no report can carry from one process to another."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(autouse=True)
def the_packages_logger() -> Iterator[None]:
    """As it was before the test: in Lambda it keeps a handler, which would write to where one test's output went."""
    logger = logging.getLogger("lambda_fn")
    handlers, propagate, level = logger.handlers[:], logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweedfs.S3Server]:
    """One server for all tests of the session; each test finds the bucket empty."""
    with seaweedfs.running(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def bucket_environ(s3_server: seaweedfs.S3Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of an empty bucket, set in this process too.

    `monkeypatch` sets them, as tests set the same names by it: two that restore them would undo each other's work.
    """
    environ = s3_server.environ()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    store = open_store(Settings.from_env(environ))
    for key in store.list(""):
        store.delete(key)
    return environ


@pytest.fixture(params=KINDS)
def store_environ(request: pytest.FixtureRequest, tmp_path: Path) -> Mapping[str, str]:
    """The variables of an empty store. A test that uses this, `settings` or `store` runs on a folder and on a bucket.

    The bucket is left to `make test-long`, except where the test or its module is marked `both_stores`.
    """
    if request.param == "folder":
        return {"STORE_DIR": str(tmp_path / "store")}
    environ: dict[str, str] = request.getfixturevalue("bucket_environ")
    return environ


@pytest.fixture
def settings(store_environ: Mapping[str, str]) -> Settings:
    return Settings.from_env(store_environ)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings)
