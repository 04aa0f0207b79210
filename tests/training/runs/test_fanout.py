"""A run shared out by its commands: frozen, its tasks run one by one in any order, selected, on a folder and on S3."""

import json
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lambda_fn.settings import DEFAULTS
from lambda_fn.store.object_store import Store
from tests.support import mlflow_database, tracked
from tests.support.commands import command
from tests.support.facts import lacking
from training.__main__ import main

pytestmark = pytest.mark.usefixtures("cached_refits")

SMALL = ("--families", "random_walk,calendar", "--first-year", "2026", "--span", "1")  # 4 tasks of one refit
PLAIN = ("--families", "random_walk", "--first-year", "2026")  # 1 task
RUN = "EURUSD-nightly-1"


@pytest.fixture
def place(store_environ: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory whose settings name an empty store and a registry."""
    for name in DEFAULTS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in {**store_environ, "MLFLOW_TRACKING_URI": mlflow_database.create(tmp_path / "mlflow.db")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_BATCH_JOB_ARRAY_INDEX", raising=False)
    monkeypatch.chdir(tmp_path)
    with tracked.tracking_address():
        yield tmp_path


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def test_from_freezing_to_publishing(
    place: Path, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = command(capsys, "tasks", *SMALL, "--freeze", "--run", RUN)
    assert frozen["run"] == RUN
    indices = [task["index"] for task in frozen["tasks"]]
    assert indices == [0, 1, 2, 3]
    random.Random(0).shuffle(indices)
    for index in indices:  # as a child of an array job is told which one it is
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", str(index))
        assert command(capsys, "task", "--run", RUN)["already"] is False
    assert command(capsys, "task", "--run", RUN)["already"] is True
    assert all(task["done"] for task in command(capsys, "tasks", "--run", RUN)["tasks"])
    # Tasks write below their run and nowhere else; freezing wrote the price file.
    assert {key.split("/")[0] for key in store.list("")} - {"ready"} == {"runs", "prices"}
    assert mlflow_database.is_unused(place / "mlflow.db")

    evaluated = command(capsys, "evaluate", *SMALL)
    assert command(capsys, "select", "--run", RUN) == evaluated
    pointer = json.loads(store.read("models/best_model_info.json").data)
    assert pointer["generation"] == 1
    again = command(capsys, "select", "--run", RUN)
    assert (again["already"], again["generation"]) == (True, 1)

    command(capsys, "run", *SMALL, "--workers", "2")
    by_workers = json.loads(store.read("models/best_model_info.json").data)
    assert by_workers == pointer, "same file and scores, same generation"


def test_a_lost_task_is_named_and_its_family_left_out(
    place: Path, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    command(capsys, "tasks", *SMALL, "--freeze", "--run", RUN)
    assert not lacking(fails(capsys, "select", "--run", RUN), "no family ", ": task 0 (random_walk, ", "; run it")
    for index in ("0", "1", "2"):
        command(capsys, "task", "--run", RUN, "--index", index)
    assert main(["select", "--run", RUN]) == 0
    output = capsys.readouterr()
    said = " ".join(output.err.split())
    assert "no result: task 3 (calendar, seed 0, cutoffs" in said
    assert "calendar is left out" in said
    assert not lacking(output.out, "random_walk is the champion: ", "only family.")


def test_the_prices_that_the_store_keeps(place: Path, capsys: pytest.CaptureFixture[str], store: Store) -> None:
    assert "prices --save" in fails(capsys, "evaluate", *PLAIN, "--stored")
    command(capsys, "prices", "--save")
    assert command(capsys, "evaluate", *PLAIN, "--stored") == command(capsys, "evaluate", *PLAIN)


def test_frozen_prices_cannot_change(place: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    command(capsys, "tasks", *PLAIN, "--freeze", "--run", RUN)
    key = f"runs/{RUN}/prices.csv"
    blob = store.read(key)
    assert store.replace(key, blob.data.replace(b"2020-03-", b"2020-04-", 1), blob.etag)
    assert "its prices have the sha256" in fails(capsys, "task", "--run", RUN, "--index", "0")


def test_a_run_of_other_code_is_refused(place: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    command(capsys, "tasks", *PLAIN, "--freeze", "--run", RUN)
    key = f"runs/{RUN}/plan.json"
    blob = store.read(key)
    plan = json.loads(blob.data)
    assert store.replace(key, json.dumps({**plan, "code": "0.0.1+old"}).encode(), blob.etag)
    assert "frozen by training 0.0.1+old" in fails(capsys, "task", "--run", RUN, "--index", "0")


def test_a_champion_that_was_changed_is_refused(place: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    command(capsys, "tasks", *PLAIN, "--freeze", "--run", RUN)
    command(capsys, "task", "--run", RUN, "--index", "0")
    key = store.list(f"runs/{RUN}/champions")[0]
    blob = store.read(key)
    assert store.replace(key, blob.data + b"\0", blob.etag)
    error = fails(capsys, "select", "--run", RUN)
    assert not lacking(error, f"run {RUN}: champions/{Path(key).name} ", "; freeze a new ")


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (
            ("task", "--run", "EURUSD-never", "--index", "0"),
            ["run EURUSD-never: ", "runs/EURUSD-never/plan.json; ", "tasks --freeze`"],
        ),
        (("task", "--run", "a/b", "--index", "0"), ["--run: 'a/b' is ", "; ", "EURUSD-nightly-1"]),
        (("select", "--run", "EURUSD-never"), ["runs/EURUSD-never/plan.json; ", "tasks --freeze`"]),
        (("tasks", "--run", "EURUSD-never"), ["runs/EURUSD-never/plan.json; ", "tasks --freeze`"]),
        (("tasks", "--freeze", "--run", "GBPUSD-1"), ["--run: GBPUSD-1 is of another pair; ", " EURUSD-"]),
        (("tasks", "--seeds", "0"), ["--seeds", " 0 is not ", ">=1"]),
        (("tasks", "--span", "0"), ["--span", " 0 is not ", ">=1"]),
        (("evaluate", "--workers", "0"), ["--workers", " 0 is not ", ">=1"]),
        (
            ("tasks", "--seed", str(2**32 - 1), "--seeds", "2"),
            ["--seed: 4294967295 is out ", "; choose 0 to 4294967294"],
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence_with_the_cure(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], facts: list[str]
) -> None:
    assert not lacking(fails(capsys, *arguments), *facts)


def test_an_index_is_needed_and_must_be_of_the_run(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command(capsys, "tasks", *PLAIN, "--freeze", "--run", RUN)
    assert "AWS_BATCH_JOB_ARRAY_INDEX" in fails(capsys, "task", "--run", RUN)
    assert "has tasks 0 to 0, not 1;" in fails(capsys, "task", "--run", RUN, "--index", "1")
    assert f"{RUN} exists" in fails(capsys, "tasks", *PLAIN, "--freeze", "--run", RUN)
    assert os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX") is None


def test_the_list_says_what_it_would_be(place: Path, capsys: pytest.CaptureFixture[str], store: Store) -> None:
    listed = command(capsys, "tasks", "--families", "lstm,arima", "--first-year", "2025", "--seeds", "3", "--span", "3")
    assert (listed["run"], listed["frozen"]) == (None, False)
    assert [(task["family"], task["seed"]) for task in listed["tasks"]] == [
        *(("lstm", seed) for seed in range(3)),
        ("arima", 0),
    ]
    assert [key for key in store.list("") if not key.startswith("ready/")] == []


def test_a_run_of_several_pairs_is_one_array_and_one_pair_that_fails_stops_no_other(
    place: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    job, run = ("--families", "calendar", "--first-year", "2026", "--span", "1"), "PAIRS-nightly-1"
    assert "PAIRS-" in fails(capsys, "tasks", *job, "--pairs", "GBPUSD,EURUSD", "--freeze", "--run", RUN)
    assert main(["tasks", *job, "--pairs", "GBPUSD,EURISK,EURUSD", "--freeze", "--run", run, "--json"]) == 1
    output = capsys.readouterr()
    assert "1 of 3 pairs failed: EURISK" in " ".join(output.err.split())
    planned = [(task["index"], task["pair"]) for task in json.loads(output.out)["tasks"]]
    assert planned == [(0, "GBPUSD"), (1, "GBPUSD"), (2, "EURUSD"), (3, "EURUSD")]
    assert len(json.loads(store.read(f"runs/{run}/shared.json").data)) == 2, "a cutoff each, for all pairs"

    for index in ("3", "0", "2"):
        command(capsys, "task", "--run", run, "--index", index)
    assert "has tasks 0 to 3, not 4;" in fails(capsys, "task", "--run", run, "--index", "4")
    assert main(["select", "--run", run, "--json"]) == 1
    output = capsys.readouterr()
    first = json.loads(output.out)
    assert "task 1 (calendar, seed 0, cutoffs" in first["GBPUSD"]["error"]
    assert (first["EURUSD"]["champion"], first["EURUSD"]["generation"]) == ("calendar", 1)
    command(capsys, "task", "--run", run, "--index", "1")
    second = command(capsys, "select", "--run", run)
    assert list(second) == ["GBPUSD"], "what is published is not published twice"
    assert second["GBPUSD"]["model"] == "GBPUSD_Calendar/1"
    assert command(capsys, "select", "--run", run)["EURUSD"] == {
        "already": True,
        "generation": 1,
        "model": "EURUSD_Calendar/1",
    }


def test_shared_fits_that_were_changed_are_refused(
    place: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    command(capsys, "tasks", *PLAIN, "--freeze", "--run", RUN)
    key = f"runs/{RUN}/shared.json"
    blob = store.read(key)
    assert store.replace(key, blob.data + b"\n", blob.etag)
    assert "its shared fits have the sha256" in fails(capsys, "task", "--run", RUN, "--index", "0")
