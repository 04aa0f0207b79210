"""The aliases that rank a pair's models, read without MLflow: from its SQLite database, or from a server by REST.

The tables are those of MLflow 3 (mlflow/store/model_registry/dbmodels/models.py), the routes its REST API 2.0:
GET /version and GET registered-models/search.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import Request

from lambda_fn import fields
from lambda_fn.fields import ContractError, Reader
from lambda_fn.store.http_client import HttpResponse, send_request
from lambda_fn.store.object_store import Unavailable
from training.publishing.tracking_uri import (
    RegistryError,
    check_admission,
    database,
    is_server,
    no_answer,
    no_database,
    server_note,
    sqlite_file,
)

ALIASES = ("champion", "challenger", "candidate")  # by rank
TIMEOUT_S = 10.0
MAX_BYTES = 2**23  # of a page of models, each with the tags of its newest versions
PAGE = 100
# What only MLflow's client knows: other ways to log in (a file in the home folder is one more), and other trust.
CLIENT_LOGINS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_WORKSPACE")
CLIENT_TRUST = (
    *("MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_TRACKING_SERVER_CERT_PATH"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
CREDENTIALS_FILE = Path(".mlflow/credentials")  # in the home folder


class Held(NamedTuple):
    """Name and version that hold each alias of the pair, and a note on the server where there is one."""

    aliases: dict[str, tuple[str, int]]
    note: str | None


def by_alias(found: Iterable[tuple[str, str, int]], pair: str) -> dict[str, tuple[str, int]]:
    """From (model, alias, version) to the holder of each alias; the first by name when a kill left two."""
    rows = sorted(row for row in found if row[0].startswith(f"{pair}_"))
    held = {alias: [(name, number) for name, own, number in rows if own == alias] for alias in ALIASES}
    return {alias: holders[0] for alias, holders in held.items() if holders}


def read(tracking_uri: str, pair: str, environ: Mapping[str, str]) -> Held | None:
    """What the registry says of the pair, None where only MLflow's client can ask it; nothing is written.

    Raises RegistryError as `registry.connect` does.
    """
    if path := sqlite_file(tracking_uri):
        return _of_database(path, pair)
    if is_server(tracking_uri) and not _needs_client(tracking_uri, environ):
        server = _Server.at(tracking_uri, environ)
        note = server_note(server.address, *server.version())
        return Held(by_alias(server.aliases(pair), pair), note)
    return None


def _needs_client(uri: str, environ: Mapping[str, str]) -> bool:
    names = (*CLIENT_LOGINS, *CLIENT_TRUST) if urlsplit(uri).scheme == "https" else CLIENT_LOGINS
    return any(environ.get(name) for name in names) or (Path.home() / CREDENTIALS_FILE).exists()


def _of_database(path: Path, pair: str) -> Held:
    try:
        there = path.exists()
    except OSError as error:  # its folder is not to be entered
        raise no_database(path, error.strerror or "") from error
    if not there:
        return Held({}, f"there is no database {path} yet; python -m training run makes it")
    with database(path, "ro") as opened:
        rows = opened.execute("SELECT name, alias, version FROM registered_model_aliases").fetchall()
    return Held(by_alias(rows, pair), None)


@dataclass(frozen=True)
class _Server:
    """A server without the login in its address, which messages may show; `headers` have it."""

    address: str
    headers: Mapping[str, str]

    @classmethod
    def at(cls, uri: str, environ: Mapping[str, str]) -> "_Server":
        """As MLflow's client: user name and password are in the environment, or in the address."""
        parts = urlsplit(uri)
        username = environ.get("MLFLOW_TRACKING_USERNAME") or unquote(parts.username or "")
        password = environ.get("MLFLOW_TRACKING_PASSWORD") or unquote(parts.password or "")
        login = base64.b64encode(f"{username}:{password}".encode()).decode()
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        return cls(address, {"Authorization": f"Basic {login}"} if username else {})

    def version(self) -> tuple[int, str]:
        answer = self._get("/version")
        return answer.status, answer.body.decode(errors="replace")

    def aliases(self, pair: str) -> Iterator[tuple[str, str, int]]:
        """Model, alias and version, of every model whose name begins with the pair."""
        query = {"filter": f"name LIKE '{pair}%'", "max_results": str(PAGE)}
        token = ""
        while True:
            page = self._page(query | ({"page_token": token} if token else {}))
            for model in _objects(page, "registered_models"):
                name = model.text("name")
                yield from ((name, row.text("alias"), _whole(row)) for row in _objects(model, "aliases"))
            token = str(page.members.get("next_page_token") or "")
            if not token:
                return

    def _page(self, query: Mapping[str, str]) -> Reader:
        answer = self._get(f"/api/2.0/mlflow/registered-models/search?{urlencode(query)}")
        check_admission(self.address, answer.status)
        if answer.status != 200:
            raise RegistryError(
                f"MLFLOW_TRACKING_URI: {self.address} answers {answer.status}; look into the MLflow server's log"
            )
        return Reader(fields.json_object(answer.body, "MLflow's answer"), "MLflow's answer")

    def _get(self, path: str) -> HttpResponse:
        try:
            return send_request(Request(f"{self.address}{path}", headers=dict(self.headers)), TIMEOUT_S, MAX_BYTES)
        except Unavailable as error:
            raise no_answer(self.address) from error


def _objects(found: Reader, name: str) -> list[Reader]:
    """MLflow leaves empty lists away."""
    return found.objects(name) if found.members.get(name) else []


def _whole(row: Reader) -> int:
    number = row.label("version")
    if not number.isdecimal():
        raise ContractError(f"MLflow's answer: {number[:20]!r} is no version of a model")
    return int(number)
