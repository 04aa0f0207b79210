"""The clean slate: lists first, deletes only that, leaves the store alone unless told, and a retrain works after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import tracked
from tests.support.deferred import Deferred
from tests.support.foreign import put
from training.export.candidate import Registered

if TYPE_CHECKING:
    from training.publishing import cleanup as cleaning
    from training.publishing import mlflow_registry as registry
    from training.publishing.mlflow_registry import Registry
else:
    cleaning = Deferred("training.publishing.cleanup")
    registry = Deferred("training.publishing.mlflow_registry")


@pytest.fixture
def tracking(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with tracked.database(tmp_path, tmp_path_factory.getbasetemp()) as (opened, _):
        yield opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"STORE_DIR": str(tmp_path / "store")})


@pytest.fixture
def store(settings: Settings) -> Store:
    """A folder with a published champion."""
    opened = open_store(settings)
    tracked.put_prices(opened)
    tracked.publish(opened, settings)
    return opened


def test_a_plan_lists_runs_models_and_versions_and_changes_nothing(tracking: Registry) -> None:
    found = cleaning.make_plan(tracking, "EURUSD")
    assert sorted(name for _, name in found.runs) == [
        "arima",
        "lstm: champion",
        "random_walk",
        "through 2026-10-30: lstm",
    ]
    assert found.models == (("EURUSD_ARIMA", 1), ("EURUSD_LSTM", 1), ("EURUSD_RandomWalk", 1))
    assert len(found.logged_models) == 3
    assert found.experiment is None and found.keys == ()
    assert cleaning.make_plan(tracking, "EURUSD") == found


@pytest.mark.parametrize("keep_experiment", [True, False])
def test_a_retrain_works_on_the_clean_slate(tracking: Registry, keep_experiment: bool) -> None:
    before = tracking.client.get_experiment_by_name("EURUSD_Experiments")
    cleaning.execute(tracking, cleaning.make_plan(tracking, "EURUSD", keep_experiment=keep_experiment))
    assert cleaning.make_plan(tracking, "EURUSD") == cleaning.Plan((), (), (), None, ())

    registered = tracked.log(tracking)
    after = tracking.client.get_experiment_by_name("EURUSD_Experiments")
    assert before is not None and after is not None
    assert (after.experiment_id == before.experiment_id) == keep_experiment
    assert {version.version for version in registered.values()} == {1}
    assert registry.download(tracking, registered["lstm"]) == tracked.candidate("lstm").model
    assert len(cleaning.make_plan(tracking, "EURUSD").runs) == 4  # only the new ones


def test_cleaning_can_be_repeated(tracking: Registry) -> None:
    found = cleaning.make_plan(tracking, "EURUSD", keep_experiment=False)
    cleaning.execute(tracking, replace(found, models=found.models[:1], runs=found.runs[:2], experiment=None))
    cleaning.execute(tracking, found)
    cleaning.execute(tracking, found)
    assert cleaning.make_plan(tracking, "EURUSD", keep_experiment=False) == cleaning.Plan((), (), (), None, ())


def test_runs_deleted_before_are_not_listed(tracking: Registry) -> None:
    found = cleaning.make_plan(tracking, "EURUSD")
    tracking.client.delete_run(found.runs[0][0])
    assert cleaning.make_plan(tracking, "EURUSD").runs == found.runs[1:]


def test_other_pairs_are_left_alone(tracking: Registry) -> None:
    other: dict[str, Registered] = tracked.log(tracking, pair="GBPUSD")
    cleaning.execute(tracking, cleaning.make_plan(tracking, "EURUSD", keep_experiment=False))
    assert registry.find_version(tracking, "models:/GBPUSD_LSTM@champion") == other["lstm"]
    assert len(cleaning.make_plan(tracking, "GBPUSD").runs) == 4


def test_a_registry_that_never_trained_has_nothing_to_clean(tracking: Registry) -> None:
    assert cleaning.make_plan(tracking, "JPYUSD", keep_experiment=False) == cleaning.Plan((), (), (), None, ())


def test_the_store_is_not_touched_without_being_told(tracking: Registry, store: Store) -> None:
    before = store.list("")
    cleaning.execute(tracking, cleaning.make_plan(tracking, "EURUSD"))
    cleaning.execute(tracking, cleaning.Plan((), (), (), None, tuple(before)))
    assert store.list("") == before


def test_the_store_goes_from_what_is_served_to_what_that_names(tracking: Registry, store: Store) -> None:
    put(store, "runs/EURUSD-2026-10-31/prices.csv", b"date,close\n")
    others = ["models/GBPUSD/best_model_info.json", "prices/GBPUSD-ecb.csv", "runs/GBPUSD-1/plan.json"]
    others.append("serving/GBPUSD/active.json")
    for key in [*others, "README.md"]:
        put(store, key, b"{}")
    found = cleaning.make_plan(tracking, "EURUSD", store)
    assert found.keys[:2] == ("serving/active.json", "models/best_model_info.json")
    kept = [*others, "README.md", *store.list("record")]  # the ledger is never deleted
    assert set(found.keys) == set(store.list("")) - set(kept)
    cleaning.execute(tracking, found, store)
    assert store.list("") == sorted(kept)


def test_another_pairs_keys_are_found(tracking: Registry, store: Store) -> None:
    others = ["serving/GBPUSD/active.json", "models/GBPUSD/best_model_info.json", "prices/GBPUSD-ecb.csv"]
    for key in others:
        put(store, key, b"{}")
    assert cleaning.make_plan(tracking, "GBPUSD", store).keys == tuple(others)
