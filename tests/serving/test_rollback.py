"""Rollback by the refresh function: what was active before is active again, and stays until something newer comes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lambda_fn import refresh
from lambda_fn.champion.refusals import read_status, record_key
from lambda_fn.contract import Active
from lambda_fn.jobs import activation
from lambda_fn.record.official_forecast import Official
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.dying_store import DyingStore, Killed
from tests.support.mlflow_fake import Fake
from tests.support.recorder import Reply, recording

pytestmark = pytest.mark.both_stores  # conditional writes, which the two stores do in different ways

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)
POINTER = "models/best_model_info.json"
OLD = Path(__file__).parents[1].joinpath("support/best_model_info_old.json").read_bytes()
LATER = timedelta(minutes=10)  # when a second call is no repetition of the first
CHAMPIONS = {number: foreign.champion_bytes(spread=0.005 + 0.0001 * number) for number in range(1, 5)}


def promote(store: Store, settings: Settings, generation: int | None, number: int, now: datetime = NOW) -> None:
    foreign.publish_to(store, CHAMPIONS[number], generation)
    assert refresh.refresh(store, settings, now).activation.outcome == "activated"


def serving(store: Store) -> tuple[int, int]:
    """Generation and number of what is active; its official forecast is of the same."""
    active = Active.parse(store.read(keys.ACTIVE_KEY).data)
    official = Official.parse(store.read(keys.forecast_key()).data, "EURUSD")
    assert (official.generation, official.champion["sha256"]) == (active.generation, active.champion.sha256)
    data = store.read(active.serving_key).data
    return active.generation, next(number for number, known in CHAMPIONS.items() if known == data)


@pytest.fixture
def invoke(store_environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[object], Any]:
    """As `aws lambda invoke` does."""
    for name, value in store_environ.items():
        monkeypatch.setenv(name, value)
    return lambda event: refresh.handler(event, SimpleNamespace(aws_request_id="by-hand"))


def test_what_was_active_before_is_active_again_until_a_newer_is_published(
    store: Store, settings: Settings, invoke: Callable[[object], Any]
) -> None:
    """On a folder and on S3; with no file of training but the pointer, which it only reads."""
    for generation in (1, 2, 3):
        promote(store, settings, generation, generation)
    for key in store.list("models/champions"):
        store.delete(key)
    published = store.list("models"), store.read(POINTER)
    result = invoke({"rollback": True})
    assert (result["outcome"], result["generation"]) == ("activated", 4)
    assert result["forecast"]["outcome"] == "made"
    assert serving(store) == (4, 2)
    assert (store.list("models"), store.read(POINTER)) == published
    assert Active.parse(store.read(keys.activated_key(4)).data).pointer.extra["reason"] == "rollback to generation 2"
    for _ in range(2):  # every hour, and nobody is told of a refusal
        again = invoke({})
        assert (again["outcome"], again["generation"]) == ("unchanged", 4)
        assert "rollback to generation 2, as generation 4; " in again["reason"]
    assert read_status(store, record_key(store.read(POINTER).data, "EURUSD")) is not None
    assert invoke({"rollback": 1})["generation"] == 5
    assert serving(store) == (5, 1)
    foreign.publish_to(store, CHAMPIONS[4], 6)
    assert invoke({})["outcome"] == "activated"
    assert serving(store) == (6, 4)


def test_asked_twice_it_goes_back_once(store: Store, settings: Settings, invoke: Callable[[object], Any]) -> None:
    """A client that waited too long asks again by itself."""
    for generation in (1, 2, 3):
        promote(store, settings, generation, generation)
    assert invoke({"rollback": 2})["generation"] == 4
    again = invoke({"rollback": 2})
    assert again["outcome"] == "unchanged" and re.search(r"\bgeneration 2 .*\bgeneration 4$", again["reason"])
    again = invoke({"rollback": True})
    assert again["outcome"] == "unchanged" and re.match(r"generation 4 .*\brolled back\b.*; ", again["reason"])
    assert serving(store) == (4, 2)


def test_it_goes_further_back_and_never_to_what_was_gone_back_from(tmp_path: Path) -> None:
    store, settings = FolderStore(tmp_path), Settings.from_env({"STORE_DIR": str(tmp_path)})
    for generation, number in enumerate((1, 2, 3, 2, 4), 1):
        promote(store, settings, generation, number)
    now, found = datetime.now(UTC), []
    for _ in range(3):
        result = refresh.rollback(store, settings, True, now)
        found.append(serving(store))
        now += LATER
    assert found == [(6, 2), (7, 3), (8, 1)]
    result = refresh.rollback(store, settings, True, now)
    assert result["outcome"] == "refused"
    assert re.search(r"\bno other champion\b.*\bgeneration 8\b.*; ", result["reason"])
    assert refresh.rollback(store, settings, 5, now)["generation"] == 9, "but who names it gets it"
    assert serving(store) == (9, 4)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (7, r"generation 7 .*\bnot kept; .* 1, 2$"),
        (1, r"generation 1 .*: models/champions/.*; .* 1, 2$"),
        ("2", r"rollback: '2' .*; .*\b12$"),
        (False, "rollback: 'False' .*; "),
        (0, "rollback: '0' .*; "),
        (1.5, "rollback: '1.5' .*; "),
        (None, "rollback: 'None' .*; "),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(target: object, message: str, tmp_path: Path) -> None:
    store, settings = FolderStore(tmp_path), Settings.from_env({"STORE_DIR": str(tmp_path)})
    nothing = refresh.rollback(store, settings, True, NOW)
    assert (nothing["outcome"], nothing["generation"]) == ("refused", None)
    for generation in (1, 2):
        promote(store, settings, generation, generation)
    first = Active.parse(store.read(keys.activated_key(1)).data)
    foreign.put(store, first.serving_key, b"damaged")
    foreign.put(store, first.champion.key, b"damaged")
    before = {key: store.read(key) for key in store.list("")}
    result = refresh.rollback(store, settings, target, NOW)
    assert (result["outcome"], result["generation"]) == ("refused", 2)
    assert re.match(message, result["reason"])
    assert {key: store.read(key) for key in store.list("")} == before


def test_an_activation_under_the_key_of_another_generation_is_not_activated_again(tmp_path: Path) -> None:
    store, settings = FolderStore(tmp_path), Settings.from_env({"STORE_DIR": str(tmp_path)})
    for generation in (1, 2, 3):
        promote(store, settings, generation, generation)
    foreign.put(store, keys.activated_key(1), store.read(keys.activated_key(2)).data)
    result = refresh.rollback(store, settings, 1, NOW)
    assert (result["outcome"], result["generation"]) == ("refused", 3)
    assert serving(store) == (3, 3)


def test_a_champion_that_fails_its_trial_today_is_not_activated_again(tmp_path: Path) -> None:
    """It passed once; since then the prices have lost the rows that it needs."""
    store, settings = FolderStore(tmp_path), Settings.from_env({"STORE_DIR": str(tmp_path)})
    foreign.publish_to(store, foreign.champion_bytes(window=50), 1)
    refresh.refresh(store, settings, NOW)
    promote(store, settings, 2, 2)
    foreign.put(store, "prices/EURUSD-ecb.csv", foreign.price_file(30))
    before = {key: store.read(key) for key in store.list("")}
    result = refresh.rollback(store, settings, 1, NOW)
    assert (result["outcome"], result["generation"]) == ("refused", 2)
    assert "the champion needs 50" in result["reason"]
    assert {key: store.read(key).data for key in store.list("serving")} == {
        key: blob.data for key, blob in before.items() if key.startswith("serving")
    }


def test_a_pointer_without_a_generation_is_not_activated_again(tmp_path: Path) -> None:
    store, settings = FolderStore(tmp_path), Settings.from_env({"STORE_DIR": str(tmp_path)})
    for number in (1, 2):
        promote(store, settings, None, number)
    assert refresh.rollback(store, settings, True, NOW)["generation"] == 3
    for _ in range(2):
        assert activation.activate(store, settings, NOW).outcome == "unchanged"
    assert serving(store) == (3, 1)
    promote(store, settings, None, 3)
    assert serving(store) == (4, 3)


def test_the_old_form_stays_rolled_back_until_its_alias_moves(tmp_path: Path) -> None:
    store, fake = FolderStore(tmp_path), Fake({})
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    promote(store, settings, 1, 1)
    foreign.put(store, POINTER, OLD)
    with recording(fake) as server:
        reaching = settings._replace(mlflow_tracking_uri=server.address)
        for number, generation in ((2, 2), (3, 4)):
            fake.change["model.onnx"] = Reply(200, CHAMPIONS[number])
            assert refresh.refresh(store, reaching, NOW).activation[:2] == ("activated", generation)
            assert refresh.rollback(store, reaching, 1, NOW)["generation"] == generation + 1
            assert refresh.refresh(store, reaching, NOW).activation[:2] == ("unchanged", generation + 1)
            assert serving(store) == (generation + 1, 1)
        assert refresh.rollback(store, reaching, 2, NOW)["generation"] == 6
        assert refresh.refresh(store, reaching, NOW).activation[:2] == ("unchanged", 6), "it means number 3 still"


def test_killed_at_any_write_a_refresh_keeps_what_is_active_and_again_goes_back(tmp_path: Path) -> None:
    """What is gone back from is marked first: a refresh in between finds it active and leaves it."""
    for kill in range(1, 9):
        folder = tmp_path / str(kill)
        settings = Settings.from_env({"STORE_DIR": str(folder)})
        store = open_store(settings)
        for number in (1, 2):
            promote(store, settings, number, number)
        dying = DyingStore(folder, kill)
        ended = True
        try:
            refresh.rollback(dying, settings, 1, NOW)
        except Killed:
            ended = False
        activation = refresh.refresh(store, settings, NOW).activation
        assert activation.outcome == "unchanged"
        assert serving(store) in ((2, 2), (3, 1))
        refresh.rollback(store, settings, 1, NOW)
        refresh.refresh(store, settings, NOW)
        assert serving(store) == (3, 1)
        if ended:
            return
    raise AssertionError("it has more writes than that")


def test_something_newer_that_comes_meanwhile_is_what_it_goes_back_from(tmp_path: Path) -> None:
    class Meanwhile(FolderStore):
        done = False

        def replace(self, key: str, data: bytes, etag: str | None) -> bool:
            if key == keys.ACTIVE_KEY and not self.done:
                self.done = True
                promote(open_store(settings), settings, 3, 3)
            return super().replace(key, data, etag)

    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = open_store(settings)
    for number in (1, 2):
        promote(store, settings, number, number)
    assert refresh.rollback(Meanwhile(tmp_path), settings, 1, NOW)["generation"] == 4
    assert serving(store) == (4, 1)
    assert activation.activate(store, settings, NOW).outcome == "unchanged"


def test_the_command_rolls_back(tmp_path: Path) -> None:
    store, settings = FolderStore(tmp_path), Settings.from_env({"STORE_DIR": str(tmp_path)})
    for number in (1, 2):
        promote(store, settings, number, number, datetime.now(UTC) - timedelta(hours=1))

    def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
        environ = {**os.environ, "STORE_DIR": str(tmp_path), "USE_S3": "false"}
        call = [sys.executable, "-m", "lambda_fn.refresh", *arguments]
        return subprocess.run(call, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    done = command("--rollback")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("activated: EURUSD_Foreign version 1 of generation 1 is active again\nforecast made")
    done = command("--rollback", "9", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["reason"].endswith(" 1, 2, 3")
    done = command("--rollback", "first")
    assert done.returncode == 2 and "'first' is not" in done.stderr
