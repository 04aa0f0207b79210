"""The MLflow registry: versions of a pair's models, the aliases that rank them and the ONNX bytes that they hold."""

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from sqlalchemy.exc import SQLAlchemyError

from lambda_fn.settings import redact_url
from training.export.candidate import Registered
from training.publishing import tracking_uri as address
from training.publishing.aliases import ALIASES, by_alias
from training.publishing.tracking_uri import RegistryError, follow

MODEL_FILE = "model.onnx"  # where mlflow.onnx puts the model among a version's files
SHA256_TAG = "sha256"
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")
_CHATTY = ("alembic", "mlflow.store.db.utils")  # a line for each of some sixty migrations of a new database


@dataclass(frozen=True)
class Registry:
    """A tracking server or database that answers; `note` says what is worth knowing about it."""

    client: MlflowClient
    tracking_uri: str
    note: str | None = None


def connect(tracking_uri: str) -> Registry:
    """Opens the registry, creating a SQLite database on first use; raises RegistryError with the cure.

    MLflow keeps one tracking address for the process (`models:/` addresses go there), and this sets it.
    """
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    note = server_note(tracking_uri) if address.is_server(tracking_uri) else None
    if database := address.sqlite_file(tracking_uri):
        address.check_database(database)
        if moved := follow(database):
            note = f"the registry was moved: {moved} addresses of its files are those beside {database} now"
    mlflow.set_tracking_uri(tracking_uri)
    try:
        client = MlflowClient(tracking_uri)
        client.search_experiments(max_results=1)
    except MlflowException as error:
        status = error.get_http_status_code()  # type: ignore[no-untyped-call]
        address.check_admission(tracking_uri, status, error)  # MLflow tells its version to anybody
        raise _unusable(tracking_uri, error) from error
    except (SQLAlchemyError, ImportError) as error:  # such as a database that refuses us, or without its driver here
        raise _unusable(tracking_uri, error) from error
    return Registry(client, tracking_uri, note)


def _unusable(tracking_uri: str, error: Exception) -> RegistryError:
    reason = str(error).partition("\n")[0]
    return RegistryError(f"MLFLOW_TRACKING_URI: {redact_url(tracking_uri)} cannot be used: {reason}")


def models(registry: Registry, pair: str) -> list[RegisteredModel]:
    """The registered models of a pair."""
    found: list[RegisteredModel] = []
    token: str | None = ""
    while token is not None:
        page = registry.client.search_registered_models(
            f"name LIKE '{pair}%'", max_results=100, page_token=token or None
        )
        found += [model for model in page if model.name.startswith(f"{pair}_")]
        token = page.token or None
    return found


def versions(registry: Registry, name: str) -> Iterator[ModelVersion]:
    """Every version of one registered model, newest first."""
    token: str | None = ""
    while token is not None:
        page = registry.client.search_model_versions(
            f"name = '{name}'",
            max_results=100,
            order_by=["version_number DESC"],
            page_token=token or None,
        )
        yield from page
        token = page.token or None


def set_aliases(registry: Registry, ranking: Sequence[Registered]) -> None:
    """Gives champion, challenger and candidate to the first three, each alias on one model of the pair only.

    An alias is first set and then taken from the pair's other models: killed in between, two models hold it but never
    none, and setting it again takes the surplus away.
    """
    for alias, version in zip(ALIASES, ranking, strict=False):
        set_alias(registry, alias, version)


def set_alias(registry: Registry, alias: str, version: Registered) -> None:
    """Moves one alias to this version, which loses its others, in the order that `set_aliases` explains."""
    registry.client.set_registered_model_alias(version.name, alias, str(version.version))
    for model in models(registry, version.name.partition("_")[0]):
        for other, number in model.aliases.items():
            elsewhere = other == alias and model.name != version.name
            twice = other in ALIASES and other != alias and (model.name, int(number)) == (version.name, version.version)
            if elsewhere or twice:
                registry.client.delete_registered_model_alias(model.name, other)


def ranked(registry: Registry, first: Registered) -> list[Registered]:
    """A version and, behind it, those that hold the pair's aliases now, in their order: who was champion becomes the
    challenger of one that a person chose. Raises RegistryError."""
    holders = held(registry, first.name.partition("_")[0])
    others = [Registered(*holders[alias], "", "") for alias in ALIASES if alias in holders]
    return [first, *(one for one in others if (one.name, one.version) != (first.name, first.version))]


def held(registry: Registry, pair: str) -> dict[str, tuple[str, int]]:
    """Name and version that hold each alias of the pair; raises RegistryError when the registry does not answer."""
    try:
        found = models(registry, pair)
    except MlflowException as error:
        raise RegistryError(str(error)) from error
    return by_alias(
        ((model.name, alias, int(model.aliases[alias])) for model in found for alias in model.aliases), pair
    )


def holder(registry: Registry, pair: str, alias: str) -> tuple[str, int] | None:
    """Name and version that hold an alias of the pair; the first by name when a kill left two, None when none."""
    return held(registry, pair).get(alias)


def find(registry: Registry, uri: str) -> Registered:
    """The version that models:/NAME/3 or models:/NAME@champion names; raises RegistryError when there is none."""
    named = _URI.fullmatch(uri)
    if named is None:
        raise RegistryError(f"{uri}: not a model's address; write models:/NAME/3 or models:/NAME@challenger")
    name, alias, version = named["name"], named["alias"], named["version"]
    try:
        found = (
            registry.client.get_model_version_by_alias(name, alias)
            if alias
            else registry.client.get_model_version(name, version)
        )
    except MlflowException as error:
        raise RegistryError(
            f"{uri}: {redact_url(registry.tracking_uri)} has no such version; "
            "`python -m training status` lists what there is"
        ) from error
    return Registered(name, int(found.version), found.run_id or "", found.tags.get(SHA256_TAG, ""))


def download(registry: Registry, version: Registered) -> bytes:
    """The ONNX file of a version, exactly the bytes that were exported; raises RegistryError when it has none.

    MLflow reads the exported bytes and writes them anew. That gives the same bytes (`experiment.log_run` checks it),
    so the registered model is the exported file, and the version's tag `sha256` lets any reader check.
    """
    try:
        folder = registry.client.get_model_version_download_uri(version.name, str(version.version))
        # Listed first: an older server answers 500 for a file that is not there, and the client retries for minutes.
        there = list_artifacts(artifact_uri=folder, tracking_uri=registry.tracking_uri)
        if MODEL_FILE not in {PurePosixPath(file.path).name for file in there}:
            raise FileNotFoundError(MODEL_FILE)
        with TemporaryDirectory() as temporary:
            path = download_artifacts(
                artifact_uri=f"{folder}/{MODEL_FILE}", dst_path=temporary, tracking_uri=registry.tracking_uri
            )
            data = Path(path).read_bytes()
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"{version.uri} holds no {MODEL_FILE}: it is no champion of this project (or its files are gone); "
            "train it again with `python -m training run`"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if version.sha256 and found != version.sha256:
        raise RegistryError(
            f"{version.uri}: its {MODEL_FILE} has sha256 {found}, its tag says {version.sha256}; "
            "the file was changed: train again and publish the new version"
        )
    return data


def server_note(uri: str) -> str | None:
    """A note when the server's version is not the client's; raises RegistryError when it is not to be used."""
    try:
        credentials = get_default_host_creds(uri)  # type: ignore[no-untyped-call]
        answer = http_request(  # type: ignore[no-untyped-call]
            credentials, "/version", "GET", max_retries=1, timeout=10
        )
    except MlflowException as error:
        raise address.no_answer(uri) from error
    return address.server_note(uri, answer.status_code, answer.text)
