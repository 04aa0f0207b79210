"""The MLflow server's command line and variables, and what it says when they are wrong. `make e2e` runs the server."""

import json
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from infra import mlflow_backup, mlflow_server
from infra.mlflow_server import ServerError
from lambda_fn.settings import Settings

ADMIN = {"MLFLOW_AUTH_ADMIN_USERNAME": "admin", "MLFLOW_AUTH_ADMIN_PASSWORD": "twelve-or-more"}
INITIAL = "451aebb31d03"  # the first revision of MLflow's schema
BUCKET = {"USE_S3": "true", "S3_BUCKET": "eurusd-mlflow-1", "AWS_REGION": "eu-central-1"}


def put_database(folder: Path, schema: str) -> None:
    """A database of MLflow's runs of this revision, without runs."""
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES (?)", (schema,))


def options(*hosts: str, **variables: str) -> dict[str, str]:
    """The server's options by their names."""
    words = mlflow_server.server_command(Path("/data"), Settings.from_env(variables), hosts, 5000)
    assert words[1:4] == ["-m", "mlflow", "server"]
    pairs = (word.removeprefix("--").split("=", 1) for word in words[4:])
    return {name: value for name, value in pairs}


def test_files_are_in_the_bucket_and_databases_in_the_folder() -> None:
    found = options(**BUCKET)
    assert found["artifacts-destination"] == "s3://eurusd-mlflow-1/artifacts"
    assert found["backend-store-uri"] == "sqlite:////data/mlflow.db"
    assert found["app-name"] == "basic-auth"
    assert options(STORE_DIR="/store")["artifacts-destination"] == "/store/artifacts"


def allowed() -> tuple[list[str], list[str]]:
    """The hosts and the origins that the server accepts when clients call it by a name and by an address."""
    values = options("eurusd-mlflow.internal", "10.0.1.10")
    return values["allowed-hosts"].split(","), values["cors-allowed-origins"].split(",")


def test_a_name_is_allowed_with_the_port_that_clients_say() -> None:
    hosts, origins = allowed()
    assert {"eurusd-mlflow.internal:5000", "10.0.1.10:5000"} <= set(hosts)
    assert {"http://eurusd-mlflow.internal:5000", "http://10.0.1.10:5000"} <= set(origins)


@pytest.mark.long
def test_mlflow_allows_these_names_and_no_others() -> None:
    """MLflow's own functions decide on a Host header and an Origin."""
    from mlflow.server.security_utils import is_allowed_host_header, should_block_cors_request

    hosts, origins = allowed()
    for host in ("eurusd-mlflow.internal:5000", "10.0.1.10:5000", "localhost:5000", "localhost:15000"):
        assert is_allowed_host_header(hosts, host)
    for host in ("eurusd-mlflow.internal.example.com:5000", "example.com:5000", "10.0.1.11:5000", ""):
        assert not is_allowed_host_header(hosts, host)
    assert not should_block_cors_request("http://eurusd-mlflow.internal:5000", "POST", origins)
    assert should_block_cors_request("http://example.com:5000", "POST", origins)


@pytest.mark.parametrize("name", ["*", "mlflow:5000", "http://mlflow", "a b", "-x"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ServerError, match=rf"^--hosts: {re.escape(repr(name))} .*; give names without "):
        options(name)


def test_its_variables() -> None:
    given = {**ADMIN, "MLFLOW_TRACKING_URI": "http://other:5000", "PATH": "/bin"}
    settings = Settings.from_env({**BUCKET, "AWS_ENDPOINT_URL_S3": "http://s3:8333"})
    found = mlflow_server.server_environ(settings, given)
    assert found["AWS_DEFAULT_REGION"] == "eu-central-1"
    assert found["MLFLOW_S3_ENDPOINT_URL"] == "http://s3:8333"
    assert found["PATH"] == "/bin"
    assert "MLFLOW_TRACKING_URI" not in found
    again = mlflow_server.server_environ(settings, given)
    assert found["MLFLOW_FLASK_SERVER_SECRET_KEY"] != again["MLFLOW_FLASK_SERVER_SECRET_KEY"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"MLFLOW_AUTH_ADMIN_USERNAME": ""}, "MLFLOW_AUTH_ADMIN_USERNAME: not set"),
        ({"MLFLOW_AUTH_ADMIN_PASSWORD": ""}, "MLFLOW_AUTH_ADMIN_PASSWORD: not set"),
        ({"MLFLOW_AUTH_ADMIN_PASSWORD": "short"}, "MLFLOW_AUTH_ADMIN_PASSWORD: too short; use at least 12"),
        ({"USE_S3": "true"}, "S3_BUCKET: required with USE_S3=true"),
    ],
)
def test_it_does_not_start_without(
    change: dict[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mlflow_server.main(["serve", "--data", str(tmp_path)], {**ADMIN, **change}) == 1
    assert capsys.readouterr().err.startswith(f"error: {said}")


def test_the_shortest_password_is_mlflows() -> None:
    from mlflow.utils.validation import _validate_password

    _validate_password("x" * mlflow_server.SHORTEST_PASSWORD)
    with pytest.raises(Exception, match="Password must be at least"):
        _validate_password("x" * (mlflow_server.SHORTEST_PASSWORD - 1))


def test_the_commands_of_backups_say_what_they_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"STORE_DIR": str(tmp_path / "store")}
    data = tmp_path / "data"
    put_database(data, INITIAL)
    assert mlflow_server.main(["backup", "--data", str(data)], environ) == 0
    name = capsys.readouterr().out.split()[1]
    assert mlflow_server.main(["backups"], environ) == 0
    assert capsys.readouterr().out.split() == [name]
    assert mlflow_server.main(["restore", "--data", str(data), "--name", name], environ) == 0
    assert f"restored {name}, taken with MLflow {mlflow_server.installed_version()}" in capsys.readouterr().out
    with mlflow_backup.lock_databases(data):
        assert mlflow_server.main(["restore", "--data", str(data)], environ) == 1
    assert "stop it first" in capsys.readouterr().err


def test_an_old_database_is_not_served_before_it_is_upgraded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_database(tmp_path, INITIAL)
    assert mlflow_server.main(["serve", "--data", str(tmp_path)], ADMIN) == 1
    error = capsys.readouterr().err
    assert re.match(rf"error: {tmp_path}/mlflow\.db: .* MLflow {mlflow_server.installed_version()}; `upgrade`", error)
    assert not (tmp_path / "basic_auth.db").exists()


@pytest.mark.parametrize("python", ["false", pytest.param(sys.executable, id="mlflow", marks=pytest.mark.long)])
def test_an_upgrade_that_fails_says_how_to_go_back(
    python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """MLflow's own command fails because it does not know the revision; `false` fails sooner."""
    monkeypatch.setattr(sys, "executable", python)
    put_database(tmp_path, "of-the-future")
    environ = {"STORE_DIR": str(tmp_path / "store")}
    assert mlflow_server.main(["upgrade", "--data", str(tmp_path)], environ) == 1
    said = capfd.readouterr()
    name = said.out.split()[1]
    assert re.search(rf"; .*`restore --name {name}`.* previous image", said.err)


def test_backups_are_json_and_sqlite_and_nothing_else(tmp_path: Path) -> None:
    """Readable with tar and sqlite3 alone, should there be nothing else."""
    import tarfile

    put_database(tmp_path, INITIAL)
    assert mlflow_server.main(["backup", "--data", str(tmp_path)], {"STORE_DIR": str(tmp_path / "store")}) == 0
    (path,) = (tmp_path / "store/backups").iterdir()
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["about.json", "mlflow.db"]
        about = archive.extractfile("about.json")
        assert about is not None
        assert json.load(about)["mlflow"] == mlflow_server.installed_version()
