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

JOB = ("run", "--families", "random_walk", "--first-year", "2026")
LOCAL = {name: value or "" for name, value in dotenv_values(FILE.parent / "local.env").items()}
SERVICES = ("api", "mlflow", "refresh", "s3")
STOPPED = ("api", "mlflow", "refresh")  # S3 always takes ten seconds
MODELS = "/api/2.0/mlflow/registered-models/search?max_results=10"
SHUT_OFF = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.Config.User}}"
HEALTH = "{{.State.Health.Status}}"
EXIT_CODE = "{{.State.ExitCode}}"
KILLED = "137"


@pytest.fixture
def ports() -> dict[str, str]:
    """Of the fallback and of MLflow on this machine."""
    return dict(zip(("PORT", "MLFLOW_PORT"), map(str, free_ports(2)), strict=True))


@pytest.fixture
def stack(ports: Mapping[str, str], step: Steps) -> Iterator[Stack]:
    """By compose, or service by service where there is no compose."""
    project, environ = f"eurusd-{uuid.uuid4().hex[:12]}", {**ports, "ENV_FILE": "local.env", "TAG": "test"}
    command = compose.compose_command()
    means = " ".join(command) if command else "docker, service by service"
    stack: Stack = Compose(command, project, environ) if command else OneByOne(project, environ)
    try:
        with step(f"{means}: the images are built, the services start"):
            stack.up()
        yield stack
    finally:
        with step(f"{means}: everything is removed"):
            stack.down()


def test_a_model_is_trained_registered_activated_and_served(
    stack: Stack, ports: Mapping[str, str], step: Steps
) -> None:
    with step("training run: waits for MLflow, trains, publishes"):
        stack.run("training", *JOB)
    with step("the fallback serves what the refresh activated"):
        answer = first_forecast(HttpFront(int(ports["PORT"])))
    assert generation(answer) == 1
    ids = {service: stack.container(service) for service in SERVICES}
    name = answer.json["champion"]["name"]
    with step("MLflow asks for the password, and S3 for a signature"):
        assert models(ports, "")[0] == 401
        status, listed = models(ports, f"{LOCAL['MLFLOW_TRACKING_USERNAME']}:{LOCAL['MLFLOW_TRACKING_PASSWORD']}")
        assert status == 200
        assert f'"{name}"' in listed
        url = f"http://127.0.0.1:8333/{LOCAL['S3_BUCKET']}/serving/active.json"
        asked = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", url)
        assert docker("exec", ids["s3"], *asked) == "403"
    with step("health checks"):
        checked = (ids["mlflow"], ids["s3"])
        until(lambda: inspected(HEALTH, *checked) == ["healthy", "healthy"], "MLflow and S3 to be healthy")
    assert inspected(SHUT_OFF, *ids.values()) == ["true [ALL] 1000:1000"] * len(ids)
    with step("SIGTERM ends the fallback, MLflow and the refresh"):
        stack.stop(*STOPPED)
    codes = dict(zip(STOPPED, inspected(EXIT_CODE, *(ids[service] for service in STOPPED)), strict=True))
    assert codes["api"] == "0"
    assert KILLED not in codes.values(), codes


def first_forecast(front: HttpFront) -> HttpReply:
    """The first answer that is one. The fallback's processes ask the store each for itself, so the next may be none."""
    answers: list[HttpReply] = []

    def answered() -> bool:
        answers.append(front.ask(PREDICT))
        return answers[-1].status == 200

    until(answered, "the champion to be served")
    return answers[-1]


def inspected(template: str, *containers: str) -> list[str]:
    """What the template gives for each container."""
    return docker("inspect", f"--format={template}", *containers).splitlines()


def models(ports: Mapping[str, str], login: str) -> tuple[int, str]:
    """MLflow's answer when it is asked for its registered models."""
    return mlflow_server.ask(int(ports["MLFLOW_PORT"]), MODELS, login)
