"""Every generation tells what it was, when it was active, why it came and why it went."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from lambda_fn.jobs.activation import Refused, activate
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from tests.support import foreign, seaweedfs, tracked
from tests.support.errors import has_cure
from tests.support.tracked import NOW, publish
from training.__main__ import main
from training.publishing.history import list_generations
from training.publishing.publish import rollback

PAIR = "EURUSD"


@pytest.fixture
def lived(store: Store, settings: Settings) -> Store:
    """Generation 1 was replaced by 2, 3 was refused, and 4 is 1 again."""
    tracked.put_prices(store)
    publish(store, settings, "arima")
    activate(store, settings, NOW)  # which a folder has done already
    publish(store, settings, "lstm", reason="lstm is better by a test", now=NOW + timedelta(hours=1))
    activate(store, settings, NOW + timedelta(hours=1))
    golden = publish(store, settings._replace(use_s3=True), "random_walk").pointer
    store.delete(golden.champion.key if golden.champion else "")
    with pytest.raises(Refused):
        activate(store, settings, NOW + timedelta(hours=2))
    rollback(store, settings, 1, NOW + timedelta(hours=3))
    activate(store, settings, NOW + timedelta(hours=3))
    return store


def test_who_was_champion_when(lived: Store) -> None:
    first, second, third, fourth = list_generations(lived, PAIR)
    assert [one.pointer.model_type for one in (first, second, third, fourth)] == [
        "ARIMA",
        "LSTM",
        "RandomWalk",
        "ARIMA",
    ]
    assert first.until == second.since and second.until == fourth.since and fourth.until is None
    assert first.end_reason == "replaced by generation 2: lstm is better by a test"
    assert (second.reason, second.end_reason) == (
        "lstm is better by a test",
        "replaced by generation 4: rollback to generation 1",
    )
    assert third.since is None and third.end_reason.startswith("refused: ")
    assert (fourth.reason, fourth.end_reason) == ("rollback to generation 1", "")
    assert first.losses() == fourth.losses() == {1: 0.09, 2: 0.1, 3: 0.11}
    assert second.losses() == {1: 0.091, 2: 0.101, 3: 0.111}, "those of the champion, not of a challenger"


def test_a_generation_that_waits_and_one_that_came_too_late(store: Store, settings: Settings) -> None:
    """Between them another was activated."""
    tracked.put_prices(store)
    bucket = settings._replace(use_s3=True)
    publish(store, bucket, "arima")
    (waiting,) = list_generations(store, PAIR)
    assert (waiting.since, waiting.end_reason) == (None, "not activated yet")
    publish(store, bucket, "lstm")
    activate(store, settings, NOW)
    late, active = list_generations(store, PAIR)
    assert late.end_reason == "never activated: generation 2 came first" and active.since is not None


def test_what_cannot_be_read_is_left_out(lived: Store) -> None:
    foreign.put(lived, keys.activated_key(2), b"{}")
    foreign.put(lived, keys.history_key(3), b"{}")
    found = list_generations(lived, PAIR)
    assert [one.generation for one in found] == [1, 2, 4]
    assert found[1].since is None, "that it was active is not known"


def test_the_command(lived: Store, store_environ: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with seaweedfs.variables(dict(store_environ)):
        assert main(["history"]) == 0
        shown = capsys.readouterr().out
        assert main(["history", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [one["generation"] for one in facts["generations"]] == [1, 2, 3, 4]
    for one in facts["generations"]:
        assert one["went"] in " ".join(shown.split())
    assert "…" not in shown and "ARIMA v1" in shown


def test_an_empty_store_says_what_to_do(store_environ: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    if folder := store_environ.get("STORE_DIR"):
        Path(folder).mkdir()
    with seaweedfs.variables(dict(store_environ)):
        assert main(["history"]) == 0
    shown = capsys.readouterr().out
    assert has_cure(shown) and shown.endswith(" eurusd run\n")
