"""The MLflow registry without importing MLflow, which takes seconds: checks of its address, and the aliases in it.

Aliases are read from MLflow's SQLite database or by its REST API, never written. The tables are those of MLflow 3
(mlflow/store/model_registry/dbmodels/models.py), the routes its REST API 2.0: GET /version and GET
registered-models/search.
"""

import base64
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import Request

from packaging.version import InvalidVersion, Version

from lambda_fn import fields
from lambda_fn.settings import redact_url
from lambda_fn.store import schema
from lambda_fn.store.http_client import HttpResponse, send_request
from lambda_fn.store.object_store import Unavailable
from training.errors import NamedError, TemporaryError

ALIASES = ("champion", "challenger", "candidate")  # by rank, the best first
FILES = "mlruns"  # the folder of artifacts, next to a database
OLDEST = Version("3.0")
LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")  # another process is writing; the database is sound
TIMEOUT_S = 10.0
MAX_BYTES = 2**23  # per page of models, each with the tags of its latest versions
PAGE_SIZE = 100
# Only MLflow's client supports these: other logins (also by a file in the home folder) and other certificates.
CLIENT_LOGINS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_WORKSPACE")
CLIENT_TRUST = (
    *("MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_TRACKING_SERVER_CERT_PATH"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
CREDENTIALS_FILE = Path(".mlflow/credentials")  # in the home folder
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
    files = path.parent / FILES
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


def find_moved(tracking_uri: str, artifact_uri: str) -> str | None:
    """Return the address beside the database of artifacts that were moved or copied with it.

    None when they are still, or only, at the recorded address.
    """
    if (places := _find_places(tracking_uri, artifact_uri)) is None:
        return None
    recorded, folder, path = places
    is_here = folder.is_dir() and (Path(f"{folder}{unquote(path)}").exists() or not recorded.is_dir())
    return f"{folder.as_uri()}{path}" if is_here else None


def is_elsewhere(tracking_uri: str, artifact_uri: str) -> bool:
    """Return whether artifacts are not beside the database, so that it was moved or copied."""
    return _find_places(tracking_uri, artifact_uri) is not None


def _find_places(tracking_uri: str, artifact_uri: str) -> tuple[Path, Path, str] | None:
    """Return the recorded folder of artifacts, the one beside the database, and the path below both.

    None when the two are the same, or the address has another form.
    """
    recorded, folder_name, path = artifact_uri.rpartition(f"/{FILES}")
    database = sqlite_file(tracking_uri)
    if database is None or not folder_name or path[:1] not in ("", "/") or not recorded.startswith("file://"):
        return None
    old, new = Path(unquote(urlsplit(recorded).path), FILES), database.resolve().parent / FILES
    return None if old.resolve() == new.resolve() else (old, new, path)


class AliasHolders(NamedTuple):
    """The (name, version) that holds each alias of a pair, and a note about the registry if there is one.

    `champions` are the URIs of all versions with the alias champion: one, unless several models have it.
    """

    aliases: dict[str, tuple[str, int]]
    note: str | None
    champions: tuple[str, ...] = ()


def group_by_alias(rows: Iterable[tuple[str, str, int]], pair: str) -> dict[str, tuple[str, int]]:
    """Return the (name, version) that holds each alias of a pair, from rows of (name, alias, version).

    When an interrupted process has left an alias on two models, the first by name counts.
    """
    holders: dict[str, tuple[str, int]] = {}
    for name, alias, number in sorted(rows):
        if name.startswith(f"{pair}_") and alias in ALIASES:
            holders.setdefault(alias, (name, number))
    return {alias: holders[alias] for alias in ALIASES if alias in holders}


def list_champions(rows: Iterable[tuple[str, str, int]], pair: str) -> tuple[str, ...]:
    """Return the URIs of all versions of a pair with the alias champion, from rows of (name, alias, version)."""
    champions = sorted((name, number) for name, alias, number in rows if alias == ALIASES[0])
    return tuple(f"models:/{name}/{number}" for name, number in champions if name.startswith(f"{pair}_"))


def read_aliases(tracking_uri: str, pair: str, environ: Mapping[str, str]) -> AliasHolders | None:
    """Read the aliases of a pair, or return None where only MLflow's client can. Nothing is written.

    Raises RegistryError as `mlflow_registry.connect` does.
    """
    if path := sqlite_file(tracking_uri):
        try:
            exists = path.exists()
        except OSError as error:  # its folder cannot be entered
            raise database_error(path, error.strerror or "") from error
        if not exists:
            return AliasHolders({}, f"{path}: the database does not exist yet; eurusd run creates it")
        with open_database(path, "ro") as connection:
            rows = connection.execute("SELECT name, alias, version FROM registered_model_aliases").fetchall()
        return AliasHolders(group_by_alias(rows, pair), None, list_champions(rows, pair))
    names = (*CLIENT_LOGINS, *CLIENT_TRUST) if urlsplit(tracking_uri).scheme == "https" else CLIENT_LOGINS
    needs_client = any(environ.get(name) for name in names) or (Path.home() / CREDENTIALS_FILE).exists()
    return None if needs_client or not is_server(tracking_uri) else _read_server(tracking_uri, pair, environ)


def _read_server(uri: str, pair: str, environ: Mapping[str, str]) -> AliasHolders:
    """Read the aliases by the REST API, with the login from the environment or the address, as in MLflow's client."""
    parts = urlsplit(uri)
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")  # messages may show it
    username = environ.get("MLFLOW_TRACKING_USERNAME") or unquote(parts.username or "")
    password = environ.get("MLFLOW_TRACKING_PASSWORD") or unquote(parts.password or "")
    login = base64.b64encode(f"{username}:{password}".encode()).decode()

    def get(path: str) -> HttpResponse:
        request = Request(f"{address}{path}", headers={"Authorization": f"Basic {login}"} if username else {})
        try:
            return send_request(request, TIMEOUT_S, MAX_BYTES)
        except Unavailable as error:
            raise unreachable_error(address) from error

    response = get("/version")
    note = check_version(address, response.status, response.body.decode(errors="replace"))
    query = {"filter": f"name LIKE '{pair}%'", "max_results": str(PAGE_SIZE)}
    rows = []
    while True:
        response = get(f"/api/2.0/mlflow/registered-models/search?{urlencode(query)}")
        check_admission(address, response.status)
        if response.status != HTTPStatus.OK:
            raise RegistryError(
                f"MLFLOW_TRACKING_URI: {address} answers {response.status}; check the log of the MLflow server"
            )
        where = "MLflow's answer"
        page = schema.parse_as(_PAGE, fields.json_object(response.body, where), where)
        for model in page.get("registered_models", ()):
            rows += [(model["name"], row["alias"], row["version"]) for row in model.get("aliases", ())]
        query["page_token"] = page.get("next_page_token", "")
        if not query["page_token"]:
            return AliasHolders(group_by_alias(rows, pair), note, list_champions(rows, pair))


def _parse_version(value: Any) -> int:
    number = schema.parse_label(value)
    if not number.isdecimal():
        raise schema.Invalid("", f"{number[:20]!r} is not a model version; check MLFLOW_TRACKING_URI")
    return int(number)


_ALIAS = schema.object_of({"alias": schema.TEXT, "version": _parse_version})
_MODEL = schema.object_of({"name": schema.TEXT}, {"aliases": schema.list_of(_ALIAS, allow_empty=True)})
_PAGE = schema.object_of(
    {},  # MLflow omits empty lists
    {
        "registered_models": schema.list_of(_MODEL, allow_empty=True),
        "next_page_token": schema.text("(?s).*", "a string"),
    },
)
