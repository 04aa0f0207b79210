"""Versions of registered models in MLflow: find and register them, and write and read their scores."""

import math
import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from numpy.typing import NDArray

from lambda_fn.contract import Metadata
from lambda_fn.settings import redact_url
from training.evaluation.selection import SUMMARY_HORIZONS
from training.export.candidate import Candidate, Registered
from training.publishing import mlflow_registry
from training.publishing.mlflow_registry import SHA256_TAG, Registry
from training.publishing.model_card import render_model_card
from training.publishing.tracking_uri import RegistryError

if TYPE_CHECKING:
    import onnx  # only to log a model

FILE = "scores.json"  # all rows and columns of the family and the baselines, without rounding
# Metric -> column of the score table. They are few, because MLflow's page shows all of them.
_AT_SUMMARY_HORIZONS = {"pinball": "pinball", "skill_vs_garch": "skill_garch", "skill_vs_ewma": "skill_ewma"}
_AT_ONE_DAY = {"coverage_80": "coverage_80", "coverage_95": "coverage_95", "theil_u": "theil_u"}
_BY_YEAR = {"skill_vs_garch": "skill_garch", "coverage_80": "coverage_80", "coverage_95": "coverage_95"}
_OLD_METRIC = re.compile(r"(?:(?P<family>[a-z0-9_]+)/)?(?P<column>[a-z0-9_]+)_h(?P<horizon>[0-9]+)")


def summarise_scores(scores: pd.DataFrame, family: str) -> dict[str, float]:
    """Return the main metrics of a family by name: at a day, a week and a month, and more at a day."""
    rows = {row["horizon"]: row for row in scores[scores["family"] == family].to_dict("records")}
    metrics = [(name, column, days) for name, column in _AT_SUMMARY_HORIZONS.items() for days in SUMMARY_HORIZONS]
    metrics += [(name, column, 1) for name, column in _AT_ONE_DAY.items()]
    return {
        f"{name}_{days}d": float(rows[days][column])
        for name, column, days in metrics
        if days in rows and column in rows[days] and math.isfinite(rows[days][column])
    }


def make_metrics(values: Mapping[str, float], run_id: str | None = None, model_id: str | None = None) -> list[Metric]:
    """Return MLflow metrics with the current time, of a run and a logged model if they are given."""
    now = int(time.time() * 1000)
    return [Metric(name, value, now, 0, run_id=run_id, model_id=model_id) for name, value in values.items()]


def make_yearly_metrics(breakdown: pd.DataFrame, family: str) -> list[Metric]:
    """Return the metrics of a family at one day by year; the step is the year."""
    if breakdown.empty:
        return []
    rows = breakdown[(breakdown["family"] == family) & (breakdown["by"] == "year")]
    now = int(time.time() * 1000)
    return [
        Metric(f"by_year/{name}", float(row[column]), now, int(row["part"]))
        for row in rows.to_dict("records")
        for name, column in _BY_YEAR.items()
        if math.isfinite(row[column])
    ]


def log_rows(registry: Registry, run_id: str, rows: pd.DataFrame) -> None:
    """Log rows of the score table as a file of the run, without unknown values (NaN)."""
    records = [
        {name: value for name, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
        for row in rows.to_dict("records")
    ]
    registry.client.log_dict(run_id, {"scores": records}, FILE)


def read_scores(registry: Registry, run_id: str) -> pd.DataFrame:
    """Read the rows of a family and of the baselines in the score table from a run.

    Raises RegistryError if the run does not exist or has no scores.
    """
    try:
        run = registry.client.get_run(run_id)
        # Listed first: an older server answers 500 for a missing file, and the client retries for minutes.
        has_file = FILE in {file.path for file in registry.client.list_artifacts(run_id)}
        rows: list[dict[str, Any]] = mlflow.artifacts.load_dict(f"runs:/{run_id}/{FILE}")["scores"] if has_file else []
    except MlflowException as error:
        raise RegistryError(f"run {run_id}: not found at {redact_url(registry.tracking_uri)}: {error}") from error
    table = pd.DataFrame(rows or _rows_from_metrics(run.data.metrics.items(), run.data.tags.get("family", "")))
    if table.empty:
        raise RegistryError(f"run {run_id}: it has no scores; train again with `python -m training run`")
    return table.astype({"n": int}, errors="ignore")  # all metrics of MLflow are floats


def _rows_from_metrics(values: Iterable[tuple[str, float]], family: str) -> list[dict[str, Any]]:
    """Return the score table of an old run, whose metrics are its cells: pinball_h1, ewma/pinball_h1 of a baseline."""
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for name, value in values:
        if match := _OLD_METRIC.fullmatch(name):
            rows.setdefault((match["family"] or family, int(match["horizon"])), {})[match["column"]] = value
    return [{"family": key[0], "horizon": key[1], **row} for key, row in sorted(rows.items())]


REQUIREMENTS = ["onnx", "onnxruntime", "numpy"]  # stock MLflow needs these to load one; inferring them takes a minute


def find_registered(registry: Registry, candidate: Candidate) -> Registered | None:
    """Return the latest version with exactly the file of the candidate, or None."""
    for version in mlflow_registry.list_versions(registry, candidate.name):
        if version.tags.get(SHA256_TAG) == candidate.sha256:
            registered = Registered(candidate.name, int(version.version), version.run_id or "", candidate.sha256)
            try:
                mlflow_registry.download(registry, registered)
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
    """Create the version, with the model card as its description and the scores as tags.

    Args:
        registry: The registry.
        run_id: The run that logged the model.
        candidate: The model.
        model_id: The id of the logged model.
        scores: The score table.
    """
    client = registry.client
    meta = candidate.metadata
    try:
        description = (
            f"{meta.pair} by {candidate.family}. Each version is a champion file; its description is the model card."
        )
        client.create_registered_model(candidate.name, description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    score_tags = {name: f"{value:.5g}" for name, value in summarise_scores(scores, candidate.family).items()}
    version = client.create_model_version(
        candidate.name,
        f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        description=render_model_card(candidate, scores),
        tags={
            SHA256_TAG: candidate.sha256,
            "family": candidate.family,
            "trained_through": meta.trained_through.isoformat(),
            **score_tags,
        },
    )
    return Registered(candidate.name, int(version.version), run_id, candidate.sha256)


def _signature(model: "onnx.ModelProto", metadata: Metadata) -> ModelSignature:
    """Return the inputs and outputs by name, for any number of windows; stock MLflow checks inputs by it."""
    import onnx

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
