"""The MLflow server of the stack in a container: who may ask, and its backups, restored after its volume was lost."""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import mlflow as mlflow_client
import pytest

from tests.support.e2e import mlflow_server, training_container
from tests.support.e2e.command import training
from tests.support.e2e.containers import Container, docker, free_ports
from tests.support.e2e.mlflow_server import ARTIFACTS, MlflowServer
from tests.support.e2e.steps import Steps, until
from tests.support.seaweedfs import S3Server

NAME = "eurusd-mlflow.internal"
FIRST, SECOND = "the-first-password", "the-second-password"
ADMIN = {"MLFLOW_AUTH_ADMIN_USERNAME": "admin", "MLFLOW_AUTH_ADMIN_PASSWORD": FIRST}


class Server:
    """A server in a container, with its databases in `data` of this machine, and the tool beside it."""

    def __init__(self, image: str, environ: Mapping[str, str], data: Path) -> None:
        self._image, self._environ, self.data = image, environ, data
        (self.port,) = free_ports(1)
        data.mkdir()
        data.chmod(0o777)  # the container's user is another

    def tool(self, *arguments: str) -> tuple[int, str]:
        """Runs a command beside the server, as the machine's timer and its operator do; exit code and words."""
        with self._container(ADMIN, *arguments) as container:
            return int(docker("wait", container.id)), container.log()

    @contextmanager
    def running(self, password: str) -> Iterator[Container]:
        """Started, and stopped at the end."""
        admin = {**ADMIN, "MLFLOW_AUTH_ADMIN_PASSWORD": password}
        with self._container(admin, "serve", "--hosts", NAME, "--port", str(self.port)) as container:
            until(lambda: self._healthy() or not container.is_running(), "the MLflow server")
            assert container.is_running(), container.log()
            yield container
            docker("stop", "--time=30", container.id)

    def ask(self, password: str | None, host: str = "", origin: str = "", body: object = None) -> tuple[int, str]:
        """Status and text of a search for models or, with a `body`, for runs, said to be for `host`."""
        headers = {"Host": host or f"{NAME}:{self.port}", **({"Origin": origin} if origin else {})}
        path = "registered-models/search?max_results=5" if body is None else "runs/search"
        login = f"admin:{password}" if password else ""
        return mlflow_server.ask(self.port, f"/api/2.0/mlflow/{path}", login, headers, body)

    def environ(self, password: str) -> dict[str, str]:
        """With which training reaches it."""
        user = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password}
        return {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.port}", **user}

    @contextmanager
    def _container(self, more: Mapping[str, str], *arguments: str) -> Iterator[Container]:
        options = ("--init", f"--volume={self.data}:/data", "--entrypoint=python")
        words = ("-m", "infra.mlflow_server", *arguments)
        with training_container.started(self._image, {**self._environ, **more}, *words, options=options) as container:
            yield container

    def _healthy(self) -> bool:
        return mlflow_server.ask(self.port, "/health")[0] == 200


@pytest.fixture
def server_environ(s3_server: S3Server) -> dict[str, str]:
    return s3_server.environ(ARTIFACTS)


def test_a_lost_volume_comes_back_with_its_models(
    step: Steps, training_image: str, server_environ: dict[str, str], store_environ: Mapping[str, str], tmp_path: Path
) -> None:
    server = Server(training_image, server_environ, tmp_path / "data")
    with ExitStack() as stack:
        with step("MLflow in a container: the server starts"):
            stack.enter_context(server.running(FIRST))
        assert server.ask(None)[0] == 401
        assert server.ask(SECOND)[0] == 401
        assert server.ask(FIRST)[0] == 200
        assert server.ask(FIRST, host="example.com")[0] == 403
        search = {"experiment_ids": ["0"]}
        assert server.ask(FIRST, origin="http://example.com", body=search)[0] == 403
        assert server.ask(FIRST, origin=f"http://{NAME}:{server.port}", body=search)[0] == 200
        with step("a training run that logs to it"):
            environ = {**store_environ, **server.environ(FIRST)}
            done = training(tmp_path, environ, "run", "--families", "random_walk", "--first-year", "2026", "--json")
            assert done.returncode == 0, done.stderr
        with step("a backup while it runs"):
            code, said = server.tool("backup")
            assert code == 0, said
        code, said = server.tool("restore")
        assert (code, "stop it first" in said) == (1, True), said

    new = Server(training_image, server_environ, tmp_path / "new")
    with step("a restore into an empty volume"):
        code, said = new.tool("restore")
        assert code == 0, said
    with ExitStack() as stack:
        with step("MLflow in a container: the server starts with another secret"):
            stack.enter_context(new.running(SECOND))
        assert new.ask(FIRST)[0] == 401
        status, text = new.ask(SECOND)
        assert (status, "EURUSD_RandomWalk" in text) == (200, True)
        with step("the champion is published from it"):
            environ = {**store_environ, **new.environ(SECOND)}
            done = training(tmp_path, environ, "publish", "models:/EURUSD_RandomWalk@champion", "--json")
            assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["generation"] == 2
        wrong = training(tmp_path, {**environ, **new.environ(FIRST)}, "clean", "--json")
        assert wrong.returncode != 0
        assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in " ".join(wrong.stderr.split())


def test_an_old_servers_databases_are_upgraded_after_a_backup(
    step: Steps, training_image: str, old_mlflow: MlflowServer, server_environ: dict[str, str], tmp_path: Path
) -> None:
    client = mlflow_client.MlflowClient(old_mlflow.uri)
    experiment = client.create_experiment("kept")
    run = client.create_run(experiment).info.run_id
    client.log_metric(run, "pinball", 0.08)
    server = Server(training_image, server_environ, tmp_path / "data")
    database = server.data / old_mlflow.database.name
    copy(old_mlflow.database, database)
    before = statements(database)
    code, said = server.tool("serve")
    assert code == 1
    assert re.search(rf"/{re.escape(database.name)}: .* MLflow \d[\w.]*; `upgrade`", said), said
    with step("the databases are upgraded"):
        code, said = server.tool("upgrade")
        assert code == 0, said
    (backup,) = re.findall(r"backup (\w+)", said)
    with ExitStack() as stack:
        with step("MLflow in a container: the server starts on them"):
            stack.enter_context(server.running(FIRST))
        status, text = server.ask(FIRST, body={"experiment_ids": [experiment]})
        assert status == 200
        (found,) = json.loads(text)["runs"]
        assert found["info"]["run_id"] == run
        assert [metric["value"] for metric in found["data"]["metrics"]] == [0.08]
    assert statements(database) != before

    with step("the way back: the backup of before the upgrade"):
        code, said = server.tool("restore", "--name", backup)
        assert code == 0, said
    assert statements(database) == before, "the old server can go on"


def copy(source: Path, target: Path) -> None:
    """Copy a database that a server uses, for a server that is another user."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    target.chmod(0o666)


def statements(database: Path) -> list[str]:
    """Everything that is in the database, as SQL."""
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())
