"""Training of two pairs in containers, one a task, as AWS Batch runs an array: frozen, fanned out, selected, served."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.settings import Settings
from lambda_fn.store.objects import Store
from tests.support.e2e import training_container
from tests.support.e2e.bridge import Bridge
from tests.support.e2e.command import training
from tests.support.e2e.containers import docker
from tests.support.e2e.deployment import Deployment, deployed
from tests.support.e2e.front import generation
from tests.support.e2e.mlflow_server import MlflowServer
from tests.support.e2e.steps import Steps

RUN = "PAIRS-e2e"
FITS = ("--families", "random_walk,lstm", "--first-year", "2026", "--seeds", "2", "--span", "2")
JOB = (*FITS, "--pairs", "EURUSD,GBPUSD")
POINTERS = {"EURUSD": "models/best_model_info.json", "GBPUSD": "models/GBPUSD/best_model_info.json"}
ORDER = (5, 0, 3, 1, 4, 2)  # of the tasks; the first of them is killed, and tried again at the end
INTO_WORK_S = 4.0


@pytest.fixture
def job_environ(mlflow: MlflowServer, store_environ: Mapping[str, str]) -> dict[str, str]:
    return {**store_environ, "MLFLOW_TRACKING_URI": mlflow.uri}


@pytest.fixture
def deployment(
    step: Steps, image: str, bridge: Bridge, store: Store, settings: Settings, store_environ: Mapping[str, str]
) -> Iterator[Deployment]:
    with ExitStack() as stack:
        with step("the API's and the refresh function's containers start"):
            found = stack.enter_context(deployed(image, bridge, store, settings, store_environ))
        yield found


def test_an_array_of_containers_gives_what_one_machine_gives(
    step: Steps,
    training_image: str,
    deployment: Deployment,
    store: Store,
    job_environ: Mapping[str, str],
    tmp_path: Path,
) -> None:
    def contain(*arguments: str, **more: str) -> Any:
        done = training_container.run(training_image, {**job_environ, **more}, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    with step("training container: freeze"):
        frozen = contain("tasks", *JOB, "--freeze", "--run", RUN)
        assert sorted(task["index"] for task in frozen["tasks"]) == sorted(ORDER)
        assert [task["pair"] for task in frozen["tasks"]] == ["EURUSD"] * 3 + ["GBPUSD"] * 3
    lost = str(ORDER[0])
    with step("training container: a task is killed"):
        child = {**job_environ, "AWS_BATCH_JOB_ARRAY_INDEX": lost}
        with training_container.started(training_image, child, "task", "--run", RUN) as container:
            time.sleep(INTO_WORK_S)
            docker("kill", container.id)
            assert docker("wait", container.id).strip() == "137"
        assert store.list(f"runs/{RUN}/tasks") == []
    for index in (*ORDER[1:], ORDER[0]):
        with step(f"training container: task {index}"):
            done = contain("task", "--run", RUN, AWS_BATCH_JOB_ARRAY_INDEX=str(index))
            assert (done["index"], done["already"]) == (index, False)
    assert {key.split("/")[0] for key in store.list("")} - {"ready"} == {"runs", "prices"}

    with step("training container: select and publish"):
        selected = contain("select", "--run", RUN)
        assert deployment.delivered(1).invocation.payload["outcome"] == "activated"
    answer = deployment.checked_since(datetime.now(UTC))
    assert generation(answer) == 1
    sha256 = deployment.active().pointer.champion
    assert sha256 is not None
    assert answer.json["champion"]["sha256"] == sha256.sha256

    pointers = {pair: store.read(key).data for pair, key in POINTERS.items()}
    with step("training container: the same job by two workers of one container"):
        together = contain("run", *JOB, "--workers", "2")
    for pair, facts in together.items():
        assert facts["already"], "the same file with the same scores is published once"
        assert facts["scores"] == selected[pair]["scores"]
        assert store.read(POINTERS[pair]).data == pointers[pair]
    assert deployment.active().generation == 1

    # Another Python, whose libraries were compiled apart: the last bits of a fit may differ, and so its bytes.
    with step("the same job outside of the image"):
        done = training(
            tmp_path, {"STORE_DIR": str(tmp_path / "store")}, "evaluate", *FITS, "--pair", "GBPUSD", "--json"
        )
        assert done.returncode == 0, done.stderr
    outside = json.loads(done.stdout)
    assert outside["champion"] == selected["GBPUSD"]["champion"]
    assert [row.keys() for row in outside["scores"]] == [row.keys() for row in selected["GBPUSD"]["scores"]]
    for ours, theirs in zip(outside["scores"], selected["GBPUSD"]["scores"], strict=True):
        for name, value in theirs.items():  # the statistics of tests divide small differences
            near = pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value
            assert ours[name] == near, name

    with step("training container: a task that is lost for good"):
        other = copy_without(store, task=int(lost))
        done = training_container.run(training_image, job_environ, "select", "--run", other)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert f"no result: task {lost} (lstm, seed 1, cutoffs" in said
    assert "the average is of 1 of 2 seeds" in said
    assert deployment.active().pointer.champion == sha256, "a seed of another family changes nothing of the champion"


def copy_without(store: Store, task: int) -> str:
    """The run once more, as it would be had this task never ended."""
    name = f"{RUN}-lost"
    for key in store.list(f"runs/{RUN}"):
        if not key.endswith(f"tasks/{task:04d}.json") and "/published/" not in key:
            assert store.create(key.replace(f"runs/{RUN}/", f"runs/{name}/"), store.read(key).data)
    return name
