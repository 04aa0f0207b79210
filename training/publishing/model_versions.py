"""Versions of registered models with their scores, as MLflow has them."""

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
from training.publishing import mlflow_registry as registered
from training.publishing.mlflow_registry import SHA256_TAG, Registry
from training.publishing.model_card import model_card
from training.publishing.tracking_uri import RegistryError

if TYPE_CHECKING:
    import onnx  # only to log a model

FILE = "scores.json"  # every row and column of the family and the baselines, exactly
# Metric -> column of the score table; MLflow's page shows these, so there are few.
_AT_SHOWN = {"pinball": "pinball", "skill_vs_garch": "skill_garch", "skill_vs_ewma": "skill_ewma"}
_AT_ONE_DAY = {"coverage_80": "coverage_80", "coverage_95": "coverage_95", "theil_u": "theil_u"}
_BY_YEAR = {"skill_vs_garch": "skill_garch", "coverage_80": "coverage_80", "coverage_95": "coverage_95"}
_OLD = re.compile(r"(?:(?P<family>[a-z0-9_]+)/)?(?P<column>[a-z0-9_]+)_h(?P<horizon>[0-9]+)")


def summary(scores: pd.DataFrame, family: str) -> dict[str, float]:
    """What is worth a look of a family, by name: at a day, a week and a month, and more at a day."""
    rows = {row["horizon"]: row for row in scores[scores["family"] == family].to_dict("records")}
    wanted = [(name, column, days) for name, column in _AT_SHOWN.items() for days in SUMMARY_HORIZONS]
    wanted += [(name, column, 1) for name, column in _AT_ONE_DAY.items()]
    return {
        f"{name}_{days}d": float(rows[days][column])
        for name, column, days in wanted
        if days in rows and column in rows[days] and math.isfinite(rows[days][column])
    }


def metrics(values: Mapping[str, float], run_id: str | None = None, model_id: str | None = None) -> list[Metric]:
    """Metrics of now."""
    now = int(time.time() * 1000)
    return [Metric(name, value, now, 0, run_id=run_id, model_id=model_id) for name, value in values.items()]


def by_year(breakdown: pd.DataFrame, family: str) -> list[Metric]:
    """The history of a family's metrics at one day; the step is the year."""
    if breakdown.empty:
        return []
    own = breakdown[(breakdown["family"] == family) & (breakdown["by"] == "year")]
    now = int(time.time() * 1000)
    return [
        Metric(f"by_year/{name}", float(row[column]), now, int(row["part"]))
        for row in own.to_dict("records")
        for name, column in _BY_YEAR.items()
        if math.isfinite(row[column])
    ]


def log_rows(registry: Registry, run_id: str, rows: pd.DataFrame) -> None:
    """Keeps rows of the score table as a file of the run; what is unknown (NaN) is left out."""
    kept = [
        {name: value for name, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
        for row in rows.to_dict("records")
    ]
    registry.client.log_dict(run_id, {"scores": kept}, FILE)


def read_scores(registry: Registry, run_id: str) -> pd.DataFrame:
    """The rows of one family and of the baselines in the score table, read back from what a run wrote.

    Raises RegistryError when the run is gone or has no scores.
    """
    try:
        run = registry.client.get_run(run_id)
        # Listed first: an older server answers 500 for a file that is not there, and the client retries for minutes.
        there = FILE in {file.path for file in registry.client.list_artifacts(run_id)}
        rows: list[dict[str, Any]] = mlflow.artifacts.load_dict(f"runs:/{run_id}/{FILE}")["scores"] if there else []
    except MlflowException as error:
        raise RegistryError(f"run {run_id}: {redact_url(registry.tracking_uri)} does not know it: {error}") from error
    table = pd.DataFrame(rows or _old_rows(run.data.metrics.items(), run.data.tags.get("family", "")))
    if table.empty:
        raise RegistryError(f"run {run_id} has no scores; train again with `python -m training run`")
    return table.astype({"n": int}, errors="ignore")  # MLflow's metrics are all floats


def _old_rows(values: Iterable[tuple[str, float]], family: str) -> list[dict[str, Any]]:
    """Of a run that kept every cell as a metric of its own: pinball_h1, and ewma/pinball_h1 of a baseline."""
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for name, value in values:
        if match := _OLD.fullmatch(name):
            rows.setdefault((match["family"] or family, int(match["horizon"])), {})[match["column"]] = value
    return [{"family": key[0], "horizon": key[1], **row} for key, row in sorted(rows.items())]


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
    import onnx

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


def _signature(model: "onnx.ModelProto", metadata: Metadata) -> ModelSignature:
    """Inputs by name, as stock MLflow checks them; any number of windows at once."""
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
