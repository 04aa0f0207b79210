"""The import rules of both halves: import-linter passes, and reports every wrong import."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_NAMES = 17  # at the top of each half

# A module, an import that it may not have, and the line of the report that names it.
WRONG = (
    (
        "lambda_fn/prices/price_file.py",
        "from lambda_fn.champion import runtime",
        "lambda_fn.prices.price_file -> lambda_fn.champion",
    ),
    ("lambda_fn/web/routing.py", "from lambda_fn import api", "lambda_fn.web.routing -> lambda_fn.api"),
    (
        "lambda_fn/web/routing.py",
        "from lambda_fn.registry import secrets_manager",
        "lambda_fn.web.routing -> lambda_fn.registry",
    ),
    (
        "lambda_fn/store/local.py",
        "def f() -> None:\n    from lambda_fn.web import errors",
        "lambda_fn.store.local -> lambda_fn.web",
    ),
    ("lambda_fn/store/object_store.py", "from lambda_fn.store import local", ".object_store -> .local"),
    ("lambda_fn/settings.py", "import training.console", "lambda_fn.settings -> training.console"),
    ("lambda_fn/champion/model_inputs.py", "import pandas", "lambda_fn.champion.model_inputs -> pandas"),
    ("training/prices/windows.py", "from training.models import family", "training.prices.windows -> training.models"),
    (
        "training/evaluation/metrics.py",
        "from training.models import family",
        "training.evaluation.metrics -> training.models",
    ),
    ("training/publishing/status.py", "import mlflow", "training.publishing.status -> mlflow"),
)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    environ = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("lambda_fn", "training"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rooms_are_kept_apart(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


def test_every_wrong_import_is_caught(copy: Path) -> None:
    """Up and sideways, in a function, a cycle, of the other half, of a heavy package: one run reports them all."""
    for module, statement, _ in WRONG:
        with (copy / module).open("a") as file:
            file.write(f"\n{statement}\n")
    result = lint(copy)
    assert result.returncode == 1
    assert "0 kept, 5 broken" in result.stdout
    report = re.sub(" +", " ", result.stdout)
    assert [line for _, _, line in WRONG if f"- {line}" not in report] == []


@pytest.mark.parametrize("half", ["lambda_fn", "training"])
def test_a_half_shows_few_names_at_its_top(half: str) -> None:
    shown = {path.stem for path in (ROOT / half).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert len(shown - {"__init__"}) <= MOST_NAMES


def test_one_way_to_import_a_thing() -> None:
    """Rooms are named by a sentence and re-export nothing."""
    for path in [*(ROOT / "lambda_fn").glob("*/__init__.py"), *(ROOT / "training").glob("**/__init__.py")]:
        text = path.read_text()
        assert text.startswith('"""') and text.count("\n") == 1, path
