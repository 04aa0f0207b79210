"""The MLflow server of the stack and the compose file: `python -m infra.mlflow_server serve`.

It has basic authentication, SQLite databases in one folder, and artifacts in the store of the settings (`artifacts/` of
the bucket S3_BUCKET), where `backup` puts backups of the databases, too. Every start sets the administrator to the
variables MLFLOW_AUTH_ADMIN_USERNAME and MLFLOW_AUTH_ADMIN_PASSWORD: so a changed secret, or a backup from before the
change, locks nobody out.
"""

import argparse
import base64
import hashlib
import os
import re
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from infra import mlflow_backup
from infra.mlflow_backup import BackupError
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import open_store

PORT = 5000
ADMIN = ("MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD")
_SECRET_KEY = "MLFLOW_FLASK_SERVER_SECRET_KEY"
KEY_SECRET = "MLFLOW_WEBHOOK_KEY_SECRET"  # any text, from which the next is derived
ENCRYPTION_KEY = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"  # MLflow's own; without it every process makes another one
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]*", re.IGNORECASE)
SHORTEST_PASSWORD = 12  # MLflow's minimum


class ServerError(RuntimeError):
    """The server cannot start; the message says why and what to do."""


def server_command(folder: Path, settings: Settings, hosts: Sequence[str], port: int) -> list[str]:
    """Return the command line of the server.

    The list of allowed hosts replaces MLflow's own, so it has localhost, too; and it has the port, as a Host header
    does. Requests of a browser from these hosts are allowed, too. There is one process, as SQLite allows one writer.

    Args:
        folder: The folder of the databases.
        settings: The store of the artifacts.
        hosts: Names and addresses by which clients reach the server, besides localhost.
        port: The port to listen on.

    Raises:
        ServerError: A host is not a valid name.
    """
    names = ("localhost", "127.0.0.1", *hosts)
    wrong = [name for name in hosts if not _HOST.fullmatch(name)]
    if wrong:
        raise ServerError(
            f"--hosts: {wrong[0]!r} is not a host name; give names without port, such as eurusd-mlflow.internal"
        )
    # An encrypted session may forward any port of localhost to the server.
    allowed = [f"{name}:*" for name in names[:2]] + [f"{name}:{port}" for name in hosts]
    arguments = {
        "host": "0.0.0.0",
        "port": str(port),
        "workers": "1",
        "app-name": "basic-auth",
        "backend-store-uri": f"sqlite:///{folder.resolve()}/{mlflow_backup.DATABASES[0]}",
        "artifacts-destination": f"s3://{settings.s3_bucket}/artifacts"
        if settings.use_s3
        else str(Path(settings.store_dir).resolve() / "artifacts"),
        "allowed-hosts": ",".join(allowed),
        "cors-allowed-origins": ",".join(f"http://{name}:{port}" for name in names),
    }
    return [sys.executable, "-m", "mlflow", "server", *(f"--{name}={value}" for name, value in arguments.items())]


def server_environ(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the server. Raises ServerError without an administrator or for a short password."""
    for name in ADMIN:
        if not environ.get(name):
            raise ServerError(f"{name}: not set; set it, because the server requires an administrator")
    if len(environ[ADMIN[1]]) < SHORTEST_PASSWORD:
        raise ServerError(f"{ADMIN[1]}: too short; use at least {SHORTEST_PASSWORD} characters")
    defaults = {_SECRET_KEY: secrets.token_hex(32), "MLFLOW_DISABLE_TELEMETRY": "true"}
    defaults["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # unused here; it would start ten processes of 100 MB
    # boto3, which the server uses for its bucket, reads another variable for the region.
    aws = {"AWS_DEFAULT_REGION": settings.aws_region}
    if settings.s3_endpoint:
        aws["MLFLOW_S3_ENDPOINT_URL"] = settings.s3_endpoint
    key = encryption_key(environ)
    webhooks = {ENCRYPTION_KEY: key} if key else {}
    inherited = {name: value for name, value in environ.items() if name not in ("MLFLOW_TRACKING_URI", KEY_SECRET)}
    return {**defaults, **inherited, **webhooks, **aws}


def encryption_key(environ: Mapping[str, str]) -> str | None:
    """Return the key with which MLflow encrypts the secrets of webhooks: its own variable, or derived from a secret."""
    secret = environ.get(KEY_SECRET)
    derived = base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).decode() if secret else None
    return environ.get(ENCRYPTION_KEY) or derived


def serve(folder: Path, settings: Settings, hosts: Sequence[str], port: int, environ: Mapping[str, str]) -> None:
    """Replace this process by the server, which keeps the databases locked.

    Args:
        folder: The folder of the databases.
        settings: The store of the artifacts.
        hosts: See `server_command`.
        port: The port to listen on.
        environ: Variables, with the administrator.

    Raises:
        ServerError: An argument or variable is wrong, or the databases are of another version.
        BackupError: A server runs on the databases already.
    """
    command, variables = server_command(folder, settings, hosts, port), server_environ(settings, environ)
    runs, users = (folder / name for name in mlflow_backup.DATABASES)
    with mlflow_backup.lock_databases(folder) as lock:
        _check_schema(runs)
        key = encryption_key(environ)
        check_webhooks(runs, key)
        digest = hashlib.sha256(key.encode()).hexdigest() if key else ""
        (folder / mlflow_backup.KEY_DIGEST).write_text(digest)
        _set_password(users, environ[ADMIN[0]], environ[ADMIN[1]])
        os.set_inheritable(lock.fileno(), True)
        os.chdir(folder)  # MLflow has the users' database in its working directory
        os.execve(command[0], command, variables)


def upgrade(folder: Path, settings: Settings, now: datetime) -> None:
    """Back up the databases, and migrate that of the runs to the schema of this MLflow.

    The users' database is migrated by the server when it starts. Raises BackupError and ServerError.
    """
    with mlflow_backup.lock_databases(folder):
        backup = mlflow_backup.take(folder, open_store(settings, patient=True), installed_version(), now)
        sys.stdout.write(f"backup {backup.name}\n")
        sys.stdout.flush()
        uri = f"sqlite:///{folder.resolve()}/{mlflow_backup.DATABASES[0]}"
        process = subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", uri])
    if process.returncode:
        raise ServerError(f"mlflow db upgrade failed; run `restore --name {backup.name}` and use the previous image")


def installed_version() -> str:
    """Return the version of the installed MLflow."""
    from mlflow.version import VERSION

    return str(VERSION)


def _check_schema(database: Path) -> None:
    """Raise ServerError when the database has another schema than this MLflow.

    MLflow would migrate a database that lacks a table when it starts, without a backup.
    """
    if not database.exists():
        return
    from mlflow.store.db.utils import _get_latest_schema_revision

    if mlflow_backup.read_schema(database) != _get_latest_schema_revision():  # type: ignore[no-untyped-call]
        fix = "`upgrade` it, or use the previous image"
        raise ServerError(f"{database}: its schema is not that of MLflow {installed_version()}; {fix}")


def check_webhooks(database: Path, key: str | None) -> None:
    """Raise ServerError unless the key decrypts the secrets of all webhooks in the database.

    Otherwise MLflow would deliver nothing, and answer 500 to whoever lists or deletes a webhook.
    """
    from cryptography.fernet import Fernet, InvalidToken

    rows: list[tuple[str]] = []
    if database.exists():
        query = "SELECT secret FROM webhooks WHERE secret IS NOT NULL AND deleted_timestamp IS NULL"
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute(query).fetchall()
    if rows and key is None:
        raise ServerError(f"{KEY_SECRET}: not set, but there are webhooks; set the secret with which they were made")
    try:
        cipher = Fernet(key) if key else None
        for (secret,) in rows:
            assert cipher is not None
            cipher.decrypt(secret)
    except ValueError:
        raise ServerError(f"{ENCRYPTION_KEY}: not a key; set base64url of 32 bytes, or {KEY_SECRET} instead") from None
    except InvalidToken:
        cure = f"set the one of before, or delete them: sqlite3 {database} 'DELETE FROM webhooks'"
        raise ServerError(f"{KEY_SECRET}: not the secret with which the webhooks were made; {cure}") from None


def _supported_schemas() -> frozenset[str]:
    """Return the schemas that this MLflow supports: its own, and those that it can upgrade."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    scripts = ScriptDirectory.from_config(_get_alembic_config(""))  # type: ignore[no-untyped-call]
    return frozenset(script.revision for script in scripts.walk_revisions())


def _set_password(database: Path, username: str, password: str) -> None:
    """Set the administrator's password; MLflow itself reads the variables only if there is no administrator yet."""
    if not database.exists():
        return
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    users = SqlAlchemyStore()
    users.init_db(f"sqlite:///{database.resolve()}")  # type: ignore[no-untyped-call]
    if users.has_user(username) and not users.authenticate_user(username, password):
        users.update_user(username, password=password)
    users.engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m infra.mlflow_server",
        description="Run the MLflow server; back up, restore and upgrade its databases.",
    )
    commands = parser.add_subparsers(dest="action", required=True)
    helps = {
        "serve": "run the server",
        "backup": "copy the databases into the store; the server may be running",
        "backups": "list the backups",
        "restore": "restore the databases of a backup; existing ones are moved aside",
        "upgrade": "back up the databases and migrate them to the schema of this version",
    }
    for name, summary in helps.items():
        subparser = commands.add_parser(name, help=summary, description=summary)
        if name != "backups":
            subparser.add_argument(
                "--data", type=Path, default=Path("/data"), help="folder of the databases (default: /data)"
            )
    serve_parser = commands.choices["serve"]
    serve_parser.add_argument("--hosts", default="", help="host names by which clients reach it, comma-separated")
    serve_parser.add_argument("--port", type=int, default=PORT, help=f"port to listen on (default: {PORT})")
    commands.choices["restore"].add_argument("--name", help="name of the backup (default: the latest)")
    return parser


def _run(args: argparse.Namespace, settings: Settings, environ: Mapping[str, str], now: datetime) -> str:
    """Run the command and return the message to print.

    Args:
        args: Its options.
        settings: The store.
        environ: Variables of the server.
        now: The time, for names.
    """
    match args.action:
        case "serve":
            hosts = [name for name in args.hosts.split(",") if name]
            serve(args.data, settings, hosts, args.port, environ)
        case "upgrade":
            upgrade(args.data, settings, now)
            return f"the databases have the schema of MLflow {installed_version()}"
        case "backups":
            return "\n".join(mlflow_backup.list_backups(open_store(settings, patient=True)))
        case "backup":
            store = open_store(settings, patient=True)
            backup = mlflow_backup.take(args.data, store, installed_version(), now)
            return f"backup {backup.name} of {', '.join(backup.sha256)}"
        case "restore":
            store = open_store(settings, patient=True)
            backup = mlflow_backup.restore(args.data, store, _supported_schemas(), now, args.name)
            key = f"; its webhooks need the key with the sha256 {backup.webhook_key}" if backup.webhook_key else ""
            return f"restored {backup.name}, taken with MLflow {backup.version}{key}; start the server now"
    return ""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Return 1 after one line on standard error when the command fails."""
    args = _parser().parse_args(arguments)
    try:
        message = _run(args, Settings.from_env(environ), environ, datetime.now(UTC))
    except (BackupError, ServerError, SettingsError, Unavailable, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{message}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
