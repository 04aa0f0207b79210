"""Training of two pairs in containers, one a task, as AWS Batch runs an array: frozen, fanned out, selected, served."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from tests.support.e2e import training_container
from tests.support.e2e.bridge import Bridge
from tests.support.e2e.command import training
from tests.support.e2e.containers import docker
from tests.support.e2e.deployment import Deployment, deployed
from tests.support.e2e.front import generation
from tests.support.e2e.mlflow_server import MlflowServer
from tests.support.e2e.steps import Steps, until

KILLS = 5
RUN = "PAIRS-e2e"
FITS = ("--families", "random_walk,lstm", "--first-year", "2026", "--span", "2")
JOB = (*FITS, "--pairs", "EURUSD,GBPUSD")
POINTER = "models/GBPUSD/best_model_info.json"
ORDER = (3, 0, 2, 1)  # of the tasks; the first is also killed once before
FIRST_OF_TWO = "1/2"  # refits, in the bar that a terminal shows
SLOW = "--cpus=0.4"  # so that there is time for the kill
WIDE = {"COLUMNS": "200"}  # a terminal where nothing of the bar is cut off


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
        assert [task["pair"] for task in frozen["tasks"]] == ["EURUSD"] * 2 + ["GBPUSD"] * 2
        assert {task["refits"] for task in frozen["tasks"]} == {2}
    with step("training container: a task is killed between its two refits"):
        child = {**job_environ, **WIDE, "AWS_BATCH_JOB_ARRAY_INDEX": str(ORDER[0])}
        for _ in range(KILLS):
            with training_container.started(
                training_image, child, "task", "--run", RUN, options=["--tty", SLOW]
            ) as container:
                until(lambda: FIRST_OF_TWO in container.followed() or not container.is_running(), "the first refit")
                with suppress(RuntimeError):  # it has ended
                    docker("kill", container.id)
                code = docker("wait", container.id).strip()
            if not (tasks := store.list(f"runs/{RUN}/tasks")):
                break
            for key in tasks:  # on a busy machine the task may end before it is killed
                store.delete(key)
        assert (code, tasks) == ("137", [])

    def run_task(index: int) -> Any:
        return contain("task", "--run", RUN, AWS_BATCH_JOB_ARRAY_INDEX=str(index))

    with step("training container: every task, two at a time"), ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run_task, ORDER))
    assert [(result["index"], result["already"]) for result in results] == [(index, False) for index in ORDER]
    assert {key.split("/")[0] for key in store.list("")} - {"ready"} == {"runs", "prices"}

    with step("training container: select and publish"):
        selected = contain("select", "--run", RUN)
        assert deployment.delivered(1).invocation.payload["outcome"] == "activated"
    answer = deployment.checked_since(datetime.now(UTC))
    assert generation(answer) == 1
    sha256 = deployment.active().pointer.champion
    assert sha256 is not None
    assert answer.json["champion"]["sha256"] == sha256.sha256

    pointer = store.read(POINTER).data
    with step("training container: the same tasks of a pair by two workers of one container"):
        together = contain("run", *FITS, "--pairs", "GBPUSD", "--workers", "2")
    assert together["scores"] == selected["GBPUSD"]["scores"]
    assert store.read(POINTER).data == pointer, "a champion whose scores are equal is published once"

    # Another Python, whose libraries were compiled apart: the last bits of a fit may differ, and so its bytes.
    with step("the same tasks of the other pair outside of the image"):
        environ = {"STORE_DIR": str(tmp_path / "store")}
        process = training(tmp_path, environ, "evaluate", *FITS, "--pair", "EURUSD", "--json")
        assert process.returncode == 0, process.stderr
    outside = json.loads(process.stdout)
    assert outside["champion"] == selected["EURUSD"]["champion"]
    assert [row.keys() for row in outside["scores"]] == [row.keys() for row in selected["EURUSD"]["scores"]]
    for ours, theirs in zip(outside["scores"], selected["EURUSD"]["scores"], strict=True):
        for name, value in theirs.items():  # the statistics of tests divide small differences
            near = pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value
            assert ours[name] == near, name
