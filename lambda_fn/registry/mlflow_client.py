"""A registered model's version and its ONNX file from an MLflow server over REST, without the mlflow package.

Three GETs: the version (by alias or number), the address of its files, its model.onnx. The routes are MLflow's REST
API 2.0 and its artifact proxy, the same in 3.7.0 and 3.17.2. Model files are under
<experiment>/models/m-<id>/artifacts there, an address that only the server knows.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode
from urllib.request import Request

from lambda_fn import fields
from lambda_fn.contract import CONTRACT_VERSION, MAX_MODEL_BYTES
from lambda_fn.fields import ContractError, Reader
from lambda_fn.registry.mlflow_access import cure_of, split
from lambda_fn.settings import BUCKET, Settings, redact_url
from lambda_fn.store.http_client import HttpResponse, send_request
from lambda_fn.store.object_store import Missing, Unavailable
from lambda_fn.store.s3 import open_store

MODEL_FILE = "model.onnx"  # where mlflow.onnx puts the model among a version's files
SHA256_TAG = "sha256"  # of a version that this project's training registered
TIMEOUT_S = 5.0
FILE_TIMEOUT_S = 20.0  # the server may fetch the file from a bucket first
MAX_JSON_BYTES = 2**20
CURE = (
    "publish a version that `python -m training run` made: python -m training publish models:/NAME/3 "
    "or models:/NAME@challenger"
)
_NOT_MLFLOW = (
    "correct the address: this is no MLflow server, or not its path, or a login before it. GET /version below the "
    "address gives MLflow's version"
)
_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")


class Version(NamedTuple):
    """A version of a registered model; `sha256` is that of its model.onnx where a tag says so."""

    name: str
    number: str
    run_id: str | None
    created_at: datetime
    sha256: str | None

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.number}"


class NoModel(ContractError):
    """The version holds no model.onnx of this contract."""

    def __init__(self, version: Version, reason: str) -> None:
        super().__init__(f"{version.uri} holds no {MODEL_FILE} of contract {CONTRACT_VERSION}: {reason}; {CURE}")


@dataclass(frozen=True)
class MlflowServer:
    """`address` is without user name and password; `authorization` is the header that has them, None for none; `tls` is
    what is trusted, None for the system's certificates.

    Every method raises Unavailable when the server fails or wants another login, and ContractError with the cure when
    it has no such thing.
    """

    address: str
    authorization: str | None = field(repr=False)
    tls: ssl.SSLContext | None = None

    def version(self, model_uri: str) -> Version:
        """The version that models:/NAME@alias or models:/NAME/3 means now."""
        named = _URI.fullmatch(model_uri)
        if named is None:
            raise ContractError(
                f"{model_uri}: names no version by number or alias (a stage such as Production is none); {CURE}"
            )
        by = "alias" if named["alias"] else "version"
        route = "registered-models/alias" if named["alias"] else "model-versions/get"
        answer = self._found(route, {"name": named["name"], by: named[by]}, model_uri)
        if "model_version" not in answer.found:
            raise Unavailable(f"MLFLOW_TRACKING_URI: {self.address} answers 200 without a model_version; {_NOT_MLFLOW}")
        found = answer.object("model_version")
        tags = found.objects("tags") if found.found.get("tags") else []
        sha256 = [tag.text("value") for tag in tags if tag.found.get("key") == SHA256_TAG]
        created_ms = found.whole("creation_timestamp", 0, 10**14)
        return Version(
            named["name"],
            found.label("version"),
            found.text("run_id") if found.found.get("run_id") else None,
            datetime.fromtimestamp(created_ms / 1000, UTC),
            sha256[0] if sha256 else None,
        )

    def model(self, version: Version, settings: Settings) -> bytes:
        """The bytes of the version's model.onnx, from the server or, when its files are at an s3:// address, from
        there with this process's own rights. Of a file over the limit one byte more than the limit."""
        query = {"name": version.name, "version": version.number}
        uri = self._found("model-versions/get-download-uri", query, version.uri).text("artifact_uri")
        parts = split(uri)
        if parts.scheme == "mlflow-artifacts":
            return self._elsewhere(parts.netloc.rpartition("@")[2], parts.path.strip("/"), version)
        if parts.scheme == "s3" and parts.netloc:
            return _from_bucket(settings, parts.netloc, parts.path.strip("/"), version)
        raise ContractError(
            f"{version.uri}: its files are at {uri}, which cannot be read from here; start the MLflow server with "
            f"--artifacts-destination, or publish it with: python -m training publish {version.uri}"
        )

    def _elsewhere(self, netloc: str, folder: str, version: Version) -> bytes:
        """The address of files may name another server, with the same prefix; it does not get the login."""
        own = split(self.address)
        if netloc in ("", own.netloc):
            return self._served(folder, version)
        try:
            return MlflowServer(own._replace(netloc=netloc).geturl(), None, self.tls)._served(folder, version)
        except Unavailable as error:
            raise Unavailable(
                f"{version.uri}: its files are at {netloc}, which the registry named when they were "
                f"logged: {error}; if the server has moved, let that name lead to it, or log the version again at "
                f"{self.address}"
            ) from error

    def _served(self, folder: str, version: Version) -> bytes:
        path = f"{_ARTIFACTS}/{quote(f'{folder}/{MODEL_FILE}')}"
        answer = self._get(path, {}, FILE_TIMEOUT_S, MAX_MODEL_BYTES + 1)
        if answer.status == 200 and answer.body.lstrip()[:1] == b"<":  # no ONNX file begins so
            raise self._failed(answer)
        if answer.status == 200:
            return answer.body
        # for a file that is not there some versions answer 500: so ask what is there
        listed = self._get(_ARTIFACTS, {"path": folder}, TIMEOUT_S, MAX_JSON_BYTES)
        read = _json(listed)
        if listed.status == 200 and read:
            files = read.objects("files") if read.found.get("files") else []
            names = [file.text("path") for file in files]
            if MODEL_FILE not in names:
                raise NoModel(version, f"it has {', '.join(names[:8]) or 'no files'}")
        raise self._failed(answer)

    def _found(self, route: str, query: Mapping[str, str], uri: str) -> Reader:
        """The JSON of an answer of the registry."""
        answer = self._get(f"{_API}/{route}", query, TIMEOUT_S, MAX_JSON_BYTES)
        read = _json(answer)
        if answer.status == 200 and read:
            return read
        if answer.status in (400, 404) and read and "error_code" in read.found:
            raise ContractError(f"{uri}: {self.address} has no such version{_said(answer)}; {CURE}")
        raise self._failed(answer)

    def _get(self, path: str, query: Mapping[str, str], timeout_s: float, max_bytes: int) -> HttpResponse:
        asked = f"?{urlencode(query)}" if query else ""
        headers = {"Authorization": self.authorization} if self.authorization else {}
        request = Request(f"{self.address}{path}{asked}", headers=headers)
        try:
            answer = send_request(request, timeout_s, max_bytes, tls=self.tls)
        except Unavailable as error:
            raise Unavailable(f"MLFLOW_TRACKING_URI: {error}; {cure_of(error, self.address)}") from error
        if answer.status in (401, 403):
            raise Unavailable(
                f"MLFLOW_TRACKING_URI: {self.address} answers {answer.status}{_said(answer)}; put user name and "
                "password into the secret that MLFLOW_SECRET_ARN names, set MLFLOW_TRACKING_TOKEN if it takes a token, "
                "or add this host to its --allowed-hosts"
            )
        return answer

    def _failed(self, answer: HttpResponse) -> Unavailable:
        cure = "correct the address, or look into the MLflow server's log"
        if 300 <= answer.status < 400 and answer.location:
            where = redact_url(answer.location).partition(_API)[0].partition(_ARTIFACTS)[0]
            cure = f"it redirects to {where[:200]}: set MLFLOW_TRACKING_URI to that, unless it is a login"
        elif answer.status in (200, 404, 405) and _json(answer) is None:
            cure = _NOT_MLFLOW
        return Unavailable(f"MLFLOW_TRACKING_URI: {self.address} answers {answer.status}{_said(answer)}; {cure}")


def _from_bucket(settings: Settings, bucket: str, folder: str, version: Version) -> bytes:
    if not BUCKET.fullmatch(bucket):
        raise ContractError(
            f"{version.uri}: its files are at s3://{bucket[:80]}, which is not the name of a bucket; {CURE}"
        )
    store = open_store(settings._replace(use_s3=True, s3_bucket=bucket))
    try:
        return store.head(f"{folder}/{MODEL_FILE}", MAX_MODEL_BYTES + 1).data
    except Missing as error:
        raise NoModel(version, str(error)) from error
    except Unavailable as error:
        raise Unavailable(
            f"{version.uri}: {error}; allow this role s3:GetObject there, or publish it with: "
            f"python -m training publish {version.uri}"
        ) from error


def _json(answer: HttpResponse) -> Reader | None:
    where = "MLflow's answer"
    try:
        return Reader(fields.json_object(answer.body, where), where)
    except ContractError:
        return None


def _said(answer: HttpResponse) -> str:
    """MLflow's own message or the first line of a plain text, in brackets."""
    read = _json(answer)
    text = str(read.found.get("message", "")) if read else answer.body[:200].decode("utf-8", "replace")
    line = text.strip().partition("\n")[0][:200]
    return f" ({line})" if line and not line.startswith("<") else ""
