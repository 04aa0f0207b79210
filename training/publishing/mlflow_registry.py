"""The MLflow registry: versions of a pair's models, the aliases that rank them, and their ONNX files.

Only this module and `mlflow_runs` talk to MLflow, by its client, and only MLflow itself writes its tables.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from lambda_fn.champion.candidate import FILE as CANDIDATE_FILE
from lambda_fn.settings import redact_url
from training.export.candidate import Candidate, Registered
from training.publishing import mlflow_access as access
from training.publishing.mlflow_access import ALIASES, RegistryError, find_moved, group_by_alias

MODEL_FILE = "model.onnx"  # the name that mlflow.onnx gives to the model file of a version
SHA256_TAG = "sha256"
EXPERIMENTS = "_Experiments"  # follows the pair in the name of its experiment
REQUIREMENTS = ["onnx", "onnxruntime", "numpy"]  # stock MLflow needs these to load one; inferring them takes a minute
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")
_LOGGED_MODEL = re.compile(r"models:/(m-[^/@]+)/?")
_NOISY_LOGGERS = ("alembic", "mlflow.store.db.utils")  # they log each of some sixty migrations of a new database
_MISSING_CODES = ("RESOURCE_DOES_NOT_EXIST", "INVALID_STATE")  # unknown, or an experiment that is deleted already


@dataclass(frozen=True)
class Registry:
    """A connected tracking server or database; `note` is a message for the user, if there is one."""

    client: MlflowClient
    tracking_uri: str
    note: str | None = None


def connect(tracking_uri: str) -> Registry:
    """Connect to the registry; create a SQLite database on first use. Raises RegistryError.

    This sets MLflow's tracking address, of which a process has one (`models:/` addresses use it).
    """
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    note = check_server(tracking_uri) if access.is_server(tracking_uri) else None
    if database := access.sqlite_file(tracking_uri):
        access.check_database(database)
    mlflow.set_tracking_uri(tracking_uri)
    try:
        client = MlflowClient(tracking_uri)
        experiments = client.search_experiments(filter_string=f"name LIKE '%{EXPERIMENTS}'")
    except (MlflowException, SQLAlchemyError, ImportError) as error:  # the last two: no access to a database, no driver
        if isinstance(error, MlflowException):
            status = error.get_http_status_code()  # type: ignore[no-untyped-call]
            access.check_admission(tracking_uri, status, error)  # /version needs no login, so it was not checked yet
        reason = str(error).partition("\n")[0]
        raise RegistryError(f"MLFLOW_TRACKING_URI: {redact_url(tracking_uri)} cannot be used: {reason}") from error
    for experiment in experiments:
        if moved := find_moved(tracking_uri, experiment.artifact_location):
            old, new = (Path(unquote(urlsplit(uri).path)) for uri in (experiment.artifact_location, moved))
            was_moved = not old.is_dir()
            note = (
                f"the registry was {'moved' if was_moved else 'copied'}: its files are read from {new} now, and the "
                "next run starts a new experiment there"
            )
            if was_moved:
                link = f"mkdir -p {quote(str(old.parent))} && ln -s {quote(str(new))} {quote(str(old))}"
                note += f"; to see the files of earlier runs on MLflow's page too, link them: {link}"
    return Registry(client, tracking_uri, note)


def pages(search: Callable[..., Any], *args: Any, **options: Any) -> Iterator[Any]:
    """Yield the results of a search of MLflow's client, from all of its pages."""
    token: str | None = ""
    while token is not None:
        page = search(*args, **options, page_token=token or None)
        yield from page
        token = page.token or None


def list_models(registry: Registry, pair: str) -> list[RegisteredModel]:
    """Return the registered models of a pair."""
    models = pages(registry.client.search_registered_models, f"name LIKE '{pair}%'", max_results=100)
    return [model for model in models if model.name.startswith(f"{pair}_")]


def list_versions(registry: Registry, name: str) -> Iterator[ModelVersion]:
    """Yield every version of a registered model, the latest first."""
    order = ["version_number DESC"]
    return pages(registry.client.search_model_versions, f"name = '{name}'", max_results=100, order_by=order)


def set_aliases(registry: Registry, ranking: Sequence[Registered]) -> None:
    """Give the aliases champion, challenger and candidate to the first three, each to one model of the pair only.

    An alias is set first and then removed from the pair's other models. An interruption in between leaves it on two
    models but never on none, and setting it again removes the extra one.
    """
    for alias, version in zip(ALIASES, ranking, strict=False):
        set_alias(registry, alias, version)


def set_alias(registry: Registry, alias: str, version: Registered) -> None:
    """Move an alias to this version, and remove the version's other aliases; see `set_aliases` for the order."""
    registry.client.set_registered_model_alias(version.name, alias, str(version.version))
    for model in list_models(registry, version.name.partition("_")[0]):
        for other, number in model.aliases.items():
            is_this_version = (model.name, int(number)) == (version.name, version.version)
            is_old_holder = other == alias and model.name != version.name
            is_old_alias = other in ALIASES and other != alias and is_this_version
            if is_old_holder or is_old_alias:
                registry.client.delete_registered_model_alias(model.name, other)


def rank_first(registry: Registry, first: Registered) -> list[Registered]:
    """Return a version, and behind it the versions that hold the pair's aliases now, in their order.

    So the champion becomes the challenger of a version that a person chose. Raises RegistryError.
    """
    holders = alias_holders(registry, first.name.partition("_")[0])
    others = [Registered(*holders[alias], "", "") for alias in ALIASES if alias in holders]
    return [first, *(other for other in others if (other.name, other.version) != (first.name, first.version))]


def alias_holders(registry: Registry, pair: str) -> dict[str, tuple[str, int]]:
    """Return the (name, version) that holds each alias of the pair. Raises RegistryError without an answer."""
    try:
        models = list_models(registry, pair)
    except MlflowException as error:
        raise RegistryError(str(error)) from error
    rows = ((model.name, alias, int(model.aliases[alias])) for model in models for alias in model.aliases)
    return group_by_alias(rows, pair)


def alias_holder(registry: Registry, pair: str, alias: str) -> tuple[str, int] | None:
    """Return the (name, version) that holds an alias of the pair, or None.

    When an interrupted process has left the alias on two models, the first by name counts.
    """
    return alias_holders(registry, pair).get(alias)


def find_version(registry: Registry, uri: str) -> Registered:
    """Return the version at models:/NAME/3 or models:/NAME@champion. Raises RegistryError when there is none."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise RegistryError(f"{uri}: not a model address; write models:/NAME/3 or models:/NAME@challenger")
    name, alias, version = match["name"], match["alias"], match["version"]
    try:
        found_version = (
            registry.client.get_model_version_by_alias(name, alias)
            if alias
            else registry.client.get_model_version(name, version)
        )
    except MlflowException as error:
        raise RegistryError(
            f"{uri}: {redact_url(registry.tracking_uri)} has no such version; `eurusd status` lists the aliases"
        ) from error
    sha256 = found_version.tags.get(SHA256_TAG, "")
    return Registered(name, int(found_version.version), found_version.run_id or "", sha256)


def download(registry: Registry, version: Registered) -> bytes:
    """Return the ONNX file of a version, exactly the bytes that were exported. Raises RegistryError if it has none.

    MLflow parses the exported bytes and serialises them again. That gives the same bytes (`log_model` checks it), so
    the registered model is the exported file, and every reader can check it by the tag `sha256` of the version.
    """
    try:
        folder = registry.client.get_model_version_download_uri(version.name, str(version.version))
        folder = find_moved(registry.tracking_uri, folder) or folder
        # Listed first: an older server answers 500 for a missing file, and the client retries for minutes.
        files = list_artifacts(artifact_uri=folder, tracking_uri=registry.tracking_uri)
        if MODEL_FILE not in {PurePosixPath(file.path).name for file in files}:
            raise FileNotFoundError(MODEL_FILE)
        with TemporaryDirectory() as temporary:
            path = download_artifacts(
                artifact_uri=f"{folder}/{MODEL_FILE}", dst_path=temporary, tracking_uri=registry.tracking_uri
            )
            data = Path(path).read_bytes()
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"{version.uri} holds no {MODEL_FILE}: it is not a champion of this project, or its files were deleted; "
            "train it again with `eurusd run`"
        ) from error
    sha256 = hashlib.sha256(data).hexdigest()
    if version.sha256 and sha256 != version.sha256:
        raise RegistryError(
            f"{version.uri}: {MODEL_FILE} was changed: its sha256 is {sha256}, the tag says {version.sha256}; "
            "train again and publish the new version"
        )
    return data


def find_registered(registry: Registry, candidate: Candidate) -> Registered | None:
    """Return the latest version with exactly the file of the candidate, or None."""
    for version in list_versions(registry, candidate.name):
        if version.tags.get(SHA256_TAG) == candidate.sha256:
            registered = Registered(candidate.name, int(version.version), version.run_id or "", candidate.sha256)
            try:
                download(registry, registered)
            except RegistryError:
                continue  # its file was deleted or changed, so the candidate is registered again
            return registered
    return None


def log_model(candidate: Candidate, example: Mapping[str, NDArray[Any]] | None) -> str:
    """Log the ONNX file under the active run; return the id of the logged model.

    Raises RegistryError if MLflow, which parses the file and serialises it again, would change its bytes.
    """
    import onnx

    proto = onnx.load_model_from_string(candidate.model)
    if proto.SerializeToString() != candidate.model:
        raise RegistryError(
            f"{candidate.name}: MLflow would change the bytes of the exported file; export the model with "
            "ModelProto.SerializeToString()"
        )
    metadata, price = candidate.metadata, np.dtype(np.float64)
    types = {onnx.TensorProto.DOUBLE: price, onnx.TensorProto.INT64: np.dtype(np.int64)}
    length, declared = {"target_date": metadata.horizon}, {value.name for value in proto.graph.output}
    inputs: list[ColSpec | TensorSpec] = [  # -1: any number of windows
        TensorSpec(types[value.type.tensor_type.elem_type], (-1, length.get(value.name, metadata.window)), value.name)
        for value in proto.graph.input
    ]
    outputs: list[ColSpec | TensorSpec] = [
        TensorSpec(price, (-1, metadata.horizon, len(metadata.levels)), "quantiles"),
        *(TensorSpec(price, (-1, metadata.horizon), name) for name in ("mean", "sd") if name in declared),
    ]
    logged = mlflow.onnx.log_model(
        proto,
        name=candidate.family,
        save_as_external_data=False,
        pip_requirements=REQUIREMENTS,
        onnx_execution_providers=["CPUExecutionProvider"],
        signature=ModelSignature(Schema(inputs), Schema(outputs)),
        input_example=dict(example) if example else None,
        tags={SHA256_TAG: candidate.sha256},
    )
    return str(logged.model_id)


def log_candidate(registry: Registry, version: Registered, data: bytes) -> None:
    """Log the candidate of a version beside its model. Raises RegistryError.

    A version of the same file keeps its number when it is trained again; its candidate then gets the newer scores.
    """
    try:
        source = registry.client.get_model_version(version.name, str(version.version)).source or ""
        logged = _LOGGED_MODEL.fullmatch(source)  # MLflow's own registry does not keep model_id
        if logged is None:
            return  # registered by another tool from files that are not a logged model
        with TemporaryDirectory() as temporary:
            path = Path(temporary, CANDIDATE_FILE)
            path.write_bytes(data)
            registry.client.log_model_artifact(logged[1], str(path))
    except MlflowException as error:
        raise RegistryError(f"{version.uri}: its {CANDIDATE_FILE} cannot be logged: {error}") from error


def register(
    registry: Registry, run_id: str, candidate: Candidate, model_id: str, card: str, tags: Mapping[str, str]
) -> Registered:
    """Create a version.

    Args:
        registry: The registry.
        run_id: The run that logged the model.
        candidate: The model.
        model_id: The id of the logged model.
        card: The model card, which becomes the description.
        tags: Further tags of the version.
    """
    meta = candidate.metadata
    try:
        registry.client.create_registered_model(
            candidate.name,
            description=f"{meta.pair} by {candidate.family}. Each version is a champion file; its description is the "
            "model card.",
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = registry.client.create_model_version(
        candidate.name,
        f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        description=card,
        tags={
            SHA256_TAG: candidate.sha256,
            "family": candidate.family,
            "trained_through": meta.trained_through.isoformat(),
            **tags,
        },
    )
    return Registered(candidate.name, int(version.version), run_id, candidate.sha256)


def delete_if_exists(delete: Callable[..., None], *args: str) -> None:
    """Call a method of MLflow's client that deletes; a missing object is no error."""
    try:
        delete(*args)
    except MlflowException as error:
        if error.error_code not in _MISSING_CODES:
            raise


def check_server(uri: str) -> str | None:
    """Return a note if the server's version differs from the client's. Raises RegistryError if it cannot be used."""
    try:
        credentials = get_default_host_creds(uri)  # type: ignore[no-untyped-call]
        response = http_request(  # type: ignore[no-untyped-call]
            credentials, "/version", "GET", max_retries=1, timeout=10
        )
    except MlflowException as error:
        raise access.unreachable_error(uri) from error
    return access.check_version(uri, response.status_code, response.text)
