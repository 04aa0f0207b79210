"""Resolve pointers of the old form, which name a registered model by its URI: the MLflow server has the champion."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from lambda_fn.champion.gate import read_metadata
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import ChampionFile, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.registry.mlflow_access import access, find_uri_fault
from lambda_fn.registry.mlflow_client import CURE, MlflowServer, UnusableModel
from lambda_fn.settings import Settings
from lambda_fn.store import keys


class ResolvedPointer(NamedTuple):
    """A pointer that names its champion file; `data` has the file's bytes if they are not in the store."""

    pointer: Pointer
    data: bytes | None


def resolve(
    pointer: Pointer, settings: Settings, environ: Mapping[str, str], now: datetime, sandbox: Sandbox
) -> ResolvedPointer:
    """Find the champion of a pointer: the file that it names or, in the old form, what its model_uri names now.

    Scores and golden forecasts of the old form stay empty.

    Args:
        pointer: the pointer.
        settings: the MLflow server and the pair.
        environ: leads to the login of the MLflow server.
        now: the current time, UTC.
        sandbox: loads the champion once.

    Raises ContractError with the cure when there is no such version or it has no ONNX file of this contract, and
    Unavailable when the MLflow server, the bucket or the secret cannot be read.
    """
    if pointer.champion is not None:
        return ResolvedPointer(pointer, None)
    if reason := find_uri_fault(settings.mlflow_tracking_uri):
        raise ContractError(
            f"pointer.champion: missing, {pointer.model_uri} names no champion file, and MLFLOW_TRACKING_URI {reason}. "
            f"Or publish it with: eurusd publish {pointer.model_uri}"
        )
    server = MlflowServer(*access(settings, environ, now))
    if not pointer.model_uri.startswith((f"models:/{pointer.model_name}@", f"models:/{pointer.model_name}/")):
        raise ContractError(f"pointer.model_uri: {pointer.model_uri} is not a version of {pointer.model_name}; {CURE}")
    version = server.version(pointer.model_uri)
    data = server.model(version, settings)
    sha256 = hashlib.sha256(data).hexdigest()
    if version.sha256 not in (None, sha256):
        raise UnusableModel(version, f"its sha256 is {sha256}, but its tag says {version.sha256}: the file was changed")
    try:
        metadata, _ = read_metadata(data)
        sandbox.check_loads(data)
    except ContractError as error:
        raise UnusableModel(version, str(error)) from error
    is_same = pointer.model_version == version.number  # an alias may have moved since the pointer was written
    resolved = replace(
        pointer,
        model_version=version.number,
        run_id=version.run_id or (pointer.run_id if is_same else None),
        metrics=pointer.metrics if is_same else {},
        baseline_metrics=pointer.baseline_metrics if is_same else {},
        contract_version=metadata.contract_version,
        pair=metadata.pair,
        champion=ChampionFile(keys.serving_key(sha256, settings.pair), sha256, len(data)),
        trained_through=metadata.trained_through,
        created_at=version.created_at,
    )
    return ResolvedPointer(resolved, data)
