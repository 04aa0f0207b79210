"""The documents are true: their commands exist, their tables are the code's, and their examples run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from lambda_fn.settings import VARIABLES
from lambda_fn.web.routes import ROUTES
from tests.support.commands import parsed
from tests.support.readme import ALL, DOCUMENTS, README, ROOT, blocks, commands
from training.prices.table import load


@pytest.mark.parametrize("command", sorted({c for c in commands() if c.startswith(("python -m training ", "eurusd "))}))
def test_a_training_command_parses(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    args = shlex.split(command.replace("python -m training", "eurusd"))[1:]
    for name in args:
        if name.endswith(".csv"):
            Path(name).touch()  # the reader's own file
    parsed(args)


@pytest.mark.parametrize("command", sorted({c for c in commands() if c.startswith("make")}))
def test_a_make_target_exists(command: str) -> None:
    assert subprocess.run(["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.parametrize("module", sorted({c.split()[2] for c in commands() if c.startswith("python -m lambda_fn")}))
def test_a_serving_command_exists(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    used = re.findall(rf"python -m {re.escape(module)} (--[a-z-]+)", ALL)
    assert all(option in done.stdout for option in used)


def test_the_readme_opens_with_a_sentence_how_to_start_and_a_request_with_its_answer() -> None:
    first, second, *_ = blocks("console", README)
    assert README.index(".") < README.index("```")
    assert first == "$ make demo\n"
    assert "/api/predict" in second.splitlines()[0] and len(second.splitlines()) > 1


def test_a_command_of_the_readme_stands_after_what_it_needs() -> None:
    lines = [line for block in blocks("console", README) for line in block.splitlines() if line.startswith("$ ")]
    names = [" ".join(line.split()[1:3]) for line in lines]
    first = {name: names.index(name) for name in reversed(names)}
    assert first["make demo"] == 0, "it installs the environment and publishes what the others use"
    assert first["make demo"] < first["curl -s"] < first[". .venv/bin/activate"]
    of_environment = [place for name, place in first.items() if name.startswith(("eurusd ", "python "))]
    assert of_environment and min(of_environment) > first[". .venv/bin/activate"]
    assert first["eurusd run"] < first["eurusd forecast"] < first["eurusd rollback"]


def test_the_settings_table_is_that_of_the_code() -> None:
    table = ALL.partition("| variable | default | meaning |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([A-Z_0-9]+)` \| (?:`([^`]*)`)? ?\| (.*) \|$", table, flags=re.MULTILINE)
    assert rows == [(variable.name, variable.default, variable.meaning) for variable in VARIABLES]


def test_the_routes_are_those_of_the_code() -> None:
    told = set(re.findall(r"^\| `(GET|POST) ([^`? ]+)[^`]*`", ALL, flags=re.MULTILINE))
    assert told == {(route.method, route.path) for route in ROUTES if route.path != "/"}


def test_every_file_that_it_names_exists() -> None:
    named = set(re.findall(r"`((?:lambda_fn|training)/[a-z_/]+\.py)`", ALL))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_link_leads_somewhere() -> None:
    texts = {ROOT / "README.md": README, **{ROOT / "docs" / name: text for name, text in DOCUMENTS.items()}}
    for page, text in texts.items():
        for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", text):
            path = page.parent / target if target else page
            assert path.exists(), (page.name, target)
            assert not anchor or anchor in headings(path.read_text()), (page.name, target, anchor)


def headings(text: str) -> set[str]:
    """As GitHub names them in addresses."""
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 1_200


@pytest.fixture
def extended(tmp_path: Path) -> Path:
    """A copy of the project with every block of docs/extend.md in it."""
    for name in ("lambda_fn", "training"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for language, block in re.findall(r"```(python|diff|csv)\n(.*?)```", DOCUMENTS["extend.md"], flags=re.DOTALL):
        insert(tmp_path, language, block)
    return tmp_path


LISTS = """
from training.models import economic_calendar, families, features
from training.models.heads import registry
print("gru" in families.FAMILIES, "slow" in registry.HEADS, "Volatility" in features.FEATURES)
print(families.FAMILIES["linear_regression"].features[-1], economic_calendar.load_events().known_through()["ECB"])
"""


def test_the_examples_of_extension_apply(extended: Path) -> None:
    """Each is in its list, and a file of the new form is read; whether they train is left to the long test."""
    assert run(extended, "-c", LISTS).split() == ["True", "True", "True", "Volatility", "2029-01-25"]
    closes = load("ecb", today=date(2026, 11, 1)).frame["close"].iloc[-1000:]
    (extended / "broker.csv").write_text(
        "day,settle\n" + "".join(f"{day:%Y-%m-%d},{close}\n" for day, close in closes.items())
    )
    table = json.loads(run(extended, "-m", "training", "prices", "--csv", "broker.csv", "--json"))
    assert (table["rows"], table["last_close"]) == (len(closes), closes.iloc[-1])


@pytest.mark.long
def test_the_examples_of_extension_run(extended: Path) -> None:
    """Trained, published, and served."""
    small = ["--families", "gru,linear_regression", "--first-year", "2026", "--json"]
    assert f"training run {' '.join(small[:4])}" in DOCUMENTS["extend.md"]
    result = json.loads(run(extended, "-m", "training", "run", *small))
    assert {row["family"] for row in result["scores"]} >= {"gru", "linear_regression"}
    run(extended, "-m", "training", "publish", "models:/EURUSD_GRU/1")
    answer = json.loads(run(extended, "-m", "training", "forecast", "--json", code=75))
    assert (answer["champion"]["name"], answer["champion"]["generation"]) == ("EURUSD_GRU", 2)
    assert json.loads(run(extended, "-m", "training", "status", "--json"))
    run(extended, "-m", "training", "publish", "models:/EURUSD_LinearRegression/1")
    answer = json.loads(run(extended, "-m", "training", "forecast", "--json", code=75))
    assert answer["champion"]["features"][-1] == "Volatility"


def insert(folder: Path, language: str, block: str) -> None:
    """As the document says: a patch is applied, Python goes to the end of its file or makes it."""
    if language == "diff":
        patched = subprocess.run(["git", "apply", "-"], input=block, cwd=folder, capture_output=True, text=True)
        assert patched.returncode == 0, patched.stderr
        return
    name, _, text = ("training/models/events.csv", "", block) if language == "csv" else block[2:].partition("\n")
    with (folder / name).open("a") as file:
        file.write(f"\n\n{text}" if file.tell() and language == "python" else text)


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in {v.name for v in VARIABLES}}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout
