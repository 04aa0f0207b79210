"""Several pairs by the commands a person uses: each has its own champion, and one that fails stops no other."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import mlflow_database, tracked
from tests.support.commands import command
from tests.support.facts import lacking
from training.__main__ import main

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
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", *SMALL, "--pairs", "EURISK,EURUSD,GBPUSD"]) == 1
    output = capsys.readouterr()
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

    assert command(capsys, "history", "--pair", "GBPUSD")["generations"][0]["name"] == "GBPUSD_RandomWalk"
    assert command(capsys, "forecast", "--pair", "GBPUSD", code=75)["pair"] == "GBPUSD"
    status = command(capsys, "status", "--pair", "GBPUSD")
    assert status["active"]["pointer"]["model_name"] == "GBPUSD_RandomWalk"
    assert command(capsys, "status")["active"]["pointer"]["model_name"] == "EURUSD_RandomWalk"
    chosen = command(capsys, "publish", "models:/GBPUSD_RandomWalk/1", "--pair", "GBPUSD")
    assert chosen["model"] == "GBPUSD_RandomWalk/1"

    monkeypatch.setenv("S3_MODEL_INFO_KEY", "models/GBPUSD/best_model_info.json")
    by_key = command(capsys, "run", *SMALL)
    assert {"champion", "failed", "scores", "seeds"} == set(by_key), "of one pair, as ever"
    pointer = json.loads(store.read("models/GBPUSD/best_model_info.json").data)
    assert pointer["champion"] == pointers["GBPUSD"]["champion"], "equal bytes have one key"


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
