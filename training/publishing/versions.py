"""A candidate as a version of its registered model: the ONNX file, signature, example, card and tags; once a file."""

from collections.abc import Mapping
from typing import Any

import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from numpy.typing import NDArray

from lambda_fn.contract import Metadata
from training.export.candidate import Candidate, Registered
from training.publishing import registry as registered
from training.publishing.address import RegistryError
from training.publishing.logged_scores import summary
from training.publishing.model_card import model_card
from training.publishing.registry import SHA256_TAG, Registry

REQUIREMENTS = ["onnx", "onnxruntime", "numpy"]  # what stock MLflow needs to load one; inferring it takes a minute


def known(registry: Registry, candidate: Candidate) -> Registered | None:
    """The newest version that holds exactly this file and has it still; None when there is none."""
    for version in registered.versions(registry, candidate.name):
        if version.tags.get(SHA256_TAG) == candidate.sha256:
            found = Registered(candidate.name, int(version.version), version.run_id or "", candidate.sha256)
            try:
                registered.download(registry, found)
            except RegistryError:
                continue  # its files are gone or were changed, so it is registered anew
            return found
    return None


def log_model(candidate: Candidate, example: Mapping[str, NDArray[Any]] | None) -> str:
    """Logs the ONNX file under the active run; gives the logged model's id."""
    proto = onnx.load_model_from_string(candidate.model)
    if proto.SerializeToString() != candidate.model:
        raise RegistryError(
            f"{candidate.name}: MLflow would write other bytes than were exported; export the model with "
            "ModelProto.SerializeToString()"
        )
    logged = mlflow.onnx.log_model(
        proto,
        name=candidate.family,
        save_as_external_data=False,
        pip_requirements=REQUIREMENTS,
        onnx_execution_providers=["CPUExecutionProvider"],
        signature=_signature(proto, candidate.metadata),
        input_example=dict(example) if example else None,
        tags={SHA256_TAG: candidate.sha256},
    )
    return str(logged.model_id)


def register(registry: Registry, run_id: str, candidate: Candidate, model_id: str, scores: pd.DataFrame) -> Registered:
    """Makes the version, with its card as the description and its scores as tags."""
    client = registry.client
    meta = candidate.metadata
    try:
        words = f"{meta.pair} by {candidate.family}: a version is one champion file, its description the model card."
        client.create_registered_model(candidate.name, description=words)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    shown = {name: f"{value:.5g}" for name, value in summary(scores, candidate.family).items()}
    version = client.create_model_version(
        candidate.name,
        f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        description=model_card(candidate, scores),
        tags={
            SHA256_TAG: candidate.sha256,
            "family": candidate.family,
            "trained_through": meta.trained_through.isoformat(),
            **shown,
        },
    )
    return Registered(candidate.name, int(version.version), run_id, candidate.sha256)


def _signature(model: onnx.ModelProto, metadata: Metadata) -> ModelSignature:
    """Inputs by name, as stock MLflow checks them; any number of windows at once."""
    length = {"target_date": metadata.horizon}
    types = {onnx.TensorProto.DOUBLE: np.dtype(np.float64), onnx.TensorProto.INT64: np.dtype(np.int64)}
    inputs: list[ColSpec | TensorSpec] = [
        TensorSpec(types[value.type.tensor_type.elem_type], (-1, length.get(value.name, metadata.window)), value.name)
        for value in model.graph.input
    ]
    price = np.dtype(np.float64)
    outputs: list[ColSpec | TensorSpec] = [
        TensorSpec(price, (-1, metadata.horizon, len(metadata.levels)), "quantiles"),
        TensorSpec(price, (-1, metadata.horizon), "mean"),
    ]
    return ModelSignature(Schema(inputs), Schema(outputs))
