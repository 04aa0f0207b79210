"""The README is true: its commands exist, its tables are the code's, and its examples of extension run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_fn.settings import VARIABLES
from lambda_fn.web.routes import ROUTES
from tests.support.readme import README, ROOT, blocks, commands
from training.__main__ import parser


@pytest.mark.parametrize("command", sorted({c for c in commands() if c.startswith("python -m training")}))
def test_a_training_command_parses(command: str) -> None:
    parser().parse_args(shlex.split(command)[3:])


@pytest.mark.parametrize("command", sorted({c for c in commands() if c.startswith("make")}))
def test_a_make_target_exists(command: str) -> None:
    assert subprocess.run(["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.parametrize("module", sorted({c.split()[2] for c in commands() if c.startswith("python -m lambda_fn")}))
def test_a_serving_command_exists(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    used = re.findall(rf"python -m {re.escape(module)} (--[a-z-]+)", README)
    assert all(option in done.stdout for option in used)


def test_the_readme_opens_with_a_sentence_a_request_and_its_answer() -> None:
    before_commands = README.partition("Two commands")[0]
    assert before_commands.count("```") == 2
    assert "/api/predict" in before_commands


def test_the_settings_table_is_that_of_the_code() -> None:
    table = README.partition("| variable | default | meaning |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([A-Z_0-9]+)` \| (?:`([^`]*)`)? ?\| (.*) \|$", table, flags=re.MULTILINE)
    assert rows == [(variable.name, variable.default, variable.meaning) for variable in VARIABLES]


def test_the_routes_are_those_of_the_code() -> None:
    told = set(re.findall(r"^\| `(GET|POST) ([^`? ]+)[^`]*`", README, flags=re.MULTILINE))
    assert told == {(route.method, route.path) for route in ROUTES if route.path != "/"}


def test_every_file_that_it_names_exists() -> None:
    named = set(re.findall(r"`((?:lambda_fn|training)/[a-z_/]+\.py)`", README)) - {"training/models/gru.py"}
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_examples_of_extension_run(tmp_path: Path) -> None:
    """A copy of the project with the README's feature and family in it: trained, published, and served."""
    for name in ("lambda_fn", "training"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for block in blocks("python"):
        first, _, text = block.partition("\n")
        path = tmp_path / first.removeprefix("# ")
        path.write_text(extended(path, text))
    small = ["--families", "gru,linear_regression", "--first-year", "2026", "--json"]
    result = json.loads(run(tmp_path, "-m", "training", "run", *small))
    assert {row["family"] for row in result["scores"]} >= {"gru", "linear_regression"}
    run(tmp_path, "-m", "training", "publish", "models:/EURUSD_GRU/1")
    answer = json.loads(run(tmp_path, "-m", "training", "forecast", "--json"))
    assert (answer["champion"]["name"], answer["champion"]["generation"]) == ("EURUSD_GRU", 2)
    run(tmp_path, "-m", "training", "publish", "models:/EURUSD_LinearRegression/1")
    answer = json.loads(run(tmp_path, "-m", "training", "forecast", "--json"))
    assert answer["champion"]["features"][-1] == "Volatility"


def extended(path: Path, text: str) -> str:
    """The file with the README's lines in it: as a new file, in place of a constant, in a tuple, or at the end."""
    if not path.exists():
        return text
    old = path.read_text()
    if constant := re.match(r"FEATURES = .*\n", text):
        return re.sub(r"FEATURES = .*\n", constant[0], old, count=1)
    if path.name == "families.py":
        module = text.strip().partition(".")[0]
        return old.replace("import arima,", f"import arima, {module},").replace("        random_walk.FAMILY,\n", text)
    return f"{old}\n\n{text}"


def run(folder: Path, *arguments: str) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in {v.name for v in VARIABLES}}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
