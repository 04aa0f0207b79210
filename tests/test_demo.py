"""`make demo` on the real prices, as a newcomer runs it, and what the README says of it."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lambda_fn.settings import DEFAULTS
from tests.support.project import copy_tracked
from tests.support.readme import blocks
from tests.support.server_process import ask, running

pytestmark = pytest.mark.long  # the whole run of 17 years and six models; commands/test_demo.py is the short form

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
API = (ROOT / "docs/api.md").read_text()
SERVING = re.compile(r"Serving on http://127\.0\.0\.1:(\d+) until Ctrl-C")
# Pinball loss of the baselines at one and five days, computed independently; ours agree within 1 %.
REACH = {"constant": (0.0852, 0.1883), "ewma": (0.0811, 0.1804), "garch": (0.0807, 0.1790)}
CLOCK = {"age", "stale_reason"}  # members whose shape depends on the day on which the demo runs


@dataclass(frozen=True)
class Demo:
    """The clone in which it ran, what it printed until Ctrl-C, and what its server answered at the end."""

    folder: Path
    output: str
    progress: str
    answer: Any


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("clone")
    copy_tracked(folder)
    environ = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    environ["ECB_URL"] = "http://127.0.0.1:9/nobody"  # the embedded rates, on a machine with the internet too
    venv = Path(sys.prefix)  # the environment of this test run stands for the one that `make demo` installs
    command = ["make", "demo", "PORT=0", f"VENV={venv}", "-o", f"{venv}/training"]
    output, progress = folder / "demo.out", folder / "demo.err"
    with output.open("w") as out, progress.open("w") as err:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=err, start_new_session=True)
    try:
        while not (serving := SERVING.search(progress.read_text())) and process.poll() is None:
            time.sleep(0.1)
        assert serving, progress.read_text()
        connection = HTTPConnection("127.0.0.1", int(serving[1]))
        answer = ask(connection, "GET", "/api/predict").json
        connection.close()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)  # Ctrl-C, which a terminal sends to make and all that it runs
        process.wait()
    with pytest.raises(ConnectionRefusedError):
        HTTPConnection("127.0.0.1", int(serving[1])).connect()
    return Demo(folder, output.read_text(), progress.read_text(), answer)


def test_it_serves_first_and_swaps_the_champion_of_the_whole_run_in(demo: Demo) -> None:
    steps = ("Generation 1 (random_walk) is served on ", "training all models", "serving generation 2,")
    places = [demo.progress.index(step) for step in (*steps, "replaced generation 1 by 2 ")]
    assert places == sorted(places)
    assert [int(number) for number in re.findall(r", generation (\d+), trained", demo.output)] == [1, 2]
    assert demo.answer["champion"]["generation"] == 2
    assert demo.progress.count("Serving on http") == 2  # it says so once, and the demo at its end


def test_it_says_that_the_forecast_is_of_embedded_rates(demo: Demo) -> None:
    day = demo.answer["forecast"][0]["date"]
    assert re.search(rf"embedded rates, .* {demo.answer['as_of']}: .* {day}\b", demo.progress)


def test_it_prints_the_forecast_day_by_day(demo: Demo) -> None:
    _, *tables = demo.output.split("EURUSD after")
    assert len(tables) == 2
    for table in tables:
        assert all(words in table for words in ("5%", "25%", "median", "75%", "95%"))
        days = re.findall(
            r"(\d{4}-\d\d-\d\d)(?: past)? │ +([\d.]+) │ +([\d.]+) │ +([\d.]+) │ +([\d.]+) │ +([\d.]+)", table
        )
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
    champion = rows[0]["family"]
    for horizon in range(1, 6):
        assert pinball[champion, horizon] <= 1.001 * pinball["garch", horizon]


def test_the_readme_opens_with_the_real_answer(demo: Demo) -> None:
    target, told = re.findall(r"curl -s 'http://127.0.0.1:8080(/[^']+)'\n(date,.*?)```", README, flags=re.DOTALL)[0]
    with running(demo.folder, {}) as server:
        found = pd.read_csv(f"http://127.0.0.1:{server.port}{target}")
        assert 'pandas.read_csv("http://127.0.0.1:8080/api/predict?format=csv")' in README
        assert len(pd.read_csv(f"http://127.0.0.1:{server.port}/api/predict?format=csv")) == 5
    expected = pd.read_csv(io.StringIO(told))
    assert set(expected.pop("age_state")) == {"fresh"} and set(found.pop("age_state")) <= {"fresh", "late", "expired"}
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4)


def test_the_client_of_the_readme_gets_the_forecast(demo: Demo) -> None:
    [code] = blocks("python", README)
    client: dict[str, Any] = {}
    with running(demo.folder, {}) as server:
        exec(code.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{server.port}"), client)
        real = server.ask("GET", "/api/predict?horizon=5&level=80").json["forecast"]
    assert client["table"]["lo-80"].tolist() == [day["intervals"]["80"]["lower"] for day in real]
    assert 0 < client["chance"] < 1


def test_the_document_of_the_api_shows_the_real_answer(demo: Demo) -> None:
    target = re.findall(r"curl -s 'http://127.0.0.1:8080(/[^']+)'\n```\n\n```json", API)[0]
    told = json.loads(re.findall(r"```json\n(.*?)```", API, flags=re.DOTALL)[0])
    with running(demo.folder, {}) as server:
        real = server.ask("GET", target).json
    assert shape(without(real, CLOCK)) == shape(without(told, CLOCK))
    changes = {"run_id", "activated_at", "checked_at", "sha256", "made_at", "age", "stale", "stale_reason"}
    assert without(real, changes) == approximately(without(told, changes))


def test_the_document_of_the_api_shows_the_real_error(demo: Demo) -> None:
    target, told = re.findall(r"curl -s 'http://127.0.0.1:8080(/api/predict\?horizon=22)'\n(.*)\n", API)[0]
    with running(demo.folder, {}) as server:
        assert server.ask("GET", target).json == json.loads(told)


def test_the_readme_tells_the_scores_of_the_run(demo: Demo) -> None:
    """To 1e-4: float32 training differs by that much between processors, scores of the others by less than 1e-6."""
    printed = dict(re.findall(r"│ (\w+) +│ ([\d.]+ │ +[\d.]+ │ +[\d.]+) │", demo.output))
    told = re.findall(r"^\| [a-z]* ?\| (\w+)[^|]* \| ([\d.]+) / ([\d.]+) / ([\d.]+) \|", README, flags=re.MULTILINE)
    assert len(told) >= 5 and {family for family, *_ in told} <= set(printed)
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
