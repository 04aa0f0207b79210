"""The clean slate: what would be deleted of runs, models and, only when asked, the store; and deleting it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException

from lambda_fn.settings import DEFAULT_PAIR
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store
from training.publishing import mlflow_registry
from training.publishing.mlflow_registry import Registry
from training.publishing.mlflow_runs import experiment_name

FOLDERS = ("models", "serving", "prices", "runs")  # of the store, which all belong to this project
_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_STATE")  # unknown, or an experiment that is deleted already
_PAIR = re.compile("[A-Z]{6}")


@dataclass(frozen=True)
class Plan:
    """What `execute` deletes. `experiment` is its id and name, None when it is kept or there is none."""

    runs: tuple[tuple[str, str], ...]  # id, name
    models: tuple[tuple[str, int], ...]  # name, number of versions
    logged_models: tuple[str, ...]  # ids
    experiment: tuple[str, str] | None
    keys: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.runs or self.models or self.logged_models or self.experiment or self.keys)


def plan(tracking: Registry, pair: str, store: Store | None = None, keep_experiment: bool = True) -> Plan:
    """Lists what there is of a pair; without `store` its keys stay. Nothing is changed."""
    experiment = tracking.client.get_experiment_by_name(experiment_name(pair))
    active = experiment is not None and experiment.lifecycle_stage == "active"
    ids = [experiment.experiment_id] if experiment is not None and active else []
    return Plan(
        runs=tuple((run.info.run_id, run.info.run_name or "") for run in _runs(tracking, ids)),
        models=tuple(
            (model.name, sum(1 for _ in mlflow_registry.versions(tracking, model.name)))
            for model in mlflow_registry.models(tracking, pair)
        ),
        logged_models=tuple(model.model_id for model in _logged_models(tracking, ids)),
        experiment=(ids[0], experiment_name(pair)) if ids and not keep_experiment else None,
        keys=tuple(_keys(store, pair)) if store is not None else (),
    )


def execute(tracking: Registry, found: Plan, store: Store | None = None) -> None:
    """Deletes what the plan lists; what is gone already is no error, so that it can be repeated after a kill.

    The experiment is renamed before it is deleted: MLflow keeps the name of a deleted one, which would stand in the way
    of the next run. Runs and files stay recoverable until `mlflow gc` removes them for good. The store goes from what
    is served to what it names, so that nothing served ever names a missing file.
    """
    client = tracking.client
    deletions = [
        *(partial(client.delete_registered_model, name) for name, _ in found.models),
        *(partial(client.delete_logged_model, model_id) for model_id in found.logged_models),
        *(partial(client.delete_run, run_id) for run_id, _ in found.runs),
    ]
    if found.experiment is not None:
        number, name = found.experiment
        deletions += [
            partial(client.rename_experiment, number, f"{name}-deleted-{number}"),
            partial(client.delete_experiment, number),
        ]
    for delete in deletions:
        _unless_gone(delete)
    if store is not None:
        for key in found.keys:
            store.delete(key)


def _unless_gone(delete: Callable[[], None]) -> None:
    try:
        delete()
    except MlflowException as error:
        if error.error_code not in _GONE:
            raise


def _runs(tracking: Registry, experiments: list[str]) -> Iterator[Run]:
    """The runs that are not deleted."""
    token: str | None = ""
    while experiments and token is not None:
        page = tracking.client.search_runs(experiments, max_results=1000, page_token=token or None)
        yield from page
        token = page.token or None


def _logged_models(tracking: Registry, experiments: list[str]) -> Iterator[LoggedModel]:
    token: str | None = ""
    while experiments and token is not None:
        page = tracking.client.search_logged_models(experiments, max_results=50, page_token=token or None)
        yield from page
        token = page.token or None


def _keys(store: Store, pair: str) -> list[str]:
    """The pair's keys, in the order in which they can go: what serving reads first comes first."""
    found = [key for folder in FOLDERS for key in store.list(folder) if _belongs(key, pair)]
    active = keys.active_key(pair)
    names_champions = [key for key in found if key == active or key.endswith("/best_model_info.json")]
    return sorted(names_champions, key=lambda key: key != active) + [key for key in found if key not in names_champions]


def _belongs(key: str, pair: str) -> bool:
    """Prices and runs carry the pair in their name, other pairs than EURUSD have folders of their own."""
    folder, name = key.split("/")[:2]
    if folder in ("prices", "runs"):
        return name.startswith(f"{pair}-")
    return (name if _PAIR.fullmatch(name) else DEFAULT_PAIR) == pair


KEPT = 10  # generations, of those published and of those activated
_SHA256 = re.compile(rb"[0-9a-f]{64}")


def unserved(store: Store, pair: str, pointer_key: str) -> list[str]:
    """The keys of champions that only generations before the last KEPT name, in `models/` and in `serving/`.

    Whatever the pointer, the active record, the official forecast or a newer generation names stays, benchmarks too. So
    does a file that no generation names: it may be about to be published.
    """
    published = sorted(store.list(_folder(keys.history_key(1, pair))))
    activated = sorted(store.list(_folder(keys.activated_key(1, pair))))
    current = [pointer_key, keys.active_key(pair), keys.forecast_key(pair)]
    kept = _named(store, [*published[-KEPT:], *activated[-KEPT:], *current])
    old = _named(store, [*published[:-KEPT], *activated[:-KEPT]]) - kept
    champions = [key for make in (keys.champion_key, keys.serving_key) for key in store.list(_folder(make("0", pair)))]
    return [key for key in champions if key.rpartition("/")[2].removesuffix(".onnx") in old]


def _named(store: Store, records: list[str]) -> set[str]:
    """Every digest that these records hold, wherever it stands in them."""
    found: set[str] = set()
    for key in records:
        try:
            found |= {digest.decode() for digest in _SHA256.findall(store.read(key).data)}
        except Missing:
            continue
    return found


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
