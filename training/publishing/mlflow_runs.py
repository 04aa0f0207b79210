"""MLflow runs: log a training run with its models, scores and files, and the report of an evaluation."""

import math
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.artifacts import list_artifacts, load_dict
from mlflow.entities import DatasetInput, LifecycleStage, Metric, Param
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from lambda_fn.settings import redact_url
from training.conventions import HEADLINE_HORIZONS
from training.evaluation.selection import Look, Selection
from training.export.candidate import Candidate, Registered
from training.publishing import mlflow_registry
from training.publishing.cards import describe_run, render_model_card
from training.publishing.mlflow_access import FILES, RegistryError, find_moved, is_elsewhere, sqlite_file
from training.publishing.mlflow_registry import EXPERIMENTS, Registry, alias_holder, pages

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTE = "mlflow.note.content"  # MLflow's page shows this tag as the description
SCORES = "scores.json"  # the score table, without rounding
# Metric -> column of the score table. They are few, because MLflow's page shows all of them.
_AT_HEADLINE_HORIZONS = {"pinball": "pinball", "skill_vs_garch": "skill_garch", "skill_vs_ewma": "skill_ewma"}
_AT_ONE_DAY = {"coverage_80": "coverage_80", "coverage_95": "coverage_95", "theil_u": "theil_u"}
_BY_YEAR = {"skill_vs_garch": "skill_garch", "coverage_80": "coverage_80", "coverage_95": "coverage_95"}
PLOT = "skill_by_year.png"
COMPARISON = "comparison.csv"  # the whole score table; MLflow's page shows it as a table
KIND = "mlflow.experimentKind"  # makes MLflow's page show training runs, not its view for language models
REPORT = "Report: "  # begins the line of a model card that links a report
OLD_REPORT = "What it is worth: "  # the same in earlier releases
_OLD_METRIC = re.compile(r"(?:(?P<family>[a-z0-9_]+)/)?(?P<column>[a-z0-9_]+)_h(?P<horizon>[0-9]+)")
MOVED = "-moved-"  # in the name of an experiment whose files were moved

Progress = Callable[[str], None]


@dataclass(frozen=True)
class RunInputs:
    """Inputs of a run besides its scores and models.

    Attributes:
        name: The name of the run.
        params: Parameters of the parent run.
        files: A folder of artifacts of the parent run.
        dataset: The dataset on which all models were trained.
        breakdown: Scores of each family by year.
        examples: An input example for each family.
        look: The comparison of the families; None for a single one.
    """

    name: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    files: Path | None = None
    dataset: DatasetInput | None = None
    breakdown: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    look: Look | None = None


def experiment_name(pair: str) -> str:
    """Return the name of the pair's experiment."""
    return f"{pair}{EXPERIMENTS}"


def log_run(
    registry: Registry,
    candidates: Sequence[Candidate],
    scores: pd.DataFrame,
    selection: Selection,
    plots: Mapping[str, "Figure"],
    tags: dict[str, str],
    progress: Progress = lambda step: None,
    inputs: RunInputs | None = None,
) -> dict[str, Registered]:
    """Log every candidate, and register those whose file no version has yet. Aliases do not change.

    Args:
        registry: The registry.
        candidates: The final model of each family.
        scores: The score table, with the baselines.
        selection: The champion, the ranking and the relative losses.
        plots: A figure for a family, where there is one.
        tags: Tags of all runs.
        progress: Called before each candidate with a description.
        inputs: Other inputs of the run.

    Returns:
        The version of each family.

    Raises:
        RegistryError: MLflow would not store the exported bytes.
    """
    inputs, client, first = inputs or RunInputs(), registry.client, candidates[0].metadata
    experiment = _open_experiment(registry, first.pair)
    through = first.trained_through.isoformat()
    tags = {**tags, "pair": first.pair, "prices_sha256": first.prices_sha256, "trained_through": through}
    note = describe_run(candidates, scores, selection, inputs.look)
    outcome = {"champion": selection.champion, "tie": str(selection.tie), NOTE: note}
    if inputs.look is not None:
        outcome |= {f"look_{name}": str(value) for name, value in asdict(inputs.look).items()}
    name = f"{inputs.name or f'through {through}'}: {selection.champion}"
    registered = {}
    with _redirect_output(), mlflow.start_run(None, experiment, name, tags=tags | outcome) as parent:
        parent_id = parent.info.run_id
        client.log_text(parent_id, scores.to_csv(index=False), COMPARISON)
        params = [Param(name, value) for name, value in inputs.params.items()]
        summary = summarise_scores(scores, selection.champion)
        client.log_batch(parent_id, params=params, metrics=make_metrics(summary))
        if inputs.dataset is not None:
            client.log_inputs(parent_id, [inputs.dataset])
        if inputs.files is not None:
            client.log_artifacts(parent_id, str(inputs.files))
        for candidate in candidates:
            family = candidate.family
            progress(f"registering {candidate.name}")
            family_tags = {"family": family, "rank": str(selection.ranking.index(family) + 1)}
            child = f"{family}: champion" if family == selection.champion else family
            with mlflow.start_run(None, experiment, child, nested=True, tags=tags | family_tags) as run:
                run_id = run.info.run_id
                relative = {"relative_pinball": selection.relative[family]} if family in selection.relative else {}
                registered[family] = _log_candidate(registry, run_id, candidate, scores, inputs, relative)
                if family in plots:
                    client.log_figure(run_id, plots[family], PLOT)
    return registered


def list_looks(registry: Registry, pair: str) -> list[date]:
    """Return the days of the logged runs that compared several families of the pair, oldest first.

    Raises RegistryError if the registry does not answer.
    """
    client, name = registry.client, experiment_name(pair)
    try:
        experiments = [
            experiment.experiment_id
            for experiment in pages(client.search_experiments, filter_string=f"name LIKE '{name}%'")
            if experiment.name == name or experiment.name.startswith(f"{name}{MOVED}")
        ]
        runs = pages(client.search_runs, experiments, "params.families LIKE '%,%'") if experiments else ()
        return sorted(datetime.fromtimestamp(run.info.start_time / 1000, UTC).date() for run in runs)
    except MlflowException as error:
        raise RegistryError(f"the runs of {redact_url(registry.tracking_uri)} cannot be read: {error}") from error


def log_report(registry: Registry, pair: str, file: Path, now: datetime) -> str:
    """Log the report as an artifact of a new run, and link it in the model card of the champion; return the run's id.

    The model card is the description of the version with the alias champion.

    Args:
        registry: The registry.
        pair: The currency pair.
        file: The report.
        now: The time, for the name of the run.

    Raises:
        RegistryError: MLflow does not accept the report.
    """
    client = registry.client
    try:
        run = client.create_run(
            _open_experiment(registry, pair), run_name=f"report of {now:%Y-%m-%d}", tags={"pair": pair}
        )
        client.log_artifact(run.info.run_id, str(file))
        client.set_terminated(run.info.run_id)
        holder = alias_holder(registry, pair, "champion")
        if holder is not None:
            name, version = holder[0], str(holder[1])
            link = f"{REPORT}{file.name} of the run {run.info.run_id} (runs:/{run.info.run_id}/{file.name})"
            card = client.get_model_version(name, version).description or ""
            other_parts = [part for part in card.split("\n\n") if part and not part.startswith((REPORT, OLD_REPORT))]
            client.update_model_version(name, version, description="\n\n".join((*other_parts, link)))
    except MlflowException as error:
        raise RegistryError(f"the report cannot be logged to {redact_url(registry.tracking_uri)}: {error}") from error
    return str(run.info.run_id)


def _log_candidate(
    registry: Registry,
    run_id: str,
    candidate: Candidate,
    scores: pd.DataFrame,
    inputs: RunInputs,
    relative: Mapping[str, float],
) -> Registered:
    """Log a candidate under its run, and return its version.

    Args:
        registry: The registry.
        run_id: The run of the family, which is active.
        candidate: The final model.
        scores: The score table.
        inputs: Other inputs of the run.
        relative: Metrics that compare the family with the others.
    """
    client, family = registry.client, candidate.family
    params = {**candidate.metadata.to_props(), **candidate.params}
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])
    client.log_dict(run_id, {"features": list(candidate.metadata.features)}, "features.json")
    rows = [
        {name: value for name, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
        for row in scores.to_dict("records")
    ]
    client.log_dict(run_id, {"scores": rows}, SCORES)
    if inputs.dataset is not None:
        client.log_inputs(run_id, [inputs.dataset])
    version = mlflow_registry.find_registered(registry, candidate)
    model_id = None if version else mlflow_registry.log_model(candidate, inputs.examples.get(family))
    # After log_model, which would request the history of each metric from the server to copy it.
    values = {**relative, **summarise_scores(scores, family)}
    metrics = make_metrics(values, run_id, model_id)
    client.log_batch(run_id, metrics=[*metrics, *make_yearly_metrics(inputs.breakdown, family)])
    if version is None:
        tags = {name: f"{value:.5g}" for name, value in summarise_scores(scores, family).items()}
        card = render_model_card(candidate, scores)
        version = mlflow_registry.register(registry, run_id, candidate, str(model_id), card, tags)
    client.set_tag(run_id, "version", version.uri)
    return version


def _open_experiment(registry: Registry, pair: str) -> str:
    """Return the id of the pair's experiment; create it, or restore it if it was deleted."""
    name, client = experiment_name(pair), registry.client
    experiment = client.get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage == LifecycleStage.DELETED:
        client.restore_experiment(experiment.experiment_id)
    if experiment is not None and is_elsewhere(registry.tracking_uri, experiment.artifact_location):
        # Its runs would be written to the place from which the registry came, and MLflow cannot change that.
        client.rename_experiment(experiment.experiment_id, f"{name}{MOVED}{experiment.experiment_id}")
        experiment = None
    if experiment is not None:
        return str(experiment.experiment_id)
    database = sqlite_file(registry.tracking_uri)
    # Next to the database: MLflow's default is the working directory, which differs from command to command.
    files = (database.resolve().parent / FILES).as_uri() if database else None
    return str(client.create_experiment(name, artifact_location=files, tags={KIND: "custom_model_development"}))


@contextmanager
def _redirect_output() -> Iterator[None]:
    """Redirect MLflow's output to standard error and hide one of its warnings.

    MLflow prints the address of each run to standard output, which is for results. The warning is about type hints in
    MLflow's own code for agents, when its flavors are first imported.
    """
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.filterwarnings("ignore", ".*inferred as AnyType", UserWarning)
        yield


def summarise_scores(scores: pd.DataFrame, family: str) -> dict[str, float]:
    """Return the main metrics of a family by name: at a day, a week and a month, and more at a day."""
    rows = {row["horizon"]: row for row in scores[scores["family"] == family].to_dict("records")}
    metrics = [(name, column, days) for name, column in _AT_HEADLINE_HORIZONS.items() for days in HEADLINE_HORIZONS]
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


def read_scores(registry: Registry, run_id: str) -> pd.DataFrame:
    """Read the score table from the run of a family; an old run has the rows of the family and of the baselines.

    Raises RegistryError if the run does not exist or has no scores.
    """
    try:
        run = registry.client.get_run(run_id)
        folder = find_moved(registry.tracking_uri, run.info.artifact_uri) or run.info.artifact_uri
        # Listed first: an older server answers 500 for a missing file, and the client retries for minutes.
        files = list_artifacts(artifact_uri=folder, tracking_uri=registry.tracking_uri)
        has_file = SCORES in {PurePosixPath(file.path).name for file in files}
        rows: list[dict[str, Any]] = load_dict(f"{folder}/{SCORES}")["scores"] if has_file else []
    except MlflowException as error:
        raise RegistryError(f"run {run_id}: not found at {redact_url(registry.tracking_uri)}: {error}") from error
    if not rows:  # an old run, whose metrics are the cells: pinball_h1, ewma/pinball_h1 of a baseline
        old: dict[tuple[str, int], dict[str, Any]] = {}
        for name, value in run.data.metrics.items():
            if match := _OLD_METRIC.fullmatch(name):
                key = (match["family"] or run.data.tags.get("family", ""), int(match["horizon"]))
                old.setdefault(key, {"family": key[0], "horizon": key[1]})[match["column"]] = value
        rows = [row for _, row in sorted(old.items())]
    table = pd.DataFrame(rows)
    if table.empty:
        raise RegistryError(f"run {run_id}: it has no scores; train again with `eurusd run`")
    return table.astype({"n": int}, errors="ignore")  # all metrics of MLflow are floats
