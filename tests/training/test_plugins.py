"""A package that is installed beside ours adds a model and a price format by its entry points."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support.readme import DOCUMENTS, blocks
from training.prices.table import load

ROOT = Path(__file__).parents[2]
MODULE = '''
"""A random walk with a drift of one pip a day, and a broker's table."""

from training.models.family import Family, Fitted
from training.prices.formats import Format


def fit(sample):
    return Fitted(lambda window, sd: sd * 0.0 + 1e-4, {})


DRIFT = Family(name="drift", model_type="Drift", features=(), fit=fit)
BROKER = Format(
    name="broker", columns=["tradeday", "fix_level"], arrange=lambda grid: grid._replace(header=["date", "close"])
)
WRONG = 3
TAKEN = Family(name="arima", model_type="Mine", features=(), fit=fit)
'''
LIST = """
from training.models.families import DEFAULT_FAMILIES, FAMILIES
from training.runs.jobs import code_version
print(*FAMILIES, DEFAULT_FAMILIES[-1], code_version())
"""


def installed(folder: Path, entries: str, version: str = "1.0") -> Path:
    """As pip leaves a package: its module, and its metadata with the entry points."""
    (folder / "my_models.py").write_text(MODULE)
    metadata = folder / "my_models.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: my-models\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(entries)
    return folder


def documented() -> str:
    """The entry points of docs/extend.md in the form of an installed package."""
    [block] = blocks("toml", DOCUMENTS["extend.md"])
    return block.replace('project.entry-points."', "").replace('"]', "]").replace('"', "")


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "STORE_DIR": str(folder)}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True)


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_package_adds_a_model_and_a_format(tmp_path: Path) -> None:
    folder = installed(tmp_path, documented())
    names = python(folder, "-c", LIST).stdout.split()
    assert names[-3:-1] == ["drift", "drift"] and "arima" in names
    closes = load("ecb", today=date(2026, 11, 1)).frame["close"].iloc[-600:]
    rows = "".join(f"{day:%Y-%m-%d},{close}\n" for day, close in closes.items())
    (folder / "broker.csv").write_text("TradeDay,Fix Level\n" + rows)
    table = printed(python(folder, "-m", "training", "prices", "--csv", "broker.csv", "--json"))
    assert (table["rows"], table["last_close"]) == (600, closes.iloc[-1])
    small = ("--families", "random_walk,drift", "--first-year", "2026", "--json")
    scores = printed(python(folder, "-m", "training", "evaluate", *small))["scores"]
    assert {row["family"] for row in scores} >= {"random_walk", "drift"}


def test_the_version_of_a_plugin_is_part_of_the_version_of_the_code(tmp_path: Path) -> None:
    found = [python(ROOT, "-c", LIST)]
    found += [python(installed(tmp_path, documented(), version), "-c", LIST) for version in ("1.0", "1.1")]
    assert len({done.stdout.split()[-1] for done in found}) == 3


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("my_models:NOWHERE", "AttributeError"),
        ("nowhere:DRIFT", "ModuleNotFoundError"),
        ("my_models:WRONG", "is not a training.models.family.Family"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(tmp_path: Path, target: str, reason: str) -> None:
    folder = installed(tmp_path, f"[eurusd_forecast.families]\ndrift = {target}\n")
    done = python(folder, "-m", "training", "evaluate")
    assert done.returncode == 2
    assert "entry point drift of eurusd_forecast.families, package my-models 1.0" in done.stderr
    assert reason in done.stderr and "uninstall the package" in done.stderr


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    folder = installed(tmp_path, "[eurusd_forecast.families]\nx = my_models:TAKEN\n")
    done = python(folder, "-m", "training", "evaluate")
    assert done.returncode == 2
    assert "family arima (Mine): arima (ARIMA) exists already" in done.stderr
