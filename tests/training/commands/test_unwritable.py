"""What cannot be written or read is one sentence with its cure, before any training: real processes and real files.

The tests may run as root, whom permissions do not stop: /proc takes nobody's files.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.errors import has_cure

ROOT = Path(__file__).parents[3]
RUN = ("run", "--families", "random_walk", "--first-year", "2026")
WRITING = (
    RUN,
    ("tasks", "--freeze", *RUN[1:]),
    ("task", "--run", "EURUSD-none", "--index", "0"),
    ("select", "--run", "EURUSD-none"),
    ("prices", "--save"),
    ("publish", "models:/EURUSD_ARIMA@challenger"),
    ("rollback",),
    ("clean", "--store", "--yes"),
)
FIT = "fit, export and forecast"  # the stage of the training


def refused(folder: Path, *arguments: str, **variables: str) -> str:
    """The error of a command that ends at once with exit code 2; `folder` is where it works."""
    environ = {name: value for name, value in os.environ.items() if name not in ("STORE_DIR", "MLFLOW_TRACKING_URI")}
    done = subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and FIT not in done.stderr
    *before, last = done.stderr.splitlines()
    assert last.startswith("error: ") and not any(line.startswith("error: ") for line in before)
    return last


@pytest.mark.parametrize("arguments", WRITING, ids=lambda arguments: arguments[0])
def test_a_folder_that_takes_no_files(arguments: tuple[str, ...]) -> None:
    assert "STORE_DIR: /proc cannot be written" in refused(Path("/proc"), *arguments)


@pytest.mark.parametrize("name", ["file", "file/store", "/proc/store"])
@pytest.mark.parametrize("arguments", [RUN, ("status",), ("forecast",)], ids=lambda arguments: arguments[0])
def test_a_store_that_can_be_no_folder(tmp_path: Path, name: str, arguments: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("no folder")
    error = refused(tmp_path, *arguments, STORE_DIR=name)
    assert f"STORE_DIR: {name} " in error and has_cure(error)


def test_a_folder_of_the_store_that_takes_no_files(tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to("/proc")
    assert "STORE_DIR: /proc cannot be written" in refused(tmp_path, *RUN)


@pytest.mark.parametrize("address", ["/proc/mlflow.db", "/proc/new/mlflow.db", "text/mlflow.db"])
def test_a_database_that_nobody_can_make(tmp_path: Path, address: str) -> None:
    (tmp_path / "text").write_text("no folder")
    error = refused(tmp_path, *RUN, MLFLOW_TRACKING_URI=f"sqlite:///{address}")
    assert "MLFLOW_TRACKING_URI: the folder of " in error and "cannot be written" in error


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("a list of runs\n" * 100)
    for arguments in (RUN, ("publish", "models:/EURUSD_ARIMA/1"), ("clean", "--yes")):
        error = refused(tmp_path, *arguments)
        assert error.startswith("error: MLFLOW_TRACKING_URI: mlflow.db ") and "(file is not a database); " in error
    assert path.read_text() == "a list of runs\n" * 100


def test_a_database_of_a_server_that_has_no_driver_here(tmp_path: Path) -> None:
    assert "cannot be used" in refused(tmp_path, "clean", "--yes", MLFLOW_TRACKING_URI="postgresql+nothing://a@b/c")
