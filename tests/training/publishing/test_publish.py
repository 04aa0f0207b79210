"""Publishing: what is written in which order, what a kill leaves, two publishers at once, and going back."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest

from lambda_fn import contract, refresh
from lambda_fn.champion.cache import ChampionCache
from lambda_fn.champion.refusals import record_key
from lambda_fn.champion.runtime import Champion
from lambda_fn.champion.sandbox import Pool
from lambda_fn.contract import Pointer
from lambda_fn.jobs import activation
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign, tracked
from tests.support.deferred import Deferred
from tests.support.dying_store import DyingStore, Killed
from tests.support.errors import has_cure
from tests.support.tracked import NOW, publish
from training.export.candidate import Registered
from training.publishing import promotion
from training.publishing import publish as publishing
from training.publishing.history import list_generations
from training.publishing.mlflow_access import AliasHolders, RegistryError
from training.publishing.promotion import PublishError, champion_scores
from training.publishing.publish import golden_windows, move_aliases, publish_version, rollback
from training.publishing.status import collect_status

POINTER_KEY = "models/best_model_info.json"
ROOT = Path(__file__).parents[3]
if TYPE_CHECKING:
    from training.publishing import mlflow_registry as registry
    from training.publishing.mlflow_registry import Registry
else:
    registry = Deferred("training.publishing.mlflow_registry")

Found: TypeAlias = "tuple[Registry, dict[str, Registered]]"


@pytest.fixture
def found(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    with tracked.database(tmp_path, tmp_path_factory.getbasetemp()) as tracking:
        yield tracking


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def settings(folder: Path) -> Settings:
    return Settings.from_env({"STORE_DIR": str(folder)})


@pytest.fixture
def store(settings: Settings) -> Store:
    opened = open_store(settings)
    tracked.put_prices(opened)
    return opened


def serving(store: Store, settings: Settings) -> tuple[int, str]:
    """Generation and digest of what a serving process that starts now serves."""
    current = ChampionCache(store, settings, lambda: NOW.timestamp(), Pool()).current()
    assert current.champion.sha256 == current.active.champion.sha256
    return current.active.generation, current.champion.sha256


def test_publish_writes_every_key_and_activates(store: Store, settings: Settings) -> None:
    published = publish(store, settings)
    sha256 = tracked.candidate().sha256
    assert published.activation is not None and published.activation.outcome == "activated"
    assert published.superseded_by is None
    assert store.list("") == [
        "models/best_model_info.json",
        f"models/champions/{sha256}.onnx",
        "models/history/00000001.json",
        "prices/EURUSD-ecb.csv",
        "record/EURUSD/2026-10-30.json",
        "serving/active.json",
        "serving/book.json",
        f"serving/champions/{sha256}.onnx",
        "serving/forecast.json",
        "serving/history/00000001.json",
        "serving/record.json",
    ]
    assert store.read(f"models/champions/{sha256}.onnx").data == tracked.candidate().model
    assert store.read("models/history/00000001.json").data == store.read(POINTER_KEY).data
    assert serving(store, settings) == (1, sha256)


def test_the_pointer_has_every_key(store: Store, settings: Settings) -> None:
    publish(store, settings, version=7)
    found = json.loads(store.read(POINTER_KEY).data)
    assert found.pop("golden") and found.pop("scores")
    made = tracked.candidate()
    assert found == {
        "model_type": "LSTM",
        "model_name": "EURUSD_LSTM",
        "model_version": "7",
        "model_uri": "models:/EURUSD_LSTM@champion",
        "run_id": "f" * 32,
        "model_alias": "champion",
        "metrics": {"rmse": 0.51, "mae": 0.41, "directional_accuracy": 0.501, "pinball": 0.091},
        "baseline_metrics": {"rmse": 0.53, "mae": 0.43, "directional_accuracy": 0.5, "pinball": 0.093},
        "contract_version": "1",
        "generation": 1,
        "pair": "EURUSD",
        "champion": {
            "key": f"models/champions/{made.sha256}.onnx",
            "sha256": made.sha256,
            "size": len(made.model),
        },
        "trained_through": "2026-10-30",
        "created_at": "2026-10-31T09:00:00Z",
    }


def test_the_pointer_carries_the_scores_of_every_family_the_champion_first(store: Store, settings: Settings) -> None:
    pointer = publish(store, settings).pointer
    rows = pointer.scores
    assert [(row["family"], row["horizon"]) for row in rows] == [
        (family, horizon)
        for family in ("lstm", "arima", "random_walk", "constant", "ewma", "garch")
        for horizon in (1, 2, 3)
    ]
    assert {row["family"] for row in champion_scores(pointer)} == {"lstm"}
    of_an_older_release = tuple(row for row in rows if row["family"] in ("lstm", "constant", "ewma", "garch"))
    assert champion_scores(replace(pointer, scores=of_an_older_release)) == champion_scores(pointer)
    assert rows[0] == {
        "family": "lstm", "horizon": 1, "n": 4310, "pinball": 0.091,
        "skill_ewma": 0.01, "rmse": 0.51, "mae": 0.41, "direction": 0.501,
    }  # fmt: skip
    assert "skill_ewma" not in next(row for row in rows if row["family"] == "ewma")  # NaN is no JSON


def test_the_same_champion_is_deployed_again_for_other_challengers_but_not_for_their_digits(
    store: Store, settings: Settings
) -> None:
    """A random model scores a little differently on another processor; the page lists the families of the run."""
    pointer = publish(store, settings).pointer

    def deployed(changed: dict[str, Any], families: tuple[str, ...] = ("lstm", "arima", "constant", "garch")) -> bool:
        """Whether this pointer counts as the published one, with the first row of a family changed."""
        rows = (row | changed.get(row["family"], {}) for row in pointer.scores if row["family"] in families)
        return promotion.find_published(store, settings, replace(pointer, scores=tuple(rows))) is not None

    every = ("lstm", "arima", "random_walk", "constant", "ewma", "garch")
    assert deployed({}, every)
    assert deployed({"arima": {"pinball": 0.0900001}}, every)
    assert not deployed({"lstm": {"pinball": 0.0900001}}, every)
    assert not deployed({"garch": {"pinball": 0.0900001}}, every)
    assert not deployed({})


def test_the_pointer_knows_events_as_long_as_each_kind_of_its_champion(store: Store, settings: Settings) -> None:
    """The alarm on EventDaysLeft reads it: it rings for the kind whose dates end first, if the champion uses it."""

    def known_through(entry: str | None) -> date | None:
        return publish(store, settings, props={"events_known_through": entry}).pointer.events_known_through

    assert known_through('{"ECB": "2028-12-07", "FOMC": "2028-01-26"}') == date(2028, 1, 26)
    assert known_through('{"CPI": "2026-12-10", "ECB": "2028-12-07", "FOMC": "2028-01-26"}') == date(2026, 12, 10)
    assert known_through(None) is None
    with pytest.raises(PublishError, match="events_known_through: 'soon'"):
        known_through("soon")


def test_golden_windows_end_a_quarter_apart_and_hold_dates(store: Store) -> None:
    champion = Champion.load(foreign.champion_bytes(dated=True))
    windows = golden_windows(store, champion)
    days = foreign.price_rows(200)
    ends = [(np.datetime64(int(last), "D")) for last in windows["date"][:, -1]]
    assert [str(end) for end in ends] == [str(days[-1]), str(days[-64]), str(days[-127])]
    assert windows["close"].shape == (3, foreign.WINDOW) and windows["target_date"].shape == (3, foreign.HORIZON)


def test_short_price_files_give_fewer_golden_windows(settings: Settings) -> None:
    store = open_store(settings)
    store.create("prices/EURUSD-ecb.csv", foreign.price_file(foreign.WINDOW + 63))
    champion = Champion.load(foreign.champion_bytes())
    assert golden_windows(store, champion)["close"].shape == (2, foreign.WINDOW)


def test_the_generation_follows_pointer_history_and_active(store: Store, settings: Settings) -> None:
    publish(store, settings)
    store.create(keys.history_key(41), b"reserved by a publisher that was killed")
    assert publish(store, settings, "arima").generation == 42
    assert serving(store, settings) == (42, tracked.candidate("arima").sha256)


ABSURD = contract.MAX_GENERATION


@pytest.mark.parametrize("active_first", [True, False])
def test_an_absurd_generation_locks_nothing_and_is_named(store: Store, settings: Settings, active_first: bool) -> None:
    if active_first:
        publish(store, settings)
    before = 1 if active_first else 0
    pointer = publish(store, settings, "arima").pointer if active_first else tracked_pointer(store)
    foreign.put(store, POINTER_KEY, replace(pointer, generation=ABSURD).to_json())
    store.create(keys.history_key(ABSURD), replace(pointer, generation=ABSURD).to_json())
    with pytest.raises(activation.Refused, match=f"pointer.generation: {ABSURD} is more than"):
        activation.activate(store, settings, NOW)
    for turn in range(2):
        published = publish(store, settings, "lstm" if turn else "random_walk")
        assert published.generation == 2 * before + 1 + turn
        assert published.superseded_by is None
        assert serving(store, settings)[0] == published.generation
        assert Pointer.parse(store.read(POINTER_KEY).data) == published.pointer
        assert [note.partition(":")[0] for note in published.notes] == [
            keys.history_key(ABSURD), *([POINTER_KEY] if not turn else [])
        ]  # fmt: skip
        assert f"generation {ABSURD} is ignored" in published.notes[0]
    assert rollback(store, settings, None, NOW).generation == published.generation + 1


def tracked_pointer(store: Store) -> Pointer:
    """Of a champion that was never active."""
    return foreign.publish_to(store, foreign.champion_bytes(), 7, foreign.price_file(200))


def test_a_generation_at_the_end_of_the_jump_locks_nothing(store: Store, settings: Settings) -> None:
    """What is refused just below the limit takes no room from the next, whatever was reserved meanwhile."""
    publish(store, settings)
    end = 1 + contract.MAX_GENERATION_STEP
    store.create(keys.history_key(end - 1), b"reserved")
    assert publish(store, settings, "arima").generation == end
    assert serving(store, settings)[0] == end
    assert publish(store, settings, "lstm").generation == end + 1


def test_what_was_active_counts_when_the_active_file_is_lost(store: Store, settings: Settings) -> None:
    publish(store, settings)
    publish(store, settings, "arima")
    for key in (keys.active_key(), POINTER_KEY, keys.history_key(1), keys.history_key(2)):
        store.delete(key)
    assert publish(store, settings, "lstm").generation == 3
    assert serving(store, settings)[0] == 3


def test_the_last_generation_of_all_is_named_with_the_cure(store: Store, settings: Settings) -> None:
    publish(store, settings)
    active = contract.Active.parse(store.read(keys.active_key()).data)
    last = replace(active, generation=ABSURD, pointer=replace(active.pointer, generation=ABSURD))
    foreign.put(store, keys.active_key(), last.to_json())
    with pytest.raises(PublishError, match=rf"^generation {ABSURD} .*; delete serving/active\.json and "):
        publish(store, settings, "arima")


def test_a_damaged_refusal_is_one_all_the_same(store: Store, settings: Settings) -> None:
    pointer = publish(store, settings).pointer
    store.create(record_key(pointer, "EURUSD"), b"\xff{")
    record = promotion.read_refusal(store, "EURUSD", pointer)
    assert record is not None and (record.state, record.champion) == ("refused", None)
    assert "record cannot be" in record.reason and "refusal: " in record.reason


def test_a_pointer_of_the_old_form_is_replaced(store: Store, settings: Settings) -> None:
    old = Pointer("LSTM", "EURUSD_LSTM", "1", "models:/EURUSD_LSTM@champion")
    store.create(POINTER_KEY, old.to_json())
    assert publish(store, settings).generation == 1
    assert serving(store, settings)[0] == 1


@pytest.mark.parametrize("broken", [b"", b"{", b"[]"])
def test_a_broken_pointer_is_replaced(store: Store, settings: Settings, broken: bytes) -> None:
    store.create(POINTER_KEY, broken)
    publish(store, settings)
    assert serving(store, settings)[0] == 1


@pytest.mark.parametrize(
    ("of_champion", "message"),
    [
        ({"drift": 0.5}, r"the median is \d+\.\d% .* on day 1, "),
        ({"drift": float("nan")}, "finite"),
        ({"spread": -0.005}, "ascending"),
    ],
)
def test_what_serving_would_refuse_is_not_published(
    store: Store, settings: Settings, of_champion: dict[str, Any], message: str
) -> None:
    before = store.list("")
    with pytest.raises(PublishError, match=message):
        publish(store, settings, **of_champion)
    assert store.list("") == before


def test_a_champion_of_another_pair_is_not_published(store: Store, settings: Settings) -> None:
    other = settings._replace(model_info_key="models/GBPUSD/best_model_info.json")
    tracked.put_prices(store, "GBPUSD")
    made = tracked.candidate()
    registered = Registered(made.name, 1, "", made.sha256)
    windows = golden_windows(store, Champion.load(made.model))
    with pytest.raises(PublishError, match="GBPUSD"):
        publishing.publish(store, other, made, registered, tracked.score_table(), windows, NOW)


def test_another_pair_has_its_own_keys(store: Store, folder: Path) -> None:
    publish(store, Settings.from_env({"STORE_DIR": str(folder)}))
    settings = Settings.from_env({"STORE_DIR": str(folder), "S3_MODEL_INFO_KEY": "models/GBPUSD/best_model_info.json"})
    tracked.put_prices(store, "GBPUSD")
    published = publish(store, settings, "arima")
    assert published.generation == 1
    assert published.pointer.model_uri == "models:/GBPUSD_ARIMA@champion"
    assert {"models/GBPUSD/history/00000001.json", "serving/GBPUSD/active.json"} <= set(store.list(""))


def test_wrong_bytes_under_the_champions_key_are_named(store: Store, settings: Settings) -> None:
    key = keys.champion_key(tracked.candidate().sha256)
    store.create(key, b"half of it")
    with pytest.raises(PublishError, match=f"delete {key}"):
        publish(store, settings)
    assert POINTER_KEY not in store.list("")


def test_killed_after_any_write_the_old_champion_is_served_and_publishing_again_heals(
    store: Store, settings: Settings, folder: Path, tmp_path: Path
) -> None:
    publish(store, settings, "arima")
    old, new = tracked.candidate("arima").sha256, tracked.candidate("lstm").sha256
    for kill in range(1, 20):
        shutil.copytree(folder, tmp_path / str(kill))
    subprocess.run([sys.executable, "-m", "tests.support.dying", str(tmp_path)], check=True, cwd=ROOT)

    served, refreshed = [], []
    for kill in range(1, 20):
        there = Settings.from_env({"STORE_DIR": str(tmp_path / str(kill))})
        killed = open_store(there)
        served.append(serving(killed, there))
        activation.activate(killed, there, NOW)  # as the timer does; it raises when the pointer names what is not there
        refreshed.append(serving(killed, there))
        again = publish(killed, there, "lstm", 3)
        assert Pointer.parse(killed.read(POINTER_KEY).data) == again.pointer
        assert serving(killed, there) == (again.generation, new)
        assert again.generation in [found.generation for found in list_generations(killed, "EURUSD")]
    # Champion, history, aliases, pointer, serving copy, active, its record, the day's ledger and the official forecast;
    # the tenth publisher lives, and no more are started.
    before, after, untouched = (1, old), (2, new), [(1, old)] * 9
    assert served == [before] * 5 + [after] * 5 + untouched
    assert refreshed == [before] * 3 + [after] * 7 + untouched


def test_aliases_that_cannot_be_moved_stop_before_the_pointer(store: Store, settings: Settings) -> None:
    publish(store, settings, "arima")

    def unreachable(pointer: Pointer) -> None:
        raise RegistryError("the registry is down")

    with pytest.raises(RegistryError):
        publish(store, settings, "lstm", move=unreachable)
    activation.activate(store, settings, NOW)
    assert serving(store, settings) == (1, tracked.candidate("arima").sha256)
    assert publish(store, settings, "lstm").generation == 3


def test_another_publisher_that_is_faster_wins_and_keeps_the_alias(
    found: Found, store: Store, settings: Settings
) -> None:
    tracking, registered = found
    arima = move_aliases(tracking, [registered["arima"], registered["lstm"]])
    lstm = move_aliases(tracking, [registered["lstm"], registered["arima"]])

    def interrupted(pointer: Pointer) -> None:
        if pointer.generation == 1:
            assert publish(store, settings, "arima", move=arima).generation == 2
        lstm(pointer)

    published = publish(store, settings, "lstm", move=interrupted)
    assert published.generation == 1 and published.superseded_by == 2
    assert serving(store, settings) == (2, tracked.candidate("arima").sha256)
    assert registry.alias_holder(tracking, "EURUSD", "champion") == ("EURUSD_ARIMA", 1)


def test_publishers_at_once_get_their_own_generations_and_the_highest_is_served(
    store: Store, settings: Settings
) -> None:
    families = [*tracked.MODEL_TYPES] * 2
    start = threading.Barrier(len(families))
    done: dict[int, str] = {}

    def run(family: str) -> None:
        start.wait()
        done[publish(open_store(settings), settings, family).generation] = family

    threads = [threading.Thread(target=run, args=(family,)) for family in families]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [1, 2, 3, 4, 5, 6]
    assert Pointer.parse(store.read(POINTER_KEY).data).generation == 6
    activation.activate(store, settings, NOW)
    assert serving(store, settings) == (6, tracked.candidate(done[6]).sha256)


def test_a_bucket_is_published_to_like_a_folder_and_left_to_refresh(store_environ: Mapping[str, str]) -> None:
    settings = Settings.from_env(store_environ)
    store = open_store(settings)
    tracked.put_prices(store)
    publish(store, settings, "arima")
    second = publish(store, settings, "lstm")
    assert (second.activation is None) == ("serving/active.json" not in store.list("")) == settings.use_s3
    activation.activate(store, settings, NOW)
    assert serving(store, settings) == (2, tracked.candidate("lstm").sha256)
    assert rollback(store, settings, 1, NOW).generation == 3
    activation.activate(store, settings, NOW)
    assert serving(store, settings) == (3, tracked.candidate("arima").sha256)


@pytest.mark.parametrize("uri", ["models:/EURUSD_ARIMA@challenger", "models:/EURUSD_ARIMA/1"])
def test_a_version_chosen_by_hand_is_published_with_its_alias(
    found: Found, store: Store, settings: Settings, uri: str
) -> None:
    tracking, registered = found
    publish(store, settings, "lstm")
    pointer = publish_version(tracking, store, settings, uri, NOW).pointer
    assert serving(store, settings) == (2, tracked.candidate("arima").sha256)
    assert registry.alias_holder(tracking, "EURUSD", "champion") == ("EURUSD_ARIMA", 1)
    assert (pointer.model_type, pointer.model_version, pointer.run_id) == ("ARIMA", "1", registered["arima"].run_id)
    assert pointer.metrics["pinball"] == 0.09 and pointer.baseline_metrics["pinball"] == 0.093
    assert [row["family"] for row in pointer.scores if row["horizon"] == 1] == [
        "arima", "lstm", "random_walk", "constant", "ewma", "garch",
    ]  # fmt: skip


def test_a_version_that_holds_no_champion_is_refused_with_the_cure(
    found: Found, store: Store, settings: Settings, tmp_path: Path
) -> None:
    tracking, _ = found
    before = store.list("")
    (tmp_path / "other").mkdir()
    tracking.client.create_model_version("EURUSD_LSTM", (tmp_path / "other").as_uri())
    with pytest.raises(RegistryError, match=r"holds no model\.onnx.*eurusd run"):
        publish_version(tracking, store, settings, "models:/EURUSD_LSTM/2", NOW)
    (tmp_path / "other" / "model.onnx").write_bytes(foreign.champion_bytes(props={"contract_version": "9"}))
    with pytest.raises(PublishError, match=r"under contract 1.*eurusd run"):
        publish_version(tracking, store, settings, "models:/EURUSD_LSTM/2", NOW)
    assert store.list("") == before
    assert registry.alias_holder(tracking, "EURUSD", "champion") == ("EURUSD_LSTM", 1)


def test_going_back_publishes_the_old_champion_as_a_new_generation(
    found: Found, store: Store, settings: Settings
) -> None:
    tracking, registered = found
    publish(store, settings, "arima", now=NOW - timedelta(days=1))
    publish(store, settings, "lstm", move=move_aliases(tracking, [registered["lstm"]]))
    back = rollback(store, settings, None, NOW, tracking)
    assert back.generation == 3 and back.notes == ()
    assert serving(store, settings) == (3, tracked.candidate("arima").sha256)
    assert back.pointer.created_at == NOW
    assert registry.alias_holder(tracking, "EURUSD", "champion") == ("EURUSD_ARIMA", 1)
    assert rollback(store, settings, 2, NOW).generation == 4
    assert serving(store, settings) == (4, tracked.candidate("lstm").sha256)


def test_going_back_says_when_the_version_is_gone(found: Found, store: Store, settings: Settings) -> None:
    tracking, _ = found
    publish(store, settings, "arima")
    publish(store, settings, "lstm")
    tracking.client.delete_registered_model("EURUSD_ARIMA")
    back = rollback(store, settings, 1, NOW, tracking)
    (note,) = back.notes
    assert note.startswith("the alias champion ") and "models:/EURUSD_ARIMA/1" in note and has_cure(note)
    assert serving(store, settings) == (3, tracked.candidate("arima").sha256)
    assert registry.alias_holder(tracking, "EURUSD", "champion") == ("EURUSD_LSTM", 1)


def test_going_back_passes_over_what_was_refused_and_what_is_the_same(store: Store, settings: Settings) -> None:
    publish(store, settings, "arima")
    refused = replace(publish(store, settings, "random_walk").pointer, generation=3)
    store.create(keys.history_key(3), refused.to_json())
    store.create(record_key(refused, "EURUSD"), b'{"reason": "odd"}')
    store.delete(keys.history_key(2))
    publish(store, settings, "lstm")
    publish(store, settings, "lstm")
    assert rollback(store, settings, None, NOW).pointer.model_name == "EURUSD_ARIMA"


def test_going_back_passes_over_a_file_that_serving_went_back_from_later(store: Store, settings: Settings) -> None:
    """The rules are those of serving: the third generation has the file of the first, and was rolled back."""
    for family in ("arima", "lstm", "arima", "random_walk"):
        publish(store, settings, family)
    assert refresh.rollback(store, settings, True, NOW)["generation"] == 5
    assert serving(store, settings) == (5, tracked.candidate("arima").sha256)
    later = NOW + timedelta(minutes=10)
    assert refresh.rollback(store, settings, True, later)["generation"] == 6
    assert serving(store, settings) == (6, tracked.candidate("lstm").sha256)
    with pytest.raises(PublishError, match=r" before generation 6; .*--to"):
        rollback(store, settings, None, later)
    assert rollback(store, settings, 1, later).generation == 7
    assert serving(store, settings) == (7, tracked.candidate("arima").sha256)


def test_going_back_works_when_the_active_file_is_lost(store: Store, settings: Settings) -> None:
    publish(store, settings, "arima")
    publish(store, settings, "lstm")
    store.delete(keys.active_key())
    assert rollback(store, settings, None, NOW).generation == 3
    assert serving(store, settings) == (3, tracked.candidate("arima").sha256)


def test_killed_at_any_write_going_back_serves_one_of_both_and_works_again(tmp_path: Path) -> None:
    """The writes are history, pointer, and those of the activation; a refresh in between harms nothing."""
    old, new = tracked.candidate("arima").sha256, tracked.candidate("lstm").sha256
    served = []
    for kill in range(1, 10):
        settings = Settings.from_env({"STORE_DIR": str(tmp_path / str(kill))})
        store = open_store(settings)
        tracked.put_prices(store)
        publish(store, settings, "arima")
        publish(store, settings, "lstm")
        try:
            rollback(DyingStore(tmp_path / str(kill), kill), settings, 1, NOW)
        except Killed:
            served.append(serving(store, settings))
            activation.activate(store, settings, NOW)
            assert serving(store, settings) in ((2, new), (3, old))
            again = rollback(store, settings, 1, NOW)
            assert Pointer.parse(store.read(POINTER_KEY).data) == again.pointer
            assert serving(store, settings) == (again.generation, old)
        else:
            break
    assert served == sorted(served) and {(2, new), (3, old)} == set(served)
    assert serving(store, settings) == (3, old), "the last one lives"


def test_there_may_be_nothing_to_go_back_to(store: Store, settings: Settings) -> None:
    with pytest.raises(PublishError, match="nothing is active"):
        rollback(store, settings, None, NOW)
    publish(store, settings)
    with pytest.raises(PublishError, match="before generation 1; "):
        rollback(store, settings, None, NOW)
    with pytest.raises(PublishError, match=r"^generation 9 .* history; .* 1; .*--to"):
        rollback(store, settings, 9, NOW)


def test_a_champion_whose_file_is_gone_cannot_come_back(store: Store, settings: Settings) -> None:
    publish(store, settings, "arima")
    publish(store, settings, "lstm")
    key = keys.champion_key(tracked.candidate("arima").sha256)
    store.delete(key)
    with pytest.raises(PublishError, match=f"^generation 1 .*{re.escape(key)}"):
        rollback(store, settings, 1, NOW)
    assert serving(store, settings) == (2, tracked.candidate("lstm").sha256)


def test_training_goes_on_after_serving_rolled_back_by_itself(store_environ: Mapping[str, str]) -> None:
    """Status says what happened, and publishing and going back take the next generation."""
    settings = Settings.from_env(store_environ)
    store = open_store(settings)
    tracked.put_prices(store)

    def served() -> tuple[int, str]:
        refresh.refresh(store, settings, NOW)
        return serving(store, settings)

    def unreachable() -> AliasHolders:
        raise RegistryError("the registry is down")

    for family in ("random_walk", "arima", "lstm"):
        publish(store, settings, family)
        served()
    assert refresh.rollback(store, settings, True, NOW)["generation"] == 4
    assert served() == (4, tracked.candidate("arima").sha256)
    found = collect_status(store, settings, NOW, unreachable)
    assert found.published.state == "rolled back" and found.active is not None and found.active.generation == 4
    (difference,) = found.differences
    assert difference.startswith("generation 3 ") and has_cure(difference)
    assert " to generation 2, as generation 4; " in difference
    assert list_generations(store, "EURUSD")[2].end_reason == "replaced by generation 4: rollback to generation 2"
    assert rollback(store, settings, None, NOW).generation == 5
    assert served() == (5, tracked.candidate("random_walk").sha256), "not to what was rolled back from"
    assert publish(store, settings, "lstm").generation == 6
    assert served() == (6, tracked.candidate("lstm").sha256)
    assert collect_status(store, settings, NOW, unreachable).differences == ()
