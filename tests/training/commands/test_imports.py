"""A command imports what it needs: executed in fresh processes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Each costs a command that needs none of it from a tenth of a second to several.
HEAVY = {
    "arch": "volatility is fitted in training alone",
    "joblib": "workers are those of run and evaluate",
    "keras": "networks are trained, and never served",
    "matplotlib": "only a command that registers draws",
    "mlflow": "two seconds and more, even of mlflow.exceptions alone",
    "ndonnx": "graphs are exported after a fit",
    "onnx": "what is exported is served by onnxruntime",
    "pandas": "serving works on numpy, and status on the last row of a file",
    "scipy": "statistics are of the evaluation",
    "sklearn": "models are fitted in training alone",
    "sqlalchemy": "aliases are read by the standard library",
    "statsmodels": "models are fitted in training alone",
    "tensorflow": "networks are trained, and never served",
}
HELP_TOO = {"numpy": "options hold no numbers", "onnxruntime": "options hold no model", "rich": "help is plain text"}


def loaded(folder: Path, *arguments: str, code: int = 0, **variables: str) -> set[str]:
    """The modules that a command imports, in a process of its own that works in `folder`."""
    program = (
        "import sys\nfrom training.__main__ import main\ntry: code = main(sys.argv[1:])\n"
        "except SystemExit as end: code = end.code\nprint('\\n', *sys.modules)\nsys.exit(code)"
    )
    root = Path(__file__).parents[3]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environ |= {"PYTHONPATH": str(root), "HOME": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, env=environ, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    return set(done.stdout.rpartition("\n ")[2].split())


@pytest.mark.parametrize("command", ["status", "history", "forecast"])
def test_status_history_and_forecast_import_nothing_heavy(published: Path, command: str) -> None:
    assert loaded(published, command, code=75 if command == "forecast" else 0) & HEAVY.keys() == set()


def test_the_status_of_a_server_imports_no_mlflow(tmp_path: Path) -> None:
    assert loaded(tmp_path, "status", MLFLOW_TRACKING_URI="http://127.0.0.1:9") & HEAVY.keys() == set()


@pytest.mark.parametrize("command", [("prices",), ("prices", "--save"), ("tasks",)], ids=" ".join)
def test_prices_and_tasks_import_pandas_and_nothing_that_fits(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert loaded(tmp_path, *command) & HEAVY.keys() == {"pandas"}


@pytest.mark.long  # MLflow's import takes seconds
@pytest.mark.parametrize("command", [("publish", "models:/EURUSD_RandomWalk/1"), ("rollback",)], ids=" ".join)
def test_publishing_imports_mlflow_and_nothing_that_fits(
    published: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    modules = loaded(tmp_path, *command) & HEAVY.keys()
    assert "mlflow" in modules
    assert modules <= {"mlflow", "pandas", "scipy", "sqlalchemy"}, "MLflow itself imports the others"


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_store_that_takes_no_files_is_named_before_anything_heavy_is_imported(command: str) -> None:
    assert loaded(Path("/proc"), command, code=2) & HEAVY.keys() == set()


def test_help_imports_neither_training_nor_serving(tmp_path: Path) -> None:
    assert loaded(tmp_path, "--help") & (HEAVY.keys() | HELP_TOO.keys()) == set()


def test_evaluate_trains_no_network_and_registers_nothing(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "evaluate", "--families", "random_walk", "--first-year", "2026")
    assert "pandas" in modules  # so the names are those of what is imported
    assert modules & {"mlflow", "sqlalchemy", "keras", "tensorflow"} == set()
