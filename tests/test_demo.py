"""`make demo` on the real prices, as a newcomer runs it, and what the README says of it."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.settings import DEFAULTS
from tests.support.project import tracked
from tests.support.server_process import running

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
# Pinball loss of the baselines at one and five days, computed independently; ours agree within 1 %.
REACH = {"constant": (0.0852, 0.1883), "ewma": (0.0811, 0.1804), "garch": (0.0807, 0.1790)}


@dataclass(frozen=True)
class Demo:
    """The clone in which it ran, and what it printed."""

    folder: Path
    output: str
    progress: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("clone")
    for path in tracked():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    environ = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    venv = Path(sys.prefix)  # the environment of this test run stands for the one that `make demo` installs
    command = ["make", "demo", "SERVE=no", f"VENV={venv}", "-o", f"{venv}/training"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Demo(folder, done.stdout, done.stderr)


def test_it_prints_the_forecast_day_by_day(demo: Demo) -> None:
    table = demo.output[demo.output.index("EURUSD after") :]
    assert all(words in table for words in ("5%", "25%", "median", "75%", "95%"))
    days = re.findall(r"(\d{4}-\d\d-\d\d) │ +([\d.]+) │ +([\d.]+) │ +([\d.]+) │ +([\d.]+) │ +([\d.]+)", table)
    assert len(days) == 5
    for _, *quantiles in days:
        assert [float(value) for value in quantiles] == sorted(float(value) for value in quantiles)


def test_it_tells_the_time_of_each_stage_and_what_the_champion_is_not(demo: Demo) -> None:
    stages = re.findall(r"^done (.+?) +[\d.]+ s$", demo.progress, flags=re.MULTILINE)
    assert {"prices", "fit, export and forecast", "baselines and scores", "publish"} <= set(stages)
    assert "GARCH-t by construction" in demo.output
    assert "Point forecasts" in demo.output


def test_it_leaves_what_the_readme_says(demo: Demo) -> None:
    for name in ("models/best_model_info.json", "serving/active.json", "prices/EURUSD-ecb.csv", "mlflow.db", "mlruns"):
        assert (demo.folder / name).exists(), name


def test_the_pointer_keeps_the_keys_that_users_have(demo: Demo) -> None:
    pointer = json.loads((demo.folder / "models/best_model_info.json").read_text())
    old = json.loads((ROOT / "tests/support/best_model_info_old.json").read_text())
    assert set(old) <= set(pointer)
    for key in ("metrics", "baseline_metrics"):
        assert set(old[key]) <= set(pointer[key])


def test_the_reach(demo: Demo) -> None:
    rows = json.loads((demo.folder / "models/best_model_info.json").read_text())["scores"]
    pinball = {(row["family"], row["horizon"]): row["pinball"] for row in rows}
    for family, (one, five) in REACH.items():
        assert pinball[family, 1] == pytest.approx(one, rel=0.01)
        assert pinball[family, 5] == pytest.approx(five, rel=0.01)
    [champion] = {family for family, _ in pinball} - set(REACH)
    for horizon in range(1, 6):
        assert pinball[champion, horizon] <= 1.001 * pinball["garch", horizon]


def test_the_readme_opens_with_the_real_answer(demo: Demo) -> None:
    target = re.findall(r"curl -s 'http://127.0.0.1:8080(/[^']+)'", README)[0]
    told = json.loads(re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL)[0])
    with running(demo.folder, {}) as server:
        real = server.ask("GET", target).json
    assert shape(real) == shape(told)
    changes = {"run_id", "activated_at", "checked_at", "sha256"}
    assert without(real, changes) == approximately(without(told, changes))


def test_the_readme_shows_the_real_error(demo: Demo) -> None:
    target, told = re.findall(r"curl -s 'http://127.0.0.1:8080(/api/predict\?horizon=9)'\n(.*)\n", README)[0]
    with running(demo.folder, {}) as server:
        assert server.ask("GET", target).json == json.loads(told)


def test_the_readme_tells_the_scores_of_the_run(demo: Demo) -> None:
    """To 1e-4: float32 training differs by that much between processors, scores of the others by less than 1e-6."""
    printed = dict(re.findall(r"│ (\w+) +│ ([\d.]+ │ [\d.]+) │", demo.output))
    told = re.findall(r"^\| [a-z]* ?\| (\w+)[^|]* \| ([\d.]+) \| ([\d.]+) \|", README, flags=re.MULTILINE)
    assert {family for family, *_ in told} == set(printed)
    for family, *losses in told:
        real = [float(value) for value in printed[family].split("│")]
        assert real == pytest.approx([float(value) for value in losses], abs=1e-4), family


def shape(value: Any) -> Any:
    """Keys and types."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def without(value: Any, keys: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: without(item, keys) for key, item in value.items() if key not in keys}
    return [without(item, keys) for item in value] if isinstance(value, list) else value


def approximately(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: approximately(item) for key, item in value.items()}
    if isinstance(value, list):
        return [approximately(item) for item in value]
    return pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value
