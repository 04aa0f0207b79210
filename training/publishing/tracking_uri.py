"""What MLFLOW_TRACKING_URI names, and what is wrong with it: known without MLflow, whose import takes seconds."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, urlsplit

from packaging.version import InvalidVersion, Version

from lambda_fn.settings import redact_url
from training.errors import NamedError, TemporaryError

OLDEST = Version("3.0")
LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")  # somebody else writes at this moment: no fault of the database
_SQLITE = "sqlite:///"


class RegistryError(NamedError):
    """The registry cannot do what was asked; the message says why and what to do."""


class RegistryUnreachable(RegistryError, TemporaryError):
    """No registry answers; a later try may find it."""


def is_server(tracking_uri: str) -> bool:
    return urlsplit(tracking_uri).scheme in ("http", "https")


def sqlite_file(tracking_uri: str) -> Path | None:
    """The database file of a sqlite:/// address, otherwise None, as for a database in memory or a `file:` address."""
    name = tracking_uri.removeprefix(_SQLITE).partition("?")[0]
    named = tracking_uri.startswith(_SQLITE) and name and not name.startswith((":memory:", "file:"))
    return Path(name) if named else None


def check_database(path: Path) -> None:
    """Makes the folder of a database that is to be written. Raises RegistryError when there can be none, or when what
    is there is none or is damaged: MLflow would retry for minutes and end in a traceback."""
    files = path.parent / "mlruns"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in (path.parent, files) if files.exists() else (path.parent,):
            tempfile.TemporaryFile(dir=folder).close()  # permissions tell root nothing
    except OSError as error:
        raise RegistryError(
            f"MLFLOW_TRACKING_URI: the folder of {path.resolve()} cannot be written ({error.strerror}); make it a "
            "folder that you may write, or set another address, such as sqlite:////home/me/mlflow.db"
        ) from error
    if path.exists():
        with database(path, "rw") as opened:
            opened.execute("BEGIN IMMEDIATE")
            opened.execute("ROLLBACK")
            (found,) = opened.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found.replace("\n", " "))


@contextmanager
def database(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """The database that is there, opened with SQLite's `mode` ro or rw; its errors become RegistryError."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode={mode}", uri=True)) as opened:
            yield opened
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in LOCKED:
            raise RegistryUnreachable(f"MLFLOW_TRACKING_URI: another process holds {path}; try again") from error
        raise no_database(path, "it is a folder" if path.is_dir() else str(error)) from error


def no_database(path: Path, reason: str) -> RegistryError:
    return RegistryError(
        f"MLFLOW_TRACKING_URI: {path} is no MLflow database that can be used ({reason}); restore a copy, move it away "
        "so that a new one is made, or correct the address"
    )


def server_note(uri: str, status: int, text: str) -> str | None:
    """What is to be said of a server by its answer to /version: a note when its version is not the client's.

    Raises RegistryError when the server is not to be used.
    """
    check_admission(uri, status)
    try:
        server = Version(text.strip())
    except InvalidVersion as error:
        raise RegistryError(
            f"MLFLOW_TRACKING_URI: {redact_url(uri)}/version is not MLflow's; correct the address"
        ) from error
    if server < OLDEST:
        raise RegistryError(
            f"MLFLOW_TRACKING_URI: the server at {redact_url(uri)} is MLflow {server}, which knows no logged models; "
            f"upgrade it to {OLDEST} or newer (pip install 'mlflow>=3', then `mlflow db upgrade <its database>`)"
        )
    client = version("mlflow")
    if server != Version(client):
        return f"the MLflow server is {server}, this client {client}; servers from {OLDEST} on should work"
    return None


def check_admission(uri: str, status: int, cause: Exception | None = None) -> None:
    """Raises RegistryError when this status says that the server, or a proxy before it, does not let us in."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise RegistryError(
            f"MLFLOW_TRACKING_URI: {redact_url(uri)} answers {status:d}; set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or add this host to the server's --allowed-hosts"
        ) from cause


def no_answer(uri: str) -> RegistryUnreachable:
    return RegistryUnreachable(
        f"MLFLOW_TRACKING_URI: no MLflow server answers at {redact_url(uri)}; start it or correct the address"
    )


FILES = "mlruns"  # the folder of files, beside the database
_COLUMNS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("experiments", "artifact_location"),
)


def follow(path: Path) -> int:
    """Let a database find its files again that were moved with it; gives how many addresses changed.

    Only where the files are beside the database, and no longer where it says.
    """
    here = path.resolve().parent / FILES
    if not path.exists() or not here.is_dir():
        return 0
    with database(path, "rw") as opened, closing(opened.cursor()) as cursor:
        tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = [(table, column) for table, column in _COLUMNS if table in tables]
        changed = 0
        for old in _recorded(cursor.execute("SELECT artifact_location FROM experiments").fetchall() if columns else []):
            if old == here.as_uri() or Path(old.removeprefix("file://")).is_dir():
                continue
            for table, column in columns:
                found = cursor.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR {column} LIKE ?",
                    (here.as_uri(), len(old) + 1, old, f"{old}/%"),
                )
                changed += found.rowcount
        opened.commit()
    return changed


def _recorded(rows: list[tuple[str | None]]) -> set[str]:
    """The folders named mlruns in which the experiments of this project have their files."""
    return {
        location for (location,) in rows if location and location.startswith("file://") and location.endswith(FILES)
    }
