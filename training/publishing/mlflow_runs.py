"""What MLflow's page shows on top of a run: what ran, who won and why, and the scores, in Markdown."""

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
from training.publishing.mlflow_registry import Registry, holder
from training.publishing.tracking_uri import RegistryError, sqlite_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTE = "mlflow.note.content"  # the tag that MLflow's page shows as the description


def run_note(candidates: Sequence[Candidate], scores: pd.DataFrame, selection: Selection) -> str:
    """Of the parent run; the score table's rows of a day, a week and a month, as far as there are any."""
    meta = candidates[0].metadata
    pair = f"{meta.pair[:3]}/{meta.pair[3:]}"
    families = ", ".join(candidate.family for candidate in candidates)
    lines = [
        f"# {pair}: {selection.champion} is the champion",
        f"{len(candidates)} families were trained on prices through {meta.trained_through} and judged on days that "
        f"their refits did not know: {families}. By rank: {', '.join(selection.ranking)}.",
        _table(scores, selection.champion),
        "Mean pinball loss in percent of log return, smaller is better; the artifact `comparison.csv` has the rest.",
    ]
    return "\n\n".join(line for line in lines if line)


def _table(scores: pd.DataFrame, champion: str) -> str:
    """A row a family and baseline, a column a horizon."""
    shown = scores[scores["horizon"].isin(SUMMARY_HORIZONS)]
    wide = shown.pivot_table("pinball", "family", "horizon", sort=False) if len(shown) else shown
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
COMPARISON = "comparison.csv"  # the whole score table, which MLflow's page shows as one
KIND = "mlflow.experimentKind"  # by which its page shows training, and not what it has for language models
REPORT = "What it is worth: "  # begins the line of a model card that names a report

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Record:
    """What a run tells beside its scores and models: its name and parameters, `files` for the parent run, `dataset`
    with which all were trained, `breakdown` with each family's years, and an input example a family."""

    name: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    files: Path | None = None
    dataset: DatasetInput | None = None
    breakdown: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)


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
    record: Record | None = None,
) -> dict[str, Registered]:
    """Logs every candidate and registers those whose file no version holds yet; gives its version by family. Aliases
    are left as they are.

    `scores` is the score table, baselines among its families; `plots` has a figure a family where there is one.
    Raises RegistryError.
    """
    record, client, first = record or Record(), registry.client, candidates[0].metadata
    experiment = _experiment(registry, first.pair)
    through = first.trained_through.isoformat()
    tags = {**tags, "pair": first.pair, "prices_sha256": first.prices_sha256, "trained_through": through}
    note = run_note(candidates, scores, selection)
    outcome = {"champion": selection.champion, "tie": str(selection.tie), NOTE: note}
    name = f"{record.name or f'through {through}'}: {selection.champion}"
    registered = {}
    with _quiet(), mlflow.start_run(None, experiment, name, tags=tags | outcome) as parent:
        parent_id = parent.info.run_id
        client.log_text(parent_id, scores.to_csv(index=False), COMPARISON)
        _describe(registry, parent_id, record, model_versions.summary(scores, selection.champion))
        if record.files is not None:
            client.log_artifacts(parent_id, str(record.files))
        for candidate in candidates:
            family = candidate.family
            progress(f"registering {candidate.name}")
            own = {"family": family, "rank": str(selection.ranking.index(family) + 1)}
            child = f"{family}: champion" if family == selection.champion else family
            with mlflow.start_run(None, experiment, child, nested=True, tags=tags | own) as run:
                run_id = run.info.run_id
                relative = {"relative_pinball": selection.relative[family]} if family in selection.relative else {}
                registered[family] = _log_candidate(registry, run_id, candidate, scores, record, relative)
                if family in plots:
                    client.log_figure(run_id, plots[family], PLOT)
    return registered


def log_report(registry: Registry, pair: str, file: Path, now: datetime) -> str:
    """Keeps the report as an artifact of a run of its own, which the version with the alias champion then names in its
    description, the model card of the registry; gives the run's id. Raises RegistryError."""
    client = registry.client
    try:
        run = client.create_run(_experiment(registry, pair), run_name=f"report of {now:%Y-%m-%d}", tags={"pair": pair})
        client.log_artifact(run.info.run_id, str(file))
        client.set_terminated(run.info.run_id)
        held = holder(registry, pair, "champion")
        if held is not None:
            link = f"{REPORT}{file.name} of the run {run.info.run_id} (runs:/{run.info.run_id}/{file.name})"
            card = client.get_model_version(held[0], str(held[1])).description or ""
            client.update_model_version(held[0], str(held[1]), description=_with_report(card, link))
    except MlflowException as error:
        raise RegistryError(f"the report cannot be kept in {redact_url(registry.tracking_uri)}: {error}") from error
    return str(run.info.run_id)


def _with_report(card: str, link: str) -> str:
    """The card with this link in place of an earlier report's."""
    kept = [part for part in card.split("\n\n") if part and not part.startswith(REPORT)]
    return "\n\n".join((*kept, link))


def _describe(registry: Registry, run_id: str, record: Record, metrics: Mapping[str, float]) -> None:
    """Parameters, the champion's metrics and the dataset of the parent run."""
    params = [Param(name, value) for name, value in record.params.items()]
    registry.client.log_batch(run_id, params=params, metrics=model_versions.metrics(metrics))
    if record.dataset is not None:
        registry.client.log_inputs(run_id, [record.dataset])


def _log_candidate(
    registry: Registry,
    run_id: str,
    candidate: Candidate,
    scores: pd.DataFrame,
    record: Record,
    relative: Mapping[str, float],
) -> Registered:
    client, family = registry.client, candidate.family
    params = {**candidate.metadata.to_props(), **candidate.params}
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])
    client.log_dict(run_id, {"features": list(candidate.metadata.features)}, "features.json")
    model_versions.log_rows(registry, run_id, scores[scores["family"].isin([family, *BASELINE_NAMES])])
    if record.dataset is not None:
        client.log_inputs(run_id, [record.dataset])
    held = model_versions.known(registry, candidate)
    model_id = None if held else model_versions.log_model(candidate, record.examples.get(family))
    # After log_model, which would ask the server for the history of each metric to copy it.
    shown = model_versions.metrics({**relative, **model_versions.summary(scores, family)}, run_id, model_id)
    client.log_batch(run_id, metrics=[*shown, *model_versions.by_year(record.breakdown, family)])
    found = held or model_versions.register(registry, run_id, candidate, str(model_id), scores)
    client.set_tag(run_id, "version", found.uri)
    return found


def _experiment(registry: Registry, pair: str) -> str:
    """The pair's experiment, made or brought back when it was deleted; gives its id."""
    name, client = experiment_name(pair), registry.client
    found = client.get_experiment_by_name(name)
    if found is None:
        database = sqlite_file(registry.tracking_uri)
        # Beside the database: MLflow's default is the working directory, which differs from command to command.
        files = (database.resolve().parent / "mlruns").as_uri() if database else None
        return str(client.create_experiment(name, artifact_location=files, tags={KIND: "custom_model_development"}))
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
