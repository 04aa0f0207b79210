"""Stores for every test: a folder and, where its server is installed, a bucket of a real S3 server."""

import logging
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest

from lambda_fn.settings import Settings
from lambda_fn.store.connect import open_store
from lambda_fn.store.objects import Store
from tests.support import seaweedfs

KINDS = ("folder", "bucket") if seaweedfs.installed() else ("folder",)


def pytest_configure() -> None:
    """No test asserts a time, so no example of a property has a deadline: the first may import a library."""
    hypothesis.settings.register_profile("project", deadline=None)
    hypothesis.settings.load_profile("project")


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
def bucket_environ(s3_server: seaweedfs.S3Server) -> Iterator[dict[str, str]]:
    """The variables of a bucket, emptied, set in this process too."""
    environ = s3_server.environ()
    with seaweedfs.variables(environ):
        store = open_store(Settings.from_env(environ))
        for key in store.list(""):
            store.delete(key)
        yield environ


@pytest.fixture(params=KINDS)
def store_environ(request: pytest.FixtureRequest, tmp_path: Path) -> Mapping[str, str]:
    """The variables of an empty store: a test that uses this, `settings` or `store` runs once for each kind."""
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
