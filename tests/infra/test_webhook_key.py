"""The key that encrypts the secrets of MLflow's webhooks: derived from a secret, checked, noted in backups."""

import hashlib
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from infra import mlflow_backup, mlflow_server
from infra.mlflow_server import ENCRYPTION_KEY, KEY_SECRET
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.infra.test_mlflow_server import ADMIN
from tests.support import mlflow_database

OWN = {**ADMIN, KEY_SECRET: "a-secret"}


def put_webhook(folder: Path, key: str, deleted: int | None = None) -> None:
    """A database of the locked MLflow with a webhook whose secret was encrypted with this key."""
    folder.mkdir(exist_ok=True)
    if not (folder / "mlflow.db").exists():
        mlflow_database.create(folder / "mlflow.db")
    secret = Fernet(key).encrypt(b"a-secret-of-a-webhook").decode()
    row = ("1", "service", "https://a.example/hooks/mlflow", secret, deleted)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        names = "webhook_id, name, url, secret, deleted_timestamp, status"
        database.execute(f"INSERT INTO webhooks ({names}) VALUES (?, ?, ?, ?, ?, 'ACTIVE')", row)


def test_the_key_is_derived_from_the_secret_and_the_secret_stays_here() -> None:
    variables = mlflow_server.server_environ(Settings.from_env({}), OWN)
    assert Fernet(variables[ENCRYPTION_KEY]).decrypt(Fernet(variables[ENCRYPTION_KEY]).encrypt(b"a")) == b"a"
    assert variables[ENCRYPTION_KEY] == mlflow_server.encryption_key(OWN) and KEY_SECRET not in variables
    given = Fernet.generate_key().decode()
    assert mlflow_server.encryption_key({**OWN, ENCRYPTION_KEY: given}) == given
    assert ENCRYPTION_KEY not in mlflow_server.server_environ(Settings.from_env({}), ADMIN)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (ADMIN, "MLFLOW_WEBHOOK_KEY_SECRET: not set"),
        ({**OWN, KEY_SECRET: "another"}, "MLFLOW_WEBHOOK_KEY_SECRET: not the secret"),
        ({**ADMIN, ENCRYPTION_KEY: "short"}, "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY: not a key; "),
    ],
)
def test_it_does_not_start_when_its_webhooks_cannot_be_decrypted(
    environ: dict[str, str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.execve", lambda *_: pytest.fail("it started"))
    put_webhook(tmp_path, str(mlflow_server.encryption_key(OWN)))
    assert mlflow_server.main(["serve", "--data", str(tmp_path)], environ) == 1
    assert message in capsys.readouterr().err


def test_a_backup_has_the_digest_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, key = tmp_path / "data", str(mlflow_server.encryption_key(OWN))
    put_webhook(data, key)
    put_webhook(tmp_path / "other", Fernet.generate_key().decode(), deleted=1)  # MLflow never reads it again
    started: list[dict[str, str]] = []
    monkeypatch.setattr("os.execve", lambda command, words, variables: started.append(variables))
    for folder in (data, tmp_path / "other"):
        monkeypatch.chdir(tmp_path)
        mlflow_server.serve(folder, Settings.from_env({}), [], 5000, OWN)
    assert [variables[ENCRYPTION_KEY] for variables in started] == [key, key]
    store = open_store(Settings.from_env({"STORE_DIR": str(tmp_path / "store")}))
    now = datetime(2026, 11, 30, tzinfo=UTC)
    backup = mlflow_backup.take(data, store, "3.17.2", now)
    assert backup.webhook_key == hashlib.sha256(key.encode()).hexdigest()
    restored = mlflow_backup.restore(tmp_path / "new", store, [backup.schema], now)
    assert restored.webhook_key == backup.webhook_key
