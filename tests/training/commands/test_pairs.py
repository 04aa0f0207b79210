"""Several pairs by the commands a person uses: each has its own champion, and one that fails stops no other."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from lambda_fn.api import App
from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from lambda_fn.web.request import Request
from tests.support import mlflow_database, tracked, workers
from tests.support.commands import command
from tests.support.facts import lacking
from training.__main__ import main
from training.commands.all_pairs import run_pairs
from training.commands.context import Context

pytestmark = pytest.mark.usefixtures("cached_refits")

SMALL = ("--families", "random_walk", "--first-year", "2026")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with an empty store and registry."""
    for name in DEFAULTS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("STORE_DIR", str(tmp_path / "store"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_database.create(tmp_path / "mlflow.db"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    with tracked.tracking_address():
        yield tmp_path


def store_of(place: Path) -> Store:
    return open_store(Settings.from_env({"STORE_DIR": str(place / "store")}))


def test_each_pair_has_a_champion_of_its_own_and_one_that_fails_stops_no_other(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", *SMALL, "--pairs", "EURISK,EURUSD,GBPUSD"]) == 1
    output = capfd.readouterr()
    said = " ".join(output.err.split())
    assert "error: EURISK: eurofxref-hist.zip: close: 2341 missing prices" in said
    assert "1 of 3 pairs failed: EURISK" in said
    assert "GBPUSD fit, export and forecast" in said
    rows = [line.split("│") for line in output.out.splitlines() if "│" in line]
    outcomes = {row[0].strip(): (row[1].strip(), row[2].strip()) for row in rows}
    won = ("random_walk", "1")
    assert outcomes == {"EURISK": ("failed", ""), "EURUSD": won, "GBPUSD": won}
    assert max(len(line) for line in output.out.splitlines() if "│" in line) <= 80
    store = store_of(place)
    pointers = {
        pair: json.loads(store.read(key).data)
        for pair, key in {
            "EURUSD": "models/best_model_info.json",
            "GBPUSD": "models/GBPUSD/best_model_info.json",
        }.items()
    }
    for pair, pointer in pointers.items():
        assert (pointer["pair"], pointer["model_name"], pointer["generation"]) == (pair, f"{pair}_RandomWalk", 1)

    assert command(capfd, "history", "--pair", "GBPUSD")["generations"][0]["name"] == "GBPUSD_RandomWalk"
    assert command(capfd, "forecast", "--pair", "GBPUSD", code=75)["pair"] == "GBPUSD"
    status = command(capfd, "status", "--pair", "GBPUSD")
    assert status["active"]["pointer"]["model_name"] == "GBPUSD_RandomWalk"
    assert command(capfd, "status")["active"]["pointer"]["model_name"] == "EURUSD_RandomWalk"
    chosen = command(capfd, "publish", "models:/GBPUSD_RandomWalk/1", "--pair", "GBPUSD")
    assert chosen["model"] == "GBPUSD_RandomWalk/1"

    monkeypatch.setenv("S3_MODEL_INFO_KEY", "models/GBPUSD/best_model_info.json")
    by_key = command(capfd, "run", *SMALL)
    assert {"champion", "failed", "scores", "seeds"} == set(by_key), "of one pair, as ever"
    pointer = json.loads(store.read("models/GBPUSD/best_model_info.json").data)
    assert pointer["champion"] == pointers["GBPUSD"]["champion"], "equal bytes have one key"


def test_a_run_ends_with_the_command_that_serves_its_pairs_and_status_names_those_not_served(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *SMALL, "--pairs", "GBPUSD"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "Serve GBPUSD: PAIRS=GBPUSD eurusd serve"
    differences = command(capsys, "status")["differences"]
    assert any(not lacking(each, "GBPUSD ", " PAIRS=EURUSD,GBPUSD eurusd serve") for each in differences)
    app = App(store_of(place), Settings.from_env({"STORE_DIR": str(place / "store"), "PAIRS": "GBPUSD,USDJPY"}))
    assert json.loads(app.handle(Request("GET", "/api/predict", {})).body)["pair"] == "GBPUSD"
    missing = app.handle(Request("GET", "/api/predict", {"pair": "USDJPY"}))
    error = json.loads(missing.body)
    assert (missing.status, "USDJPY" in error["detail"]) == (503, True)
    assert error["cure"].endswith("run --pairs USDJPY")


def test_pairs_are_trained_at_the_same_time_after_the_first(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second and the third wait for each other; one whose process is killed is named with the command."""
    context = Context(Settings.from_env({"STORE_DIR": str(place / "store")}), datetime.now(UTC))
    work = partial(workers.meet, place)
    assert run_pairs(["EURUSD", "GBPUSD", "USDJPY"], context, work, 2) == 1
    met = (place / "met").read_text().split()
    assert sorted(met) == ["GBPUSD", "USDJPY"]
    assert run_pairs(["EURUSD", "GBPUSD", "EURGBP"], context, partial(workers.kill, place), 2) == 1
    assert not lacking(" ".join(capsys.readouterr().err.split()), "EURGBP: ", " killed", "--pairs EURGBP")


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("run", "--pairs", "majors", "--csv", "a.csv"), ["--csv: ", " 28 ", "--pairs EURUSD"]),
        (("run", "--pairs", "USDGBP"), ["USDGBP ", "; give GBPUSD"]),
        (("status", "--pair", "majors"), ["'majors' names 28 pairs; give one, such as EURUSD"]),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_with_the_cure(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], facts: list[str]
) -> None:
    assert main(arguments) == 2
    assert not lacking(" ".join(capsys.readouterr().err.split()), *facts)
    assert [path.name for path in place.iterdir()] == ["mlflow.db"]
