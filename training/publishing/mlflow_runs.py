"""MLflow runs: log a training run with its models, scores and files, and the report of an evaluation."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.entities import DatasetInput, LifecycleStage, Param
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from lambda_fn.settings import redact_url
from training.evaluation.names import BASELINE_NAMES
from training.evaluation.selection import SUMMARY_HORIZONS, Selection
from training.export.candidate import Candidate, Registered
from training.publishing import model_versions
from training.publishing.mlflow_registry import Registry, alias_holder
from training.publishing.tracking_uri import RegistryError, sqlite_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTE = "mlflow.note.content"  # MLflow's page shows this tag as the description


def describe_run(candidates: Sequence[Candidate], scores: pd.DataFrame, selection: Selection) -> str:
    """Return the description of the parent run in Markdown: what ran, which model won, and the main scores."""
    meta = candidates[0].metadata
    pair = f"{meta.pair[:3]}/{meta.pair[3:]}"
    families = ", ".join(candidate.family for candidate in candidates)
    lines = [
        f"# {pair}: {selection.champion} is the champion",
        f"{len(candidates)} families were trained on prices through {meta.trained_through} and backtested out of "
        f"sample: {families}. By rank: {', '.join(selection.ranking)}.",
        _make_table(scores, selection.champion),
        "Mean pinball loss in percent of log return (lower is better). The artifact `comparison.csv` has all scores.",
    ]
    return "\n\n".join(line for line in lines if line)


def _make_table(scores: pd.DataFrame, champion: str) -> str:
    """Return a Markdown table with a row for each family and baseline, and a column for each horizon."""
    rows_shown = scores[scores["horizon"].isin(SUMMARY_HORIZONS)]
    wide = rows_shown.pivot_table("pinball", "family", "horizon", sort=False) if len(rows_shown) else rows_shown
    if wide.empty:
        return ""
    days = [f"{horizon} day{'s' if horizon > 1 else ''}" for horizon in map(int, wide.columns)]
    head = f"| family | {' | '.join(days)} |\n|{'---|' * (len(days) + 1)}"
    rows = [
        f"| {f'**{name}**' if name == champion else name} | {' | '.join(f'{loss:.5f}' for loss in losses)} |"
        for name, losses in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    return "\n".join([head, *rows])


PLOT = "skill_by_year.png"
COMPARISON = "comparison.csv"  # the whole score table; MLflow's page shows it as a table
KIND = "mlflow.experimentKind"  # makes MLflow's page show training runs, not its view for language models
REPORT = "Report: "  # begins the line of a model card that links a report
OLD_REPORT = "What it is worth: "  # the same in earlier releases

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
    """

    name: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    files: Path | None = None
    dataset: DatasetInput | None = None
    breakdown: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)


def experiment_name(pair: str) -> str:
    """Return the name of the pair's experiment."""
    return f"{pair}_Experiments"


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
    note = describe_run(candidates, scores, selection)
    outcome = {"champion": selection.champion, "tie": str(selection.tie), NOTE: note}
    name = f"{inputs.name or f'through {through}'}: {selection.champion}"
    registered = {}
    with _redirect_output(), mlflow.start_run(None, experiment, name, tags=tags | outcome) as parent:
        parent_id = parent.info.run_id
        client.log_text(parent_id, scores.to_csv(index=False), COMPARISON)
        params = [Param(name, value) for name, value in inputs.params.items()]
        summary = model_versions.summarise_scores(scores, selection.champion)
        client.log_batch(parent_id, params=params, metrics=model_versions.make_metrics(summary))
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
    model_versions.log_rows(registry, run_id, scores[scores["family"].isin([family, *BASELINE_NAMES])])
    if inputs.dataset is not None:
        client.log_inputs(run_id, [inputs.dataset])
    version = model_versions.find_registered(registry, candidate)
    model_id = None if version else model_versions.log_model(candidate, inputs.examples.get(family))
    # After log_model, which would request the history of each metric from the server to copy it.
    values = {**relative, **model_versions.summarise_scores(scores, family)}
    metrics = model_versions.make_metrics(values, run_id, model_id)
    client.log_batch(run_id, metrics=[*metrics, *model_versions.make_yearly_metrics(inputs.breakdown, family)])
    if version is None:
        version = model_versions.register(registry, run_id, candidate, str(model_id), scores)
    client.set_tag(run_id, "version", version.uri)
    return version


def _open_experiment(registry: Registry, pair: str) -> str:
    """Return the id of the pair's experiment; create it, or restore it if it was deleted."""
    name, client = experiment_name(pair), registry.client
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        database = sqlite_file(registry.tracking_uri)
        # Next to the database: MLflow's default is the working directory, which differs from command to command.
        files = (database.resolve().parent / "mlruns").as_uri() if database else None
        return str(client.create_experiment(name, artifact_location=files, tags={KIND: "custom_model_development"}))
    if experiment.lifecycle_stage == LifecycleStage.DELETED:
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


@contextmanager
def _redirect_output() -> Iterator[None]:
    """Redirect MLflow's output to standard error and hide one of its warnings.

    MLflow prints the address of each run to standard output, which is for results. The warning is about type hints in
    MLflow's own code for agents, when its flavors are first imported.
    """
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.filterwarnings("ignore", ".*inferred as AnyType", UserWarning)
        yield
