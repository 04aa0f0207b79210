"""The whole in containers: S3, MLflow, refresh, the fallback and a job of training, from the compose file."""

import uuid
from collections.abc import Iterator, Mapping

import pytest
from dotenv import dotenv_values

from tests.support.e2e import compose, mlflow_server
from tests.support.e2e.compose import FILE, Compose, OneByOne, Stack
from tests.support.e2e.containers import docker, free_ports
from tests.support.e2e.front import PREDICT, HttpFront, generation
from tests.support.e2e.steps import Steps, until
from tests.support.server_process import HttpReply

JOB = ("run", "--families", "random_walk,linear_regression", "--first-year", "2026")
LOCAL = {name: value or "" for name, value in dotenv_values(FILE.parent / "local.env").items()}
SERVICES = ("api", "mlflow", "refresh", "s3")
MODELS = "/api/2.0/mlflow/registered-models/search?max_results=10"
SHUT_OFF = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.Config.User}}"
KILLED = "137"


@pytest.fixture
def ports() -> dict[str, str]:
    """Of the fallback and of MLflow on this machine."""
    return dict(zip(("PORT", "MLFLOW_PORT"), map(str, free_ports(2)), strict=True))


@pytest.fixture(params=["compose", "one by one"])
def stack(request: pytest.FixtureRequest, ports: Mapping[str, str], step: Steps) -> Iterator[Stack]:
    project, environ = f"eurusd-{uuid.uuid4().hex[:12]}", {**ports, "ENV_FILE": "local.env", "TAG": "test"}
    found: Stack = OneByOne(project, environ)
    if request.param == "compose":
        command = compose.compose_command()
        if not command:
            pytest.skip("neither `docker compose` nor `docker-compose` is here; the services start one by one")
        found = Compose(command, project, environ)
    try:
        with step(f"{request.param}: the images are built, the services start"):
            found.up()
        yield found
    finally:
        with step(f"{request.param}: all is removed"):
            found.down()


def test_a_model_is_trained_registered_activated_and_served(
    stack: Stack, ports: Mapping[str, str], step: Steps
) -> None:
    with step("training run: waits for MLflow, trains, publishes"):
        stack.run("training", *JOB)
    with step("the fallback serves what the refresh activated"):
        answer = first_forecast(HttpFront(int(ports["PORT"])))
    assert generation(answer) == 1
    name = answer.json["champion"]["name"]
    with step("MLflow asks for the password, and S3 for a signature"):
        assert models(ports, "")[0] == 401
        status, listed = models(ports, f"{LOCAL['MLFLOW_TRACKING_USERNAME']}:{LOCAL['MLFLOW_TRACKING_PASSWORD']}")
        assert status == 200
        assert f'"{name}"' in listed
        url = f"http://127.0.0.1:8333/{LOCAL['S3_BUCKET']}/serving/active.json"
        asked = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", url)
        assert docker("exec", stack.container("s3"), *asked) == "403"
    with step("health checks"):
        until(lambda: {health(stack, "mlflow"), health(stack, "s3")} == {"healthy"}, "MLflow and S3 to be healthy")
    for service in SERVICES:
        assert inspected(stack.container(service), SHUT_OFF) == "true [ALL] 1000:1000", service
    ids = {service: stack.container(service) for service in ("api", "mlflow", "refresh")}
    with step("SIGTERM ends the fallback, MLflow and the refresh"):
        stack.stop(*ids)
    exits = {service: inspected(of, "{{.State.ExitCode}}") for service, of in ids.items()}
    assert exits["api"] == "0"
    assert KILLED not in exits.values(), exits


def first_forecast(front: HttpFront) -> HttpReply:
    """The first answer that is one. The fallback's processes ask the store each for itself, so the next may be none."""
    answers: list[HttpReply] = []

    def answered() -> bool:
        answers.append(front.ask(PREDICT))
        return answers[-1].status == 200

    until(answered, "the champion to be served")
    return answers[-1]


def inspected(container: str, what: str) -> str:
    return docker("inspect", f"--format={what}", container).strip()


def health(stack: Stack, service: str) -> str:
    return inspected(stack.container(service), "{{.State.Health.Status}}")


def models(ports: Mapping[str, str], login: str) -> tuple[int, str]:
    """MLflow's answer when it is asked for its registered models."""
    return mlflow_server.ask(int(ports["MLFLOW_PORT"]), MODELS, login)
