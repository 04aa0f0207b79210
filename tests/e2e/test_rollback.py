"""Back to what was served before: by an event of the refresh function, by the runbook's lines with training's image."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from infra.local import bridge_address as gateway
from lambda_fn.settings import Settings
from lambda_fn.store.keys import activated_key, forecast_key
from lambda_fn.store.object_store import Store
from tests.support import foreign, tracked
from tests.support.e2e.bridge import Bridge
from tests.support.e2e.containers import docker
from tests.support.e2e.deployment import SCHEDULE, Deployment, deployed
from tests.support.e2e.front import generation
from tests.support.e2e.link import link
from tests.support.e2e.mlflow_server import MlflowServer
from tests.support.e2e.steps import Steps
from tests.support.infra.runbook import calls, sections
from training.publishing.mlflow_registry import connect

FIRST = 11  # so that the generation which the runbook names is among them
NAMED = 12
CHAMPIONS = {number: foreign.champion_bytes(spread=0.005 + 0.0001 * number) for number in range(FIRST, FIRST + 4)}
REPOSITORY = "eurusd-runbook"  # a name of its own for the training image


@pytest.fixture
def deployment(
    image: str, bridge: Bridge, store: Store, settings: Settings, store_environ: Mapping[str, str]
) -> Iterator[Deployment]:
    with deployed(image, bridge, store, settings, store_environ) as found:
        yield found


def assert_serves(deployment: Deployment, number: int, digest: str) -> None:
    """Warm, and with an official forecast of the same champion."""
    answer = deployment.checked_since(datetime.now(UTC))
    assert (generation(answer), answer.json["champion"]["sha256"]) == (number, digest)
    official = json.loads(deployment.store.read(forecast_key()).data)
    assert (official["generation"], official["champion"]["sha256"]) == (number, digest)


def payloads() -> list[object]:
    """Of the runbook's section, what it gives to the refresh function."""
    invoked = [words for words in calls()["Rollback"] if words[1:3] == ["lambda", "invoke"]]
    found = [words[words.index("--payload") + 1] for words in invoked]
    return [json.loads(payload) for payload in found]


def test_the_refresh_function_goes_back_by_an_event_and_on_with_the_next_publishing(
    deployment: Deployment, step: Steps
) -> None:
    back, named = payloads()
    assert (back, named) == ({"rollback": True}, {"rollback": NAMED})
    digests = {number: sha256(data).hexdigest() for number, data in CHAMPIONS.items()}
    for number, data in CHAMPIONS.items():
        assert deployment.promote(data, number).invocation.payload["outcome"] == "activated"
    last = max(CHAMPIONS)
    before = {key: deployment.store.read(key).data for key in deployment.store.list("models")}
    with step('refresh container: {"rollback": true}'):
        said = deployment.refresh.invoke({"rollback": True}).payload
        assert (said["outcome"], said["generation"], said["forecast"]["outcome"]) == ("activated", last + 1, "made")
        assert_serves(deployment, last + 1, digests[last - 1])
    with step("refresh container: the timer leaves what was gone back to"):
        said = deployment.refresh.invoke(SCHEDULE).payload
        assert (said["outcome"], said["generation"]) == ("unchanged", last + 1)
    with step('refresh container: {"rollback": 12}'):
        said = deployment.refresh.invoke({"rollback": NAMED}).payload
        assert (said["outcome"], said["generation"]) == ("activated", last + 2)
        assert_serves(deployment, last + 2, digests[NAMED])
    with step("refresh container: a generation that never was"):
        said = deployment.refresh.invoke({"rollback": 99}).payload
        assert (said["outcome"], said["generation"]) == ("refused", last + 2)
        assert f"generations {', '.join(map(str, range(FIRST, last + 3)))}" in said["reason"]
    assert {key: deployment.store.read(key).data for key in deployment.store.list("models")} == before
    with step("a newer champion is published"):
        newer = foreign.champion_bytes(spread=0.006)
        assert deployment.promote(newer, last + 3).invocation.payload["outcome"] == "activated"
        assert_serves(deployment, last + 3, sha256(newer).hexdigest())


def with_the_training_image() -> str:
    """The runbook's lines, literally: without those that ask AWS for the login of MLflow and of the repository."""
    (script,) = [each.script for each in sections() if each.heading == "Rollback"]
    kept = [line for line in script.splitlines() if line.startswith(("env |", "docker run", "rm "))]
    runs = [line for line in kept if line.startswith("docker run")]
    assert [line.partition(':latest" ')[2] for line in runs] == [
        f"rollback --to {NAMED}",
        "publish models:/EURUSD_ARIMA@challenger",
    ]
    assert kept[0].endswith("> training.env") and kept[-1] == "rm training.env" and len(kept) == 4
    return "\n".join(kept)


@contextmanager
def operator(training_image: str, environ: Mapping[str, str], mlflow: MlflowServer) -> Iterator[dict[str, str]]:
    """The variables of the runbook's first lines. Containers are not on the host's network, so that S3 and MLflow are
    linked to this machine's address on Docker's bridge; the image is where the repository of the stack would be."""
    docker("tag", training_image, f"{REPOSITORY}:latest")
    try:
        with link(environ["AWS_ENDPOINT_URL_S3"], gateway()) as s3, link(mlflow.uri, gateway()) as tracking:
            changed = {"AWS_ENDPOINT_URL_S3": s3.url, "MLFLOW_TRACKING_URI": tracking.url, "REPOSITORY_URI": REPOSITORY}
            # the server's presigned addresses of artifacts are S3's as it knows it, which no link leads to
            through = {"MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false"}
            yield {**os.environ, **environ, **changed, **through}
    finally:
        docker("rmi", f"{REPOSITORY}:latest")


def test_the_runbooks_lines_with_the_training_image_roll_back_and_promote(
    deployment: Deployment,
    step: Steps,
    training_image: str,
    mlflow: MlflowServer,
    store_environ: Mapping[str, str],
    tmp_path: Path,
) -> None:
    store, settings = deployment.store, deployment.settings
    tracked.put_prices(store)
    with tracked.tracking_address(), step("three families are registered, generations 11 to 13 go live"):
        registered = tracked.log(connect(mlflow.uri))
        deployment.promote(CHAMPIONS[FIRST], FIRST)
        for n, family in ((2, "lstm"), (3, "random_walk")):
            tracked.publish(store, settings, family, registered[family].version)
            assert deployment.delivered(n).invocation.payload["outcome"] == "activated"
        assert_serves(deployment, NAMED + 1, registered["random_walk"].sha256)
    with operator(training_image, store_environ, mlflow) as environ, step("docker run: rollback --to 12, publish"):
        script = f"set -euo pipefail\n{with_the_training_image()}"
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [], "the file with the login is gone"
    assert [deployment.delivered(n).invocation.payload["generation"] for n in (4, 5)] == [NAMED + 2, NAMED + 3]
    went_back = json.loads(store.read(activated_key(NAMED + 2)).data)
    assert went_back["champion"]["sha256"] == registered["lstm"].sha256
    assert_serves(deployment, NAMED + 3, registered["arima"].sha256)
