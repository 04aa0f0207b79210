"""The rooms of both halves are held apart: import-linter passes, and a wrong import makes it fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_NAMES = 15  # at the top of each half

WRONG = {
    "up from one room to another": ("lambda_fn/prices/table.py", "from lambda_fn.champion import model", "champion"),
    "from a room to a door": ("lambda_fn/web/routes.py", "from lambda_fn import api", "api"),
    "between rooms side by side": ("lambda_fn/web/routes.py", "from lambda_fn.registry import secret", "registry"),
    "in a function": ("lambda_fn/store/folder.py", "def f() -> None:\n    from lambda_fn.web import problem", "web"),
    "a circle within a room": ("lambda_fn/store/objects.py", "from lambda_fn.store import folder", "folder"),
    "the other half": ("lambda_fn/settings.py", "import training.console", "training"),
    "a heavy package": ("lambda_fn/champion/inputs.py", "import pandas", "pandas"),
    "up in training": ("training/prices/windows.py", "from training.models import family", "models"),
    "training's rooms side by side": ("training/evaluation/metrics.py", "from training.models import family", "models"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    for name in ("lambda_fn", "training"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_rooms_are_kept_apart(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_import_is_caught(name: str, copy: Path) -> None:
    module, line, culprit = WRONG[name]
    path = copy / module
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        done = lint(copy)
    finally:
        path.write_text(before)
    assert done.returncode == 1, done.stdout
    assert Path(module).stem in done.stdout
    assert culprit in done.stdout


@pytest.mark.parametrize("half", ["lambda_fn", "training"])
def test_a_half_shows_few_names_at_its_top(half: str) -> None:
    shown = {path.stem for path in (ROOT / half).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert len(shown - {"__init__"}) <= MOST_NAMES


def test_one_way_to_import_a_thing() -> None:
    """Rooms are named by a sentence and re-export nothing."""
    for path in [*(ROOT / "lambda_fn").glob("*/__init__.py"), *(ROOT / "training").glob("**/__init__.py")]:
        text = path.read_text()
        assert text.startswith('"""') and text.count("\n") == 1, path
