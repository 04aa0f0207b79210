"""One training run in MLflow: a parent run, a child for each family, and the exported ONNX as a registered version."""

import math
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.entities import LifecycleStage, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from lambda_fn.contract import Metadata
from lambda_fn.settings import shown_url
from training.evaluation.selection import Selection
from training.export.candidate import Candidate, Registered
from training.publishing.address import RegistryError, sqlite_file
from training.publishing.registry import SHA256_TAG, Registry, holder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REQUIREMENTS = ["onnx", "onnxruntime", "numpy"]  # what stock MLflow needs to load one; inferring it takes a minute
PLOT = "skill_by_year.png"
_SCORE = re.compile(r"(?:(?P<family>[a-z0-9_]+)/)?(?P<column>[a-z0-9_]+)_h(?P<horizon>[0-9]+)")

Progress = Callable[[str], None]


def experiment_name(pair: str) -> str:
    return f"{pair}_Experiments"


def log_run(
    registry: Registry,
    candidates: Sequence[Candidate],
    scores: pd.DataFrame,
    selection: Selection,
    plots: Mapping[str, "Figure"],
    tags: dict[str, str],
    progress: Progress = lambda step: None,
) -> dict[str, Registered]:
    """Logs and registers every candidate; gives its version by family. Aliases are left as they are.

    `scores` is the score table, baselines among its families; `plots` has a figure a family where there is one.
    Metrics are `pinball_h1` for the family itself and `ewma/pinball_h1` for a baseline. Raises RegistryError.
    """
    first = candidates[0].metadata
    experiment = _experiment(registry, first.pair)
    through = first.trained_through.isoformat()
    tags = {**tags, "pair": first.pair, "prices_sha256": first.prices_sha256, "trained_through": through}
    outcome = {"champion": selection.champion, "tie": str(selection.tie)}
    baselines = scores[~scores["family"].isin([candidate.family for candidate in candidates])]
    registered = {}
    with _quiet(), mlflow.start_run(None, experiment, f"training through {through}", tags=tags | outcome) as parent:
        relative = {f"relative_pinball/{family}": value for family, value in selection.relative.items()}
        registry.client.log_batch(parent.info.run_id, metrics=_metrics(relative))
        for candidate in candidates:
            family = candidate.family
            progress(f"registering {candidate.name}")
            of_family = {"family": family, "rank": str(selection.ranking.index(family) + 1)}
            with mlflow.start_run(None, experiment, family, nested=True, tags=tags | of_family) as run:
                registered[family] = _log_candidate(
                    registry, run.info.run_id, candidate, scores, baselines, plots.get(family)
                )
    return registered


def log_report(registry: Registry, pair: str, file: Path, now: datetime) -> str:
    """Keeps the report as an artifact of a run of its own, which versions with the alias champion then name in their
    description, the model card of the registry; gives the run's id. Raises RegistryError."""
    client = registry.client
    try:
        run = client.create_run(_experiment(registry, pair), run_name=f"report of {now:%Y-%m-%d}", tags={"pair": pair})
        client.log_artifact(run.info.run_id, str(file))
        client.set_terminated(run.info.run_id)
        held = holder(registry, pair, "champion")
        if held is not None:
            link = f"What it is worth: {file.name} of the run {run.info.run_id} (runs:/{run.info.run_id}/{file.name})"
            client.update_model_version(held[0], str(held[1]), description=link)
    except MlflowException as error:
        raise RegistryError(f"the report cannot be kept in {shown_url(registry.tracking_uri)}: {error}") from error
    return str(run.info.run_id)


def read_scores(registry: Registry, run_id: str) -> pd.DataFrame:
    """The rows of one family and of the baselines in the score table, read back from what `log_run` wrote.

    Raises RegistryError when the run is gone or has no scores.
    """
    try:
        run = registry.client.get_run(run_id)
    except MlflowException as error:
        raise RegistryError(f"run {run_id}: {shown_url(registry.tracking_uri)} does not know it: {error}") from error
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for name, value in run.data.metrics.items():
        if match := _SCORE.fullmatch(name):
            family = match["family"] or run.data.tags.get("family", "")
            rows.setdefault((family, int(match["horizon"])), {})[match["column"]] = value
    if not rows:
        raise RegistryError(f"run {run_id} has no scores; train again with `python -m training run`")
    table = pd.DataFrame([{"family": key[0], "horizon": key[1], **row} for key, row in sorted(rows.items())])
    return table.astype({"n": int}, errors="ignore")  # MLflow's metrics are all floats


def _log_candidate(
    registry: Registry,
    run_id: str,
    candidate: Candidate,
    scores: pd.DataFrame,
    baselines: pd.DataFrame,
    plot: "Figure | None",
) -> Registered:
    client = registry.client
    params = {**candidate.metadata.to_props(), **candidate.params}
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])
    client.log_dict(run_id, {"features": list(candidate.metadata.features)}, "features.json")
    if plot is not None:
        client.log_figure(run_id, plot, PLOT)
    model_id = _log_model(candidate)
    # After log_model, which would ask the server for the history of each metric to copy it.
    own = scores[scores["family"] == candidate.family]
    client.log_batch(run_id, metrics=_metrics(_named(own, "{column}_h{horizon}"), run_id, model_id))
    client.log_batch(run_id, metrics=_metrics(_named(baselines, "{family}/{column}_h{horizon}")))
    return _register(registry, run_id, candidate, model_id)


def _log_model(candidate: Candidate) -> str:
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
        tags={SHA256_TAG: candidate.sha256},
    )
    return str(logged.model_id)


def _register(registry: Registry, run_id: str, candidate: Candidate, model_id: str) -> Registered:
    client = registry.client
    try:
        client.create_registered_model(candidate.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        candidate.name,
        f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        tags={SHA256_TAG: candidate.sha256, "family": candidate.family},
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


def _named(rows: pd.DataFrame, name: str) -> dict[str, float]:
    """Scores by metric name."""
    return {
        name.format(family=row["family"], column=column, horizon=row["horizon"]): float(value)
        for row in rows.to_dict("records")
        for column, value in row.items()
        if column not in ("family", "horizon")
    }


def _metrics(values: Mapping[str, float], run_id: str | None = None, model_id: str | None = None) -> list[Metric]:
    """What is not finite is left out: a baseline has no skill against itself."""
    now = int(time.time() * 1000)
    return [
        Metric(name, value, now, 0, run_id=run_id, model_id=model_id)
        for name, value in values.items()
        if math.isfinite(value)
    ]


def _experiment(registry: Registry, pair: str) -> str:
    """The pair's experiment, made or brought back when it was deleted; gives its id."""
    name, client = experiment_name(pair), registry.client
    found = client.get_experiment_by_name(name)
    if found is None:
        database = sqlite_file(registry.tracking_uri)
        # Beside the database: MLflow's default is the working directory, which differs from command to command.
        files = (database.resolve().parent / "mlruns").as_uri() if database else None
        return str(client.create_experiment(name, artifact_location=files))
    if found.lifecycle_stage == LifecycleStage.DELETED:
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps standard output for results (MLflow prints the address of each run there) and hides one warning of its
    own code: it complains about type hints of its agents when its flavors are first imported."""
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.filterwarnings("ignore", ".*inferred as AnyType", UserWarning)
        yield
