"""`make promote-ui` says what is missing before it starts anything; tests/browser/test_promotion.py has it at work."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from infra import promote_ui
from infra.hook import HookError
from infra.mlflow_server import KEY_SECRET, encryption_key
from tests.infra.test_webhook_key import put_webhook
from tests.support.e2e.containers import free_ports


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "sqlite:///absent.db", ""])
def test_it_needs_the_registry_of_make_train(uri: str, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert promote_ui.main([], {"MLFLOW_TRACKING_URI": uri}) == 2
    assert capsys.readouterr().err.startswith("MLFLOW_TRACKING_URI: ")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("option", ["--port", "--mlflow-port"])
def test_a_port_in_use_is_named(option: str, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "mlflow.db").touch()
    other = {"--port": "--mlflow-port", "--mlflow-port": "--port"}[option]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert promote_ui.main([option, str(port), other, str(free_ports(1)[0])], {}) == 2
    assert capsys.readouterr().err.startswith(f"port {port} ")


def test_the_secret_is_kept_and_another_one_is_noticed(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    secret = promote_ui.read_secret(folder)
    assert promote_ui.read_secret(folder) == secret
    assert (folder / promote_ui.SECRET_FILE).stat().st_mode & 0o777 == 0o600
    put_webhook(folder, str(encryption_key({KEY_SECRET: secret})))
    ports = free_ports(2)
    assert promote_ui.check_start({}, ports)[1] == secret
    (folder / promote_ui.SECRET_FILE).unlink()
    capsys.readouterr()  # MLflow logs that it makes a database
    assert promote_ui.main(["--port", str(ports[0]), "--mlflow-port", str(ports[1])], {}) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{promote_ui.SECRET_FILE}: ") and "DELETE FROM webhooks" in error and secret not in error


def test_a_database_of_something_else_is_named(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("CREATE TABLE other (name TEXT)")
    with pytest.raises(HookError, match=r"mlflow\.db"):
        promote_ui.check_start({}, free_ports(2))
