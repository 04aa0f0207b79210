"""A plugin of pytest for `make unguarded`: every process that a test starts records its lines under the test's name."""

import os

import pytest

VARIABLE = "UNGUARDED_COVERAGE"  # the settings of coverage, which name the test by PYTEST_CURRENT_TEST


def pytest_sessionstart(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):  # the workers themselves record by pytest-cov
        os.environ["COVERAGE_PROCESS_START"] = os.environ[VARIABLE]
