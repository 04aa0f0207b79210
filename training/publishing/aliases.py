"""Read the aliases that rank a pair's models without importing MLflow: from its SQLite database or a server's REST API.

The tables are those of MLflow 3 (mlflow/store/model_registry/dbmodels/models.py), the routes its REST API 2.0:
GET /version and GET registered-models/search.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import Request

from lambda_fn import fields
from lambda_fn.store import schema
from lambda_fn.store.http_client import HttpResponse, send_request
from lambda_fn.store.object_store import Unavailable
from training.publishing.tracking_uri import (
    RegistryError,
    check_admission,
    check_version,
    database_error,
    is_server,
    open_database,
    sqlite_file,
    unreachable_error,
)

ALIASES = ("champion", "challenger", "candidate")  # by rank, the best first
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


class AliasHolders(NamedTuple):
    """The (name, version) that holds each alias of a pair, and a note about the registry if there is one."""

    aliases: dict[str, tuple[str, int]]
    note: str | None


def group_by_alias(rows: Iterable[tuple[str, str, int]], pair: str) -> dict[str, tuple[str, int]]:
    """Return the (name, version) that holds each alias of a pair, from rows of (name, alias, version).

    When an interrupted process has left an alias on two models, the first by name counts.
    """
    holders: dict[str, tuple[str, int]] = {}
    for name, alias, version in sorted(rows):
        if name.startswith(f"{pair}_") and alias in ALIASES:
            holders.setdefault(alias, (name, version))
    return {alias: holders[alias] for alias in ALIASES if alias in holders}


def read(tracking_uri: str, pair: str, environ: Mapping[str, str]) -> AliasHolders | None:
    """Read the aliases of a pair, or return None where only MLflow's client can. Nothing is written.

    Raises RegistryError as `mlflow_registry.connect` does.
    """
    if path := sqlite_file(tracking_uri):
        return _read_database(path, pair)
    if is_server(tracking_uri) and not _needs_client(tracking_uri, environ):
        server = _Server.at(tracking_uri, environ)
        note = check_version(server.address, *server.version())
        return AliasHolders(group_by_alias(server.aliases(pair), pair), note)
    return None


def _needs_client(uri: str, environ: Mapping[str, str]) -> bool:
    names = (*CLIENT_LOGINS, *CLIENT_TRUST) if urlsplit(uri).scheme == "https" else CLIENT_LOGINS
    return any(environ.get(name) for name in names) or (Path.home() / CREDENTIALS_FILE).exists()


def _read_database(path: Path, pair: str) -> AliasHolders:
    try:
        exists = path.exists()
    except OSError as error:  # its folder cannot be entered
        raise database_error(path, error.strerror or "") from error
    if not exists:
        return AliasHolders({}, f"{path}: the database does not exist yet; python -m training run creates it")
    with open_database(path, "ro") as connection:
        rows = connection.execute("SELECT name, alias, version FROM registered_model_aliases").fetchall()
    return AliasHolders(group_by_alias(rows, pair), None)


@dataclass(frozen=True)
class _Server:
    """An MLflow server. The login is in `headers`, not in `address`, which messages may show."""

    address: str
    headers: Mapping[str, str]

    @classmethod
    def at(cls, uri: str, environ: Mapping[str, str]) -> "_Server":
        """Return the server at `uri`, with the login from the environment or the address, as in MLflow's client."""
        parts = urlsplit(uri)
        username = environ.get("MLFLOW_TRACKING_USERNAME") or unquote(parts.username or "")
        password = environ.get("MLFLOW_TRACKING_PASSWORD") or unquote(parts.password or "")
        login = base64.b64encode(f"{username}:{password}".encode()).decode()
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        return cls(address, {"Authorization": f"Basic {login}"} if username else {})

    def version(self) -> tuple[int, str]:
        """Return the status and the text of the response to /version."""
        response = self._get("/version")
        return response.status, response.body.decode(errors="replace")

    def aliases(self, pair: str) -> Iterator[tuple[str, str, int]]:
        """Yield (name, alias, version) for every model whose name begins with the pair."""
        query = {"filter": f"name LIKE '{pair}%'", "max_results": str(PAGE_SIZE)}
        token = ""
        while True:
            page = self._page(query | ({"page_token": token} if token else {}))
            for model in page.get("registered_models", ()):
                yield from ((model["name"], row["alias"], row["version"]) for row in model.get("aliases", ()))
            if not (token := page.get("next_page_token", "")):
                return

    def _page(self, query: Mapping[str, str]) -> dict[str, Any]:
        response = self._get(f"/api/2.0/mlflow/registered-models/search?{urlencode(query)}")
        check_admission(self.address, response.status)
        if response.status != 200:
            raise RegistryError(
                f"MLFLOW_TRACKING_URI: {self.address} answers {response.status}; check the log of the MLflow server"
            )
        where = "MLflow's answer"
        return schema.parse_as(_PAGE, fields.json_object(response.body, where), where)

    def _get(self, path: str) -> HttpResponse:
        try:
            return send_request(Request(f"{self.address}{path}", headers=dict(self.headers)), TIMEOUT_S, MAX_BYTES)
        except Unavailable as error:
            raise unreachable_error(self.address) from error


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
