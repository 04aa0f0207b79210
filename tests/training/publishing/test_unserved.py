"""What nobody serves any more goes; what is active, what a rollback needs and what is being published stays."""

import json
from pathlib import Path

import pytest

from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support.foreign import put
from training.publishing.cleanup import list_unserved

POINTER = "models/best_model_info.json"


def sha(number: int) -> str:
    return f"{number:064x}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Fourteen generations, each published and activated with a champion of its own."""
    made = open_store(Settings.from_env({"STORE_DIR": str(tmp_path)}))
    for generation in range(1, 15):
        record = json.dumps({"champion": {"sha256": sha(generation)}}).encode()
        for key in (keys.history_key(generation), keys.activated_key(generation)):
            put(made, key, record)
        for key in (keys.champion_key(sha(generation)), keys.serving_key(sha(generation))):
            put(made, key, b"onnx")
    put(made, POINTER, record)
    put(made, keys.active_key(), record)
    return made


def both(*numbers: int) -> set[str]:
    return {make(sha(number)) for number in numbers for make in (keys.champion_key, keys.serving_key)}


def test_the_last_ten_generations_stay(store: Store) -> None:
    assert set(list_unserved(store, "EURUSD", POINTER)) == both(1, 2, 3, 4)


@pytest.mark.parametrize("key", [POINTER, keys.active_key(), keys.forecast_key(), keys.activated_key(14)])
def test_what_is_named_now_stays_however_old_it_is(store: Store, key: str) -> None:
    """As an old champion that is active again, or a benchmark of the active one."""
    put(store, key, json.dumps({"champion": {"sha256": sha(14)}, "benchmarks": {"garch": {"sha256": sha(2)}}}).encode())
    assert set(list_unserved(store, "EURUSD", POINTER)) == both(1, 3, 4)


def test_what_was_never_published_and_other_pairs_stay(store: Store) -> None:
    put(store, keys.champion_key(sha(99)), b"about to be published")
    put(store, keys.champion_key(sha(1), "GBPUSD"), b"another pair's")
    assert set(list_unserved(store, "EURUSD", POINTER)) == both(1, 2, 3, 4)
    assert list_unserved(store, "GBPUSD", "models/GBPUSD/best_model_info.json") == []
