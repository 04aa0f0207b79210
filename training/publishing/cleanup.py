"""Delete runs and models of a pair and, on request, its files in the store; delete champions that nothing needs."""

import re
from dataclasses import dataclass

from lambda_fn.settings import DEFAULT_PAIR
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store
from training.publishing import mlflow_registry
from training.publishing.mlflow_registry import Registry
from training.publishing.mlflow_runs import MOVED, experiment_name

FOLDERS = ("models", "serving", "prices", "runs")  # folders of the store that belong to this project
_PAIR = re.compile("[A-Z]{6}")


@dataclass(frozen=True)
class Plan:
    """The items that `execute` deletes.

    Attributes:
        runs: (id, name) of each run.
        models: (name, number of versions) of each registered model.
        logged_models: The id of each logged model.
        experiment: (id, name), None when it stays or does not exist.
        keys: Keys of the store.
    """

    runs: tuple[tuple[str, str], ...]
    models: tuple[tuple[str, int], ...]
    logged_models: tuple[str, ...]
    experiment: tuple[str, str] | None
    keys: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.runs or self.models or self.logged_models or self.experiment or self.keys)


def make_plan(tracking: Registry, pair: str, store: Store | None = None, keep_experiment: bool = True) -> Plan:
    """List what exists of a pair. Nothing is changed.

    Args:
        tracking: The registry.
        pair: The currency pair.
        store: The store whose keys are listed; None for none.
        keep_experiment: Leave out the experiment.
    """
    client, name = tracking.client, experiment_name(pair)
    experiments = {
        experiment.experiment_id: experiment.name
        for experiment in mlflow_registry.pages(client.search_experiments, filter_string=f"name LIKE '{name}%'")
        if experiment.name == name or experiment.name.startswith(f"{name}{MOVED}")
    }
    ids = list(experiments)
    runs = mlflow_registry.pages(client.search_runs, ids, max_results=1000) if ids else ()
    logged_models = mlflow_registry.pages(client.search_logged_models, ids, max_results=50) if ids else ()
    current = [(number, found_name) for number, found_name in experiments.items() if found_name == name]
    pair_keys: list[str] = []
    if store is not None:  # the records that refer to files are deleted before the files
        active = keys.active_key(pair)
        pair_keys = [key for folder in FOLDERS for key in store.list(folder) if _find_pair(key) == pair]
        pair_keys.sort(key=lambda key: (key != active, not key.endswith("/best_model_info.json")))
    return Plan(
        runs=tuple((run.info.run_id, run.info.run_name or "") for run in runs),
        models=tuple(
            (model.name, sum(1 for _ in mlflow_registry.list_versions(tracking, model.name)))
            for model in mlflow_registry.list_models(tracking, pair)
        ),
        logged_models=tuple(model.model_id for model in logged_models),
        experiment=current[0] if current and not keep_experiment else None,
        keys=tuple(pair_keys),
    )


def execute(tracking: Registry, plan: Plan, store: Store | None = None) -> None:
    """Delete what the plan lists. Missing items are no error, so that an interrupted call can be repeated.

    The experiment is renamed before it is deleted: MLflow reserves the name of a deleted experiment, and the next run
    needs it. Runs and files can be recovered until `mlflow gc` removes them. In the store, records are deleted before
    the files that they refer to, so that the service never refers to a missing file.
    """
    client, delete = tracking.client, mlflow_registry.delete_if_exists
    for name, _ in plan.models:
        delete(client.delete_registered_model, name)
    for model_id in plan.logged_models:
        delete(client.delete_logged_model, model_id)
    for run_id, _ in plan.runs:
        delete(client.delete_run, run_id)
    if plan.experiment is not None:
        number, name = plan.experiment
        delete(client.rename_experiment, number, f"{name}-deleted-{number}")
        delete(client.delete_experiment, number)
    if store is not None:
        for key in plan.keys:
            store.delete(key)


def _find_pair(key: str) -> str:
    """Return the pair of a key: prices and runs have it in their name; pairs but EURUSD have their own folders."""
    folder, name = key.split("/")[:2]
    if folder in ("prices", "runs"):
        return name.partition("-")[0]
    return name if _PAIR.fullmatch(name) else DEFAULT_PAIR


KEPT_GENERATIONS = 10  # the latest published ones, and the latest activated ones
_SHA256 = re.compile(rb"[0-9a-f]{64}")


def list_unserved(store: Store, pair: str, pointer_key: str) -> list[str]:
    """Return the keys of champions, in `models/` and `serving/`, that only old generations refer to.

    Old is before the last KEPT_GENERATIONS. A file stays when the pointer, the active record, the official forecast or
    a later generation refers to it, also as a benchmark. A file to which no generation refers stays too: it may be
    about to be published.
    """
    published = sorted(store.list(_folder(keys.history_key(1, pair))))
    activated = sorted(store.list(_folder(keys.activated_key(1, pair))))
    current = [pointer_key, keys.active_key(pair), keys.forecast_key(pair)]
    recent = [*published[-KEPT_GENERATIONS:], *activated[-KEPT_GENERATIONS:]]
    needed = _read_digests(store, [*recent, *current])
    old = _read_digests(store, [*published[:-KEPT_GENERATIONS], *activated[:-KEPT_GENERATIONS]]) - needed
    champions = [key for make in (keys.champion_key, keys.serving_key) for key in store.list(_folder(make("0", pair)))]
    return [key for key in champions if key.rpartition("/")[2].removesuffix(".onnx") in old]


def _read_digests(store: Store, records: list[str]) -> set[str]:
    """Return every SHA-256 in these records, in whatever field."""
    digests: set[str] = set()
    for key in records:
        try:
            digests |= {digest.decode() for digest in _SHA256.findall(store.read(key).data)}
        except Missing:
            continue
    return digests


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
