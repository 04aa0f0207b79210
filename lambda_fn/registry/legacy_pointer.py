"""A pointer of the old form: it names a registered model by its address, and MLflow has the champion."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from lambda_fn.champion.gate import read_metadata
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import ChampionFile, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.registry.mlflow_access import access, why_no_server
from lambda_fn.registry.mlflow_client import CURE, MlflowServer, NoModel
from lambda_fn.settings import Settings
from lambda_fn.store import keys


class Completed(NamedTuple):
    """A pointer with what is known of its champion, and the champion's bytes."""

    pointer: Pointer
    data: bytes


def complete(
    pointer: Pointer, settings: Settings, environ: Mapping[str, str], now: datetime, sandbox: Sandbox
) -> Completed:
    """The champion that the pointer's model_uri means now. Its scores stay empty and it has no golden forecasts.

    Raises ContractError with the cure when there is no such version or it holds no ONNX of this contract, and
    Unavailable when the MLflow server, the bucket or the secret cannot be read.
    """
    server = _server(pointer, settings, environ, now)
    if not pointer.model_uri.startswith((f"models:/{pointer.model_name}@", f"models:/{pointer.model_name}/")):
        raise ContractError(f"pointer.model_uri: {pointer.model_uri} is not of {pointer.model_name}; {CURE}")
    version = server.version(pointer.model_uri)
    data = server.model(version, settings)
    sha256 = hashlib.sha256(data).hexdigest()
    if version.sha256 not in (None, sha256):
        raise NoModel(version, f"its sha256 is {sha256}, its tag says {version.sha256}: the file was changed")
    try:
        metadata, _ = read_metadata(data)
        sandbox.check_loads(data)
    except ContractError as error:
        raise NoModel(version, str(error)) from error
    same = pointer.model_version == version.number  # an alias may have moved since the pointer was written
    completed = replace(
        pointer,
        model_version=version.number,
        run_id=version.run_id or (pointer.run_id if same else None),
        metrics=pointer.metrics if same else {},
        baseline_metrics=pointer.baseline_metrics if same else {},
        contract_version=metadata.contract_version,
        pair=metadata.pair,
        champion=ChampionFile(keys.serving_key(sha256, settings.pair), sha256, len(data)),
        trained_through=metadata.trained_through,
        created_at=version.created_at,
    )
    return Completed(completed, data)


def _server(pointer: Pointer, settings: Settings, environ: Mapping[str, str], now: datetime) -> MlflowServer:
    if why := why_no_server(settings.mlflow_tracking_uri):
        raise ContractError(
            f"pointer.champion: missing, {pointer.model_uri} names no champion file, and MLFLOW_TRACKING_URI {why}. Or "
            f"publish it with: python -m training publish {pointer.model_uri}"
        )
    return MlflowServer(*access(settings, environ, now))


class Resolved(NamedTuple):
    """A pointer that names its champion file; `data` are the file's bytes when the store does not have them."""

    pointer: Pointer
    data: bytes | None


def resolve(
    pointer: Pointer, settings: Settings, environ: Mapping[str, str], now: datetime, sandbox: Sandbox
) -> Resolved:
    """The champion that the pointer means, the one place that knows how to find it: the file that it names or, in the
    old form, what MLflow has at its model_uri. Raises ContractError with the cure, and Unavailable."""
    if pointer.champion is not None:
        return Resolved(pointer, None)
    return Resolved(*complete(pointer, settings, environ, now, sandbox))
