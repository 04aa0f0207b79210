"""Read versions, aliases and files of an MLflow server over REST, and mark versions there, without the mlflow package.

A version takes three GETs: itself (by alias or number), the address of its files, its model.onnx. The routes are those
of MLflow's REST API 2.0 and its artifact proxy, the same in 3.7.0 and 3.17.2.
"""

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode
from urllib.request import Request

from lambda_fn import fields
from lambda_fn.contract import CONTRACT_VERSION, MAX_MODEL_BYTES
from lambda_fn.fields import ContractError
from lambda_fn.registry.mlflow_access import split_url, suggest_cure
from lambda_fn.settings import BUCKET, Settings, redact_url
from lambda_fn.store import schema
from lambda_fn.store.http_client import HttpResponse, send_request
from lambda_fn.store.object_store import Missing, Unavailable
from lambda_fn.store.s3 import open_store

MODEL_FILE = "model.onnx"  # the path of the model among the files of a version, as mlflow.onnx writes it
SHA256_TAG = "sha256"  # a tag of the versions that this project's training registers
TIMEOUT_S = 5.0
FILE_TIMEOUT_S = 20.0  # longer, because the server may first fetch the file from a bucket
MAX_JSON_BYTES = 2**20
MAX_LIST_BYTES, PAGE_SIZE, MAX_PAGES = 2**23, 100, 20  # models have the tags of their latest versions
CURE = "publish a version that `eurusd run` made: eurusd publish models:/NAME/3 or models:/NAME@challenger"
_NOT_MLFLOW = (
    "correct the address: this is not an MLflow server, or not its path, or a login page in front of it. GET /version "
    "below the address returns MLflow's version"
)
_RESPONSE = "MLflow's response"
_ANY_TEXT = schema.text("(?s).*", "a string")
_TAG = schema.object_of({}, {"key": _ANY_TEXT, "value": _ANY_TEXT})
_VERSION = schema.object_of(
    {"version": schema.parse_label, "creation_timestamp": schema.whole(0, 10**14)},
    {"run_id": _ANY_TEXT, "tags": schema.list_of(_TAG, allow_empty=True)},
)
_FILES = schema.object_of({}, {"files": schema.list_of(schema.object_of({"path": schema.TEXT}), allow_empty=True)})
_ALIASES = schema.list_of(schema.object_of({"alias": schema.TEXT, "version": schema.parse_label}), allow_empty=True)
_MODEL = schema.object_of({"name": schema.TEXT}, {"aliases": _ALIASES})
_MODELS = schema.object_of(  # MLflow omits what is empty
    {}, {"registered_models": schema.list_of(_MODEL, allow_empty=True), "next_page_token": _ANY_TEXT}
)
_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")


class Version(NamedTuple):
    """A version of a registered model; `sha256` is that of its model.onnx, if a tag has it."""

    name: str
    number: str
    run_id: str | None
    created_at: datetime
    sha256: str | None

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.number}"


class Alias(NamedTuple):
    """A version of a registered model that has an alias."""

    alias: str
    name: str
    number: str

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.number}"


class UnusableModel(ContractError):
    """The version has no model.onnx of this contract."""

    def __init__(self, version: Version, reason: str) -> None:
        super().__init__(f"{version.uri}: has no {MODEL_FILE} of contract {CONTRACT_VERSION}: {reason}; {CURE}")


class NoSuchFile(ContractError):
    """The version has other files only; the message lists them."""


@dataclass(frozen=True)
class MlflowServer:
    """A client of an MLflow server.

    `address` has no login; `authorization` is the header with it, or None. `tls` has the certificates, None: system's.

    Every method raises Unavailable when the server fails or rejects the login, and ContractError with the cure when it
    does not have the requested object.
    """

    address: str
    authorization: str | None = field(repr=False)
    tls: ssl.SSLContext | None = None

    def version(self, model_uri: str) -> Version:
        """Return the version that models:/NAME@alias or models:/NAME/3 names now."""
        match = _URI.fullmatch(model_uri)
        if match is None:
            raise ContractError(
                f"{model_uri}: names no version by number or alias (stages such as Production are not supported); "
                f"{CURE}"
            )
        key = "alias" if match["alias"] else "version"
        route = "registered-models/alias" if match["alias"] else "model-versions/get"
        response = self._get_json(route, {"name": match["name"], key: match[key]}, model_uri)
        if "model_version" not in response:
            raise Unavailable(f"MLFLOW_TRACKING_URI: {self.address} answers 200 without a model_version; {_NOT_MLFLOW}")
        version = schema.parse_as(_VERSION, response["model_version"], f"{_RESPONSE}.model_version")
        sha256 = [tag.get("value") for tag in version.get("tags", ()) if tag.get("key") == SHA256_TAG]
        return Version(
            match["name"],
            version["version"],
            version.get("run_id") or None,
            datetime.fromtimestamp(version["creation_timestamp"] / 1000, UTC),
            sha256[0] if sha256 else None,
        )

    def aliases(self, pair: str) -> list[Alias]:
        """Return the aliases of all models of a pair."""
        query = {"filter": f"name LIKE '{pair}%'", "max_results": str(PAGE_SIZE)}
        rows: list[Alias] = []
        for _ in range(MAX_PAGES):
            response = self._get(f"{_API}/registered-models/search", query, TIMEOUT_S, MAX_LIST_BYTES)
            read = _parse(response)
            if response.status != 200 or read is None:
                raise self._error(response)
            page = schema.parse_as(_MODELS, read, _RESPONSE) if read else {}
            models = [model for model in page.get("registered_models", ()) if model["name"].startswith(f"{pair}_")]
            rows += [Alias(row["alias"], m["name"], row["version"]) for m in models for row in m.get("aliases", ())]
            query["page_token"] = page.get("next_page_token", "")
            if not query["page_token"]:
                break
        return rows

    def set_alias(self, alias: Alias) -> None:
        """Give the alias to the version, which takes it from the model's other versions."""
        body = {"name": alias.name, "alias": alias.alias, "version": alias.number}
        self._change("POST", "registered-models/alias", body)

    def delete_alias(self, alias: Alias) -> None:
        """Take the alias from the model."""
        self._change("DELETE", "registered-models/alias", {"name": alias.name, "alias": alias.alias})

    def set_tag(self, name: str, number: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        self._change("POST", "model-versions/set-tag", {"name": name, "version": number, "key": key, "value": value})

    def model(self, version: Version, settings: Settings) -> bytes:
        """Return the bytes of the version's model.onnx. Raises UnusableModel if there is none."""
        try:
            return self.file(version, settings, MODEL_FILE, MAX_MODEL_BYTES)
        except NoSuchFile as error:
            raise UnusableModel(version, str(error)) from error

    def file(self, version: Version, settings: Settings, file_name: str, max_bytes: int) -> bytes:
        """Return the bytes of a file of the version. Raises NoSuchFile.

        They come from the server or, if the files are at an s3:// address, from there with the rights of this process.

        Args:
            version: as the server described it.
            settings: of the store, for files in a bucket.
            file_name: path of the file in the version.
            max_bytes: a larger file is cut after one byte more, so that the caller can reject it.
        """
        path = _FilePath(version, file_name, max_bytes)
        query = {"name": version.name, "version": version.number}
        response = self._get_json("model-versions/get-download-uri", query, version.uri)
        uri = schema.parse_as(schema.object_of({"artifact_uri": schema.TEXT}), response, _RESPONSE)["artifact_uri"]
        parts = split_url(uri)
        if parts.scheme == "mlflow-artifacts":
            return self._download_from(parts.netloc.rpartition("@")[2], parts.path.strip("/"), path)
        if parts.scheme == "s3" and parts.netloc:
            return _read_bucket(settings, parts.netloc, parts.path.strip("/"), path)
        is_local = parts.scheme == "file" and split_url(self.address).hostname == "127.0.0.1"
        if is_local and Path(unquote(parts.path)).is_dir():
            return _read_folder(Path(unquote(parts.path)), path)  # training wrote them on this machine
        raise ContractError(
            f"{version.uri}: its files are at {uri}, which cannot be read from here; start the MLflow server with "
            f"--artifacts-destination, or publish it with: eurusd publish {version.uri}"
        )

    def _download_from(self, netloc: str, folder: str, path: "_FilePath") -> bytes:
        """Download a file. The address of files may name another server, which does not get the login."""
        parts = split_url(self.address)
        if netloc in ("", parts.netloc):
            return self._download(folder, path)
        try:
            return MlflowServer(parts._replace(netloc=netloc).geturl(), None, self.tls)._download(folder, path)
        except Unavailable as error:
            raise Unavailable(
                f"{path.version.uri}: its files are at {netloc}, the address when they were logged: {error}; if the "
                f"server has moved, make that name lead to it, or log the version again at {self.address}"
            ) from error

    def _download(self, folder: str, path: "_FilePath") -> bytes:
        url = f"{_ARTIFACTS}/{quote(f'{folder}/{path.file_name}')}"
        response = self._get(url, {}, FILE_TIMEOUT_S, path.max_bytes + 1)
        if response.status == 200 and response.body.lstrip()[:1] == b"<":  # HTML: no ONNX file starts like this
            raise self._error(response)
        if response.status == 200:
            return response.body
        # Some versions respond 500 for a missing file, so list the files.
        listing = self._get(_ARTIFACTS, {"path": folder}, TIMEOUT_S, MAX_JSON_BYTES)
        read = _parse(listing)
        if listing.status == 200 and read is not None:
            names = [file["path"] for file in schema.parse_as(_FILES, read, _RESPONSE).get("files", ())]
            if path.file_name not in names:
                raise NoSuchFile(f"it has {', '.join(names[:8]) or 'no files'}")
        raise self._error(response)

    def _get_json(self, route: str, query: Mapping[str, str], uri: str) -> dict[str, Any]:
        """Return the JSON of a response of the registry; `uri` names the requested model in errors."""
        response = self._get(f"{_API}/{route}", query, TIMEOUT_S, MAX_JSON_BYTES)
        read = _parse(response)
        if response.status == 200 and read is not None:
            return read
        if self._is_missing(response):
            raise ContractError(f"{uri}: {self.address} has no such version{_quote_message(response)}; {CURE}")
        raise self._error(response)

    def _is_missing(self, response: HttpResponse) -> bool:
        """Return whether MLflow itself says that it does not have the requested object."""
        return response.status in (400, 404) and "error_code" in (_parse(response) or {})

    def _change(self, method: str, route: str, body: Mapping[str, str]) -> None:
        """Send a request that changes the registry."""
        request = Request(f"{self.address}{_API}/{route}", json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        response = self._send(request, TIMEOUT_S, MAX_JSON_BYTES)
        if self._is_missing(response):
            raise ContractError(f"{route}: {self.address} cannot change it{_quote_message(response)}")
        if response.status != 200:
            raise self._error(response)

    def _get(self, path: str, query: Mapping[str, str], timeout_s: float, max_bytes: int) -> HttpResponse:
        """Send a GET, as `_send` does.

        Args:
            path: below the address.
            query: the parameters.
            timeout_s: for the whole response, in seconds.
            max_bytes: of the body; the rest is not read.
        """
        parameters = f"?{urlencode(query)}" if query else ""
        return self._send(Request(f"{self.address}{path}{parameters}"), timeout_s, max_bytes)

    def _send(self, request: Request, timeout_s: float, max_bytes: int) -> HttpResponse:
        """Send a request. Raises Unavailable without a response, and for one that rejects the login."""
        if self.authorization:
            request.add_header("Authorization", self.authorization)
        try:
            response = send_request(request, timeout_s, max_bytes, tls=self.tls)
        except Unavailable as error:
            raise Unavailable(f"MLFLOW_TRACKING_URI: {error}; {suggest_cure(error, self.address)}") from error
        if response.status in (401, 403):
            raise Unavailable(
                f"MLFLOW_TRACKING_URI: {self.address} answers {response.status}{_quote_message(response)}; put "
                "user name and password into the secret that MLFLOW_SECRET_ARN names, set MLFLOW_TRACKING_TOKEN to a "
                "token if it takes one, or add this host to its --allowed-hosts"
            )
        return response

    def _error(self, response: HttpResponse) -> Unavailable:
        """Return the error for an unexpected response, with its cure."""
        cure = "correct the address, or check the MLflow server's log"
        if 300 <= response.status < 400 and response.location:
            where = redact_url(response.location).partition(_API)[0].partition(_ARTIFACTS)[0]
            cure = f"it redirects to {where[:200]}: set MLFLOW_TRACKING_URI to that, unless it is a login page"
        elif response.status in (200, 404, 405) and _parse(response) is None:
            cure = _NOT_MLFLOW
        return Unavailable(
            f"MLFLOW_TRACKING_URI: {self.address} answers {response.status}{_quote_message(response)}; {cure}"
        )


class _FilePath(NamedTuple):
    """A file of a version, of which at most `max_bytes` and one more are read."""

    version: Version
    file_name: str
    max_bytes: int


def _read_folder(folder: Path, path: _FilePath) -> bytes:
    try:
        with (folder / path.file_name).open("rb") as file:
            return file.read(path.max_bytes + 1)
    except OSError as error:
        raise NoSuchFile(str(error)) from error


def _read_bucket(settings: Settings, bucket: str, folder: str, path: _FilePath) -> bytes:
    """Read a file from the bucket where the MLflow server keeps its files.

    Args:
        settings: of the store, whose credentials are used.
        bucket: the name from the address of the files.
        folder: the prefix of the version's files.
        path: the file.

    Raises ContractError and Unavailable.
    """
    version = path.version
    if not BUCKET.fullmatch(bucket):
        raise ContractError(
            f"{version.uri}: its files are at s3://{bucket[:80]}, which is not the name of a bucket; {CURE}"
        )
    store = open_store(settings._replace(use_s3=True, s3_bucket=bucket))
    try:
        return store.head(f"{folder}/{path.file_name}", path.max_bytes + 1).data
    except Missing as error:
        raise NoSuchFile(str(error)) from error
    except Unavailable as error:
        raise Unavailable(
            f"{version.uri}: {error}; allow this role s3:GetObject there, or publish it with: "
            f"eurusd publish {version.uri}"
        ) from error


def _parse(response: HttpResponse) -> dict[str, Any] | None:
    """Return the members of the response, or None if it is not a JSON object."""
    try:
        return fields.json_object(response.body, _RESPONSE)
    except ContractError:
        return None


def _quote_message(response: HttpResponse) -> str:
    """Return MLflow's own message, or the first line of a plain text, in brackets."""
    read = _parse(response)
    text = str(read.get("message", "")) if read is not None else response.body[:200].decode("utf-8", "replace")
    line = text.strip().partition("\n")[0][:200]
    return f" ({line})" if line and not line.startswith("<") else ""
