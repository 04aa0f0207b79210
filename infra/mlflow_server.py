"""The MLflow server as the stack and the compose file run it: `python -m infra.mlflow_server serve`.

Basic auth, SQLite in one folder, artifacts in the store that the settings name (`artifacts/` of the bucket S3_BUCKET),
where `backup` puts backups of the databases, too. The administrator is who the variables MLFLOW_AUTH_ADMIN_USERNAME and
MLFLOW_AUTH_ADMIN_PASSWORD say, at every start: so a changed secret, or a backup from before it changed, locks nobody
out.
"""

import argparse
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
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
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]*", re.IGNORECASE)
SHORTEST_PASSWORD = 12  # of MLflow


class ServerError(RuntimeError):
    """The server cannot start; the message names what and the cure."""


def command(folder: Path, settings: Settings, hosts: Sequence[str], port: int) -> list[str]:
    """The server's command line. `hosts` are the names and addresses by which clients call it, beside localhost.

    A list of allowed hosts replaces MLflow's own, and a Host header has the port: so both are said. What a browser at
    one of these names sends is allowed, too. One process, as SQLite has one writer.
    """
    names = ("localhost", "127.0.0.1", *hosts)
    wrong = [name for name in hosts if not _HOST.fullmatch(name)]
    if wrong:
        raise ServerError(f"--hosts: {wrong[0]!r} is no name; give names without port, such as eurusd-mlflow.internal")
    # through an encrypted session any port of localhost may be the server's
    allowed = [f"{name}:*" for name in names[:2]] + [f"{name}:{port}" for name in hosts]
    arguments = {
        "host": "0.0.0.0",
        "port": str(port),
        "workers": "1",
        "app-name": "basic-auth",
        "backend-store-uri": f"sqlite:///{folder.resolve()}/{mlflow_backup.DATABASES[0]}",
        "artifacts-destination": _artifacts(settings),
        "allowed-hosts": ",".join(allowed),
        "cors-allowed-origins": ",".join(f"http://{name}:{port}" for name in names),
    }
    return [sys.executable, "-m", "mlflow", "server", *(f"--{name}={value}" for name, value in arguments.items())]


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The server's variables; raises ServerError when no administrator is named."""
    for name in ADMIN:
        if not environ.get(name):
            raise ServerError(f"{name}: not set; the server needs an administrator")
    if len(environ[ADMIN[1]]) < SHORTEST_PASSWORD:
        raise ServerError(f"{ADMIN[1]}: too short; take at least {SHORTEST_PASSWORD} characters")
    own = {_SECRET_KEY: secrets.token_hex(32), "MLFLOW_DISABLE_TELEMETRY": "true"}
    own["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # ten processes of 100 MB for what nobody uses here
    # boto3, with which the server reaches its bucket, has a name of its own for the region
    aws = {"AWS_DEFAULT_REGION": settings.aws_region}
    if settings.s3_endpoint:
        aws["MLFLOW_S3_ENDPOINT_URL"] = settings.s3_endpoint
    left = {name: value for name, value in environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**own, **left, **aws}


def serve(folder: Path, settings: Settings, hosts: Sequence[str], port: int, environ: Mapping[str, str]) -> None:
    """Becomes the server; the databases are its own until it ends. Raises ServerError and BackupError."""
    words, variables = command(folder, settings, hosts, port), environment(settings, environ)
    runs, users = (folder / name for name in mlflow_backup.DATABASES)
    with mlflow_backup.held(folder) as lock:
        _check_schema(runs)
        _set_password(users, environ[ADMIN[0]], environ[ADMIN[1]])
        os.set_inheritable(lock.fileno(), True)
        os.chdir(folder)  # in which MLflow keeps the users' database
        os.execve(words[0], words, variables)


def upgrade(folder: Path, settings: Settings, now: datetime) -> None:
    """Brings the databases to this MLflow's schema, after a backup; users' migrate by themselves at the start."""
    with mlflow_backup.held(folder):
        backup = mlflow_backup.take(folder, open_store(settings, patient=True), installed(), now)
        sys.stdout.write(f"backup {backup.name}\n")
        sys.stdout.flush()
        uri = f"sqlite:///{folder.resolve()}/{mlflow_backup.DATABASES[0]}"
        done = subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", uri])
    if done.returncode:
        raise ServerError(f"mlflow db upgrade failed; go back with `restore --name {backup.name}` and the former image")


def installed() -> str:
    """The version of MLflow here."""
    from mlflow.version import VERSION

    return str(VERSION)


def _artifacts(settings: Settings) -> str:
    return (
        f"s3://{settings.s3_bucket}/artifacts"
        if settings.use_s3
        else str(Path(settings.store_dir).resolve() / "artifacts")
    )


def _check_schema(database: Path) -> None:
    """MLflow itself changes an old database at its start where a table is missing: with no backup, and no way back."""
    if not database.exists():
        return
    from mlflow.store.db.utils import _get_latest_schema_revision

    if mlflow_backup.schema_of(database) != _get_latest_schema_revision():  # type: ignore[no-untyped-call]
        cure = "`upgrade` it, or use the former image"
        raise ServerError(f"{database}: of another version than MLflow {installed()}; {cure}")


def _schemas() -> frozenset[str]:
    """All that this MLflow knows: its own, and those that it can upgrade."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    scripts = ScriptDirectory.from_config(_get_alembic_config(""))  # type: ignore[no-untyped-call]
    return frozenset(script.revision for script in scripts.walk_revisions())


def _set_password(database: Path, username: str, password: str) -> None:
    """MLflow itself takes the variables only where no administrator exists yet."""
    if not database.exists():
        return
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    users = SqlAlchemyStore()
    users.init_db(f"sqlite:///{database.resolve()}")  # type: ignore[no-untyped-call]
    if users.has_user(username) and not users.authenticate_user(username, password):
        users.update_user(username, password=password)
    users.engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m infra.mlflow_server", description="An MLflow server and its backups.")
    commands = parser.add_subparsers(dest="action", required=True)
    helps = {
        "serve": "run the server",
        "backup": "copy its databases into the store, while it runs",
        "backups": "list the backups",
        "restore": "put a backup's databases in the place of those that are there, which are kept aside",
        "upgrade": "after a backup, bring the databases to the schema of this version",
    }
    for name, words in helps.items():
        each = commands.add_parser(name, help=words, description=words)
        if name != "backups":
            each.add_argument("--data", type=Path, default=Path("/data"), help="folder of the databases (/data)")
    served = commands.choices["serve"]
    served.add_argument("--hosts", default="", help="names by which clients call it, with commas between")
    served.add_argument("--port", type=int, default=PORT, help=f"port to listen on ({PORT})")
    commands.choices["restore"].add_argument("--name", help="which backup (default: the newest)")
    return parser


def _run(asked: argparse.Namespace, settings: Settings, environ: Mapping[str, str], now: datetime) -> str:
    """Does what was asked; gives what to say of it."""
    match asked.action:
        case "serve":
            hosts = [name for name in asked.hosts.split(",") if name]
            serve(asked.data, settings, hosts, asked.port, environ)
        case "upgrade":
            upgrade(asked.data, settings, now)
            return f"the databases are those of MLflow {installed()}"
        case "backups":
            return "\n".join(mlflow_backup.names(open_store(settings, patient=True)))
        case "backup":
            done = mlflow_backup.take(asked.data, open_store(settings, patient=True), installed(), now)
            return f"backup {done.name} of {', '.join(done.sha256)}"
        case "restore":
            store = open_store(settings, patient=True)
            done = mlflow_backup.restore(asked.data, store, _schemas(), now, asked.name)
            return f"restored {done.name}, taken with MLflow {done.version}; the server may start"
    return ""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Returns 1 after one sentence on standard error when it cannot be done."""
    asked = _parser().parse_args(arguments)
    try:
        said = _run(asked, Settings.from_env(environ), environ, datetime.now(UTC))
    except (BackupError, ServerError, SettingsError, Unavailable, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
