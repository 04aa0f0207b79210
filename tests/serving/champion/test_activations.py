"""What may be activated, gone back to and recorded, on a folder with champions that are not tried out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lambda_fn.champion.cache import fetch_file
from lambda_fn.champion.gate import check_generation
from lambda_fn.champion.refusals import record_key
from lambda_fn.champion.rollback import RollbackError, roll_back
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.champion.signature import envelope, message
from lambda_fn.contract import Active, Golden
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import activate
from lambda_fn.prices.price_file import Table
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign

NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
LATER = timedelta(hours=1)
PAIR = "EURUSD"
POINTER = foreign.pointer_to(
    foreign.champion_bytes(), foreign.price_file(), 2, metrics={"rmse": 0.005, "mae": 0.004}, extra={"a": 1, "b": 2}
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


class Trusting(Sandbox):
    """A sandbox that passes every champion."""

    def run_trial(self, data: bytes, golden: Sequence[Golden], table: Table) -> Golden:
        return golden[0]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"STORE_DIR": str(tmp_path)})


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings)


def promote(store: Store, settings: Settings, generation: int, signed: bool = False) -> None:
    pointer = foreign.publish_to(store, foreign.champion_bytes(spread=0.005 + generation / 1_000), generation)
    if signed:
        value = KEY.sign(message(pointer, settings.stack))
        signature = envelope(KEY.public_key().public_bytes_raw(), settings.stack, value)
        foreign.put(store, settings.model_info_key, replace(pointer, signature=signature).to_json())
    assert activate(store, settings, NOW, sandbox=Trusting()).outcome == "activated"


def active(store: Store) -> Active:
    return Active.parse(store.read(keys.active_key()).data)


def test_a_file_of_another_digest_is_not_fetched(store: Store) -> None:
    file = POINTER.champion
    assert file is not None
    store.create(file.key, b"other bytes")
    with pytest.raises(ContractError):
        fetch_file(store, file.key, file.sha256)


# Beside generation 2, which is active: a generation, whether it is of the same file, and whether it may follow.
GENERATIONS = [(1, True, False), (2, True, True), (2, False, False), (3, False, True), (3, True, True)]


@pytest.mark.parametrize(("generation", "same", "may_follow"), GENERATIONS)
def test_a_generation_is_of_one_file(generation: int, same: bool, may_follow: bool) -> None:
    file = POINTER.champion
    assert file is not None
    last = Active(POINTER, file, 2, NOW, keys.serving_key(file.sha256))
    sha256 = file.sha256 if same else "0" * 64
    if may_follow:
        check_generation(generation, sha256, last)
    else:
        with pytest.raises(ContractError):
            check_generation(generation, sha256, last)


def test_a_record_of_a_pointer_does_not_depend_on_the_order_of_members() -> None:
    turned = replace(POINTER, metrics={"mae": 0.004, "rmse": 0.005}, extra={"b": 2, "a": 1})
    assert record_key(turned, PAIR) == record_key(POINTER, PAIR)
    assert record_key(replace(POINTER, metrics={}), PAIR) != record_key(POINTER, PAIR)


def test_a_record_of_another_generation_is_no_way_back(store: Store, settings: Settings) -> None:
    for generation in (1, 2, 3):
        promote(store, settings, generation)
    foreign.put(store, keys.activated_key(1), store.read(keys.activated_key(2)).data)
    with pytest.raises(RollbackError):
        roll_back(store, settings, 1, NOW + LATER, Trusting())
    assert roll_back(store, settings, 2, NOW + LATER, Trusting()).generation == 4


def test_what_was_rolled_back_to_has_no_signature(store: Store, settings: Settings) -> None:
    """That of its pointer was of another generation."""
    for generation in (1, 2):
        promote(store, settings, generation, signed=True)
    assert active(store).pointer.signature is not None
    assert roll_back(store, settings, 1, NOW + LATER, Trusting()).outcome == "activated"
    assert active(store).pointer.signature is None
