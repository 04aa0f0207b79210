"""Check the registry that MLFLOW_TRACKING_URI names, without importing MLflow, which takes seconds."""

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
LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")  # another process is writing; the database is sound
_SQLITE = "sqlite:///"


class RegistryError(NamedError):
    """The registry cannot be used, or lacks what was requested; the message says why and what to do."""


class RegistryUnreachable(RegistryError, TemporaryError):
    """The registry does not answer; a later attempt may succeed."""


def is_server(tracking_uri: str) -> bool:
    """Return whether the address is that of a tracking server."""
    return urlsplit(tracking_uri).scheme in ("http", "https")


def sqlite_file(tracking_uri: str) -> Path | None:
    """Return the database file of a sqlite:/// address; None for others, a database in memory and a `file:` address."""
    name = tracking_uri.removeprefix(_SQLITE).partition("?")[0]
    is_file = tracking_uri.startswith(_SQLITE) and name and not name.startswith((":memory:", "file:"))
    return Path(name) if is_file else None


def check_database(path: Path) -> None:
    """Check that a database can be written, and create its folder.

    Raises RegistryError when the folder is not writable, or the file is damaged or no database: MLflow would retry for
    minutes and end with a traceback.
    """
    files = path.parent / "mlruns"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in (path.parent, files) if files.exists() else (path.parent,):
            tempfile.TemporaryFile(dir=folder).close()  # permissions do not apply to root
    except OSError as error:
        raise RegistryError(
            f"MLFLOW_TRACKING_URI: the folder of {path.resolve()} cannot be written ({error.strerror}); make it "
            "writable, or set another address, such as sqlite:////home/me/mlflow.db"
        ) from error
    if path.exists():
        with open_database(path, "rw") as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if result != "ok":
                raise sqlite3.DatabaseError(result.replace("\n", " "))


@contextmanager
def open_database(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Open an existing database with SQLite's `mode` ro or rw, and turn its errors into RegistryError."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode={mode}", uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in LOCKED:
            raise RegistryUnreachable(f"MLFLOW_TRACKING_URI: another process has locked {path}; try again") from error
        raise database_error(path, "it is a folder" if path.is_dir() else str(error)) from error


def database_error(path: Path, reason: str) -> RegistryError:
    """Return the error for a file that is not a usable database."""
    return RegistryError(
        f"MLFLOW_TRACKING_URI: {path} is not a usable MLflow database ({reason}); restore a copy, move it away "
        "to create a new one, or correct the address"
    )


def check_version(uri: str, status: int, text: str) -> str | None:
    """Return a note if the server's version differs from the client's, otherwise None.

    Raises RegistryError when the server refuses access, is not MLflow, or is too old.

    Args:
        uri: The address of the server.
        status: The status of its response to /version.
        text: The text of that response.
    """
    check_admission(uri, status)
    try:
        server = Version(text.strip())
    except InvalidVersion as error:
        raise RegistryError(
            f"MLFLOW_TRACKING_URI: {redact_url(uri)}/version is not an MLflow version; correct the address"
        ) from error
    if server < OLDEST:
        raise RegistryError(
            f"MLFLOW_TRACKING_URI: the server at {redact_url(uri)} is MLflow {server}, which lacks logged models; "
            f"upgrade it to {OLDEST} or newer (pip install 'mlflow>=3', then `mlflow db upgrade <its database>`)"
        )
    client = version("mlflow")
    if server != Version(client):
        return f"the MLflow server is version {server}, this client {client}; servers from {OLDEST} on should work"
    return None


def check_admission(uri: str, status: int, cause: Exception | None = None) -> None:
    """Raise RegistryError when the status says that the server, or a proxy in front of it, refuses access."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise RegistryError(
            f"MLFLOW_TRACKING_URI: {redact_url(uri)} answers {status:d}; set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or add this host to the server's --allowed-hosts"
        ) from cause


def unreachable_error(uri: str) -> RegistryUnreachable:
    """Return the error for a server that does not answer."""
    return RegistryUnreachable(
        f"MLFLOW_TRACKING_URI: no MLflow server answers at {redact_url(uri)}; start it or correct the address"
    )


FILES = "mlruns"  # the folder of artifacts, next to the database
_COLUMNS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("experiments", "artifact_location"),
)


def update_artifact_addresses(path: Path) -> int:
    """Correct the artifact addresses in a database that was moved with its artifacts; return how many changed.

    Nothing changes unless the artifacts are next to the database, and no longer at the recorded place.
    """
    folder = path.resolve().parent / FILES
    if not path.exists() or not folder.is_dir():
        return 0
    with open_database(path, "rw") as connection, closing(connection.cursor()) as cursor:
        tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = [(table, column) for table, column in _COLUMNS if table in tables]
        changed = 0
        for old in _recorded_folders(
            cursor.execute("SELECT artifact_location FROM experiments").fetchall() if columns else []
        ):
            if old == folder.as_uri() or Path(old.removeprefix("file://")).is_dir():
                continue
            for table, column in columns:
                update = cursor.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR {column} LIKE ?",
                    (folder.as_uri(), len(old) + 1, old, f"{old}/%"),
                )
                changed += update.rowcount
        connection.commit()
    return changed


def _recorded_folders(rows: list[tuple[str | None]]) -> set[str]:
    """Return the folders named mlruns in which the experiments of this project have their artifacts."""
    return {
        location for (location,) in rows if location and location.startswith("file://") and location.endswith(FILES)
    }
