"""Status: what is active, how old the prices are, and sentences that say why things differ and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lambda_fn.contract import Active, Pointer
from lambda_fn.jobs.activation import Refused, activate
from lambda_fn.record.track_record import write_summary
from lambda_fn.settings import Settings
from lambda_fn.store.keys import active_key, forecast_key
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.serving.record import test_degradation
from tests.support import foreign, records, tracked
from tests.support.deferred import Deferred
from tests.support.errors import has_cure
from tests.support.mlflow_fake import Fake
from tests.support.recorder import Reply, recording
from tests.support.tracked import NOW, publish
from training.export.candidate import Registered
from training.models.economic_calendar import load_events
from training.publishing import mlflow_access
from training.publishing.mlflow_access import AliasHolders, RegistryError
from training.publishing.publish import move_aliases
from training.publishing.status import Published, collect_status

if TYPE_CHECKING:
    from training.publishing import mlflow_registry as registry
    from training.publishing.mlflow_registry import Registry
else:
    registry = Deferred("training.publishing.mlflow_registry")

POINTER_KEY = "models/best_model_info.json"
OLD = Path(__file__).parents[2].joinpath("support/best_model_info_old.json").read_bytes()


@pytest.fixture
def found(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, dict[str, Registered]]]:
    with tracked.database(tmp_path, tmp_path_factory.getbasetemp()) as tracking:
        yield tracking


@pytest.fixture
def tracking(found: tuple[Registry, dict[str, Registered]]) -> Registry:
    return found[0]


@pytest.fixture
def registered(found: tuple[Registry, dict[str, Registered]]) -> dict[str, Registered]:
    return found[1]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"STORE_DIR": str(tmp_path / "store")})


@pytest.fixture
def store(settings: Settings) -> Store:
    opened = open_store(settings)
    tracked.put_prices(opened)
    return opened


def reading(tracking: Registry) -> Callable[[], AliasHolders]:
    """As the command does: without MLflow's client."""

    def read() -> AliasHolders:
        held = mlflow_access.read_aliases(tracking.tracking_uri, "EURUSD", {})
        assert held == AliasHolders(registry.alias_holders(tracking, "EURUSD"), None, held.champions if held else ())
        return held

    return read


def unreachable() -> AliasHolders:
    raise RegistryError("the registry is down")


def test_nothing_is_published_yet(store: Store, settings: Settings) -> None:
    found = collect_status(store, settings, NOW, unreachable)
    assert found.active is None and found.published.state == "missing" and found.scores == ()
    (difference,) = found.differences
    assert has_cure(difference) and difference.endswith(" eurusd run")
    assert not found.tracking.reachable and found.tracking.note == "the registry is down"


def test_it_says_that_an_earlier_generation_made_the_forecast(store: Store, settings: Settings) -> None:
    """And why there is no newer one."""
    official = records.official(generation=2)._replace(
        failed_generation=3, blocked_generation=3, reason="generation 3 failed: too wide"
    )
    foreign.put(store, forecast_key(), official.to_json())
    _, fallback = collect_status(store, settings, NOW, unreachable).differences
    assert re.match(r"generation 2 .*\b2026-10-30, .*\bgeneration 3 failed: too wide; ", fallback)
    assert has_cure(fallback)
    foreign.put(store, forecast_key(), official._replace(failure_reason="a gap; correct the file").to_json())
    *_, missing = collect_status(store, settings, NOW, unreachable).differences
    assert re.search(r"\b2026-10-30: a gap; correct the file$", missing)
    foreign.put(store, forecast_key(), b"{broken")
    assert len(collect_status(store, settings, NOW, unreachable).differences) == 1


def test_it_says_how_the_record_has_degraded(store: Store, settings: Settings) -> None:
    rows = test_degradation.record(250, 100)
    write_summary(store, "EURUSD", rows, NOW, {})
    _, degraded = collect_status(store, settings, NOW, unreachable).differences
    assert re.search(r" 80 % .* 60\.0% .*\b250\b", degraded)
    assert has_cure(degraded)


def test_when_all_agrees_there_is_no_difference(
    store: Store, settings: Settings, tracking: Registry, registered: dict[str, Registered]
) -> None:
    ranking = [registered[family] for family in tracked.RANKING]
    publish(store, settings, "lstm", 1, move_aliases(tracking, ranking))
    found = collect_status(store, settings, NOW, reading(tracking))
    assert found.active is not None
    assert (found.active.generation, found.active.pointer.model_name) == (1, "EURUSD_LSTM")
    assert found.active.activated_at == NOW and found.scores[0]["pinball"] == 0.091
    assert found.published.state == "active" and found.tracking.reachable
    assert found.tracking.aliases == {
        "champion": ("EURUSD_LSTM", 1),
        "challenger": ("EURUSD_ARIMA", 1),
        "candidate": ("EURUSD_RandomWalk", 1),
    }
    assert found.differences == ()


def test_an_alias_moved_by_hand_is_explained(
    store: Store, settings: Settings, tracking: Registry, registered: dict[str, Registered]
) -> None:
    publish(store, settings, "lstm", 1)
    registry.set_alias(tracking, "champion", registered["arima"])
    (difference,) = collect_status(store, settings, NOW, reading(tracking)).differences
    assert "EURUSD_ARIMA version 1, EURUSD_LSTM version 1 is active" in difference
    assert difference.endswith(" publish models:/EURUSD_ARIMA@champion")


def test_two_models_with_the_alias_are_reported(
    store: Store, settings: Settings, tracking: Registry, registered: dict[str, Registered]
) -> None:
    publish(store, settings, "lstm", 1)
    tracking.client.set_registered_model_alias("EURUSD_ARIMA", "champion", str(registered["arima"].version))
    differences = collect_status(store, settings, NOW, reading(tracking)).differences
    assert any("models:/EURUSD_ARIMA/1 and models:/EURUSD_LSTM/1" in difference for difference in differences)


def test_an_alias_that_was_removed_is_explained(store: Store, settings: Settings, tracking: Registry) -> None:
    publish(store, settings, "lstm", 1)
    tracking.client.delete_registered_model_alias("EURUSD_LSTM", "champion")
    (difference,) = collect_status(store, settings, NOW, reading(tracking)).differences
    assert "EURUSD_LSTM version 1 is active; " in difference
    assert difference.endswith(" publish models:/EURUSD_LSTM/1")


def test_a_pointer_that_is_not_activated_is_pending(store: Store, settings: Settings) -> None:
    publish(store, settings, "arima")
    bucket = settings._replace(use_s3=True)  # there the refresh function activates
    publish(store, bucket, "lstm")
    found = collect_status(store, settings, NOW, unreachable)
    assert found.active is not None and found.active.generation == 1
    assert found.published.state == "pending"
    (difference,) = found.differences
    assert difference.startswith("generation 2 ") and difference.endswith(" eurusd refresh")


def test_a_refused_pointer_comes_with_its_reason(store: Store, settings: Settings) -> None:
    publish(store, settings, "arima")
    golden = publish(store, settings._replace(use_s3=True), "lstm").pointer
    store.delete(golden.champion.key if golden.champion else "")
    with pytest.raises(Refused):
        activate(store, settings, NOW)
    found = collect_status(store, settings, NOW, unreachable)
    assert found.published.state == "refused" and found.published.reason
    assert "generation 2 was refused, generation 1 is still served" in found.differences[0]


def reformatted(data: bytes) -> bytes:
    """The same, as another writer would have it: other order, no spaces, 1 in place of 1.0."""
    found = json.loads(data, parse_float=lambda text: int(float(text)) if float(text).is_integer() else float(text))
    return json.dumps(dict(reversed(found.items())), separators=(",", ":")).encode()


def test_a_refused_pointer_is_that_however_it_is_written(store: Store, settings: Settings) -> None:
    publish(store, settings, "arima")
    pointer = publish(store, settings._replace(use_s3=True), "lstm").pointer
    store.delete(pointer.champion.key if pointer.champion else "")
    plain = store.read(POINTER_KEY).data
    foreign.put(store, POINTER_KEY, reformatted(plain))
    with pytest.raises(Refused):
        activate(store, settings, NOW)
    assert collect_status(store, settings, NOW, unreachable).published.state == "refused"
    foreign.put(store, POINTER_KEY, plain)
    assert activate(store, settings, NOW).outcome == "refused", "and raised once"
    assert collect_status(store, settings, NOW, unreachable).published.state == "refused"
    assert len(store.list("serving/refused")) == 1


def test_a_refusal_whose_cause_is_gone_is_none(store: Store, settings: Settings) -> None:
    pointer = publish(store, settings._replace(use_s3=True), "lstm").pointer
    assert pointer.champion is not None
    data = store.read(pointer.champion.key).data
    store.delete(pointer.champion.key)
    with pytest.raises(Refused):
        activate(store, settings, NOW)
    foreign.put(store, pointer.champion.key, data)
    assert activate(store, settings, NOW).outcome == "activated"
    assert collect_status(store, settings, NOW, unreachable).published.state == "active"


def test_the_old_form_is_refused_and_active_as_its_alias_moves(store: Store, settings: Settings) -> None:
    """From a sound version to a bad one, to another bad one, and back; nothing but the alias says so."""
    fake = Fake({})
    foreign.put(store, POINTER_KEY, OLD)
    with recording(fake) as server:
        reaching = settings._replace(mlflow_tracking_uri=server.address)

        def found() -> Published:
            return collect_status(store, reaching, NOW, unreachable).published

        assert found().state == "pending"
        for _ in range(2):
            fake.change.clear()
            activate(store, reaching, NOW)
            assert found().state == "active"
            for drift, said in ((0.03, "the median is 3"), (0.04, "the median is 4")):
                fake.change["model.onnx"] = Reply(200, foreign.champion_bytes(drift=drift))
                with pytest.raises(Refused, match=said):
                    activate(store, reaching, NOW)
                assert activate(store, reaching, NOW).outcome == "refused"
                assert found().state == "refused" and said in found().reason


def test_the_old_form_without_a_server_is_refused_and_not_pending(store: Store, settings: Settings) -> None:
    """The first thing that who comes from the earlier system sees."""
    publish(store, settings, "arima")
    foreign.put(store, POINTER_KEY, OLD)
    with pytest.raises(Refused):
        activate(store, settings, NOW)
    found = collect_status(store, settings, NOW, unreachable)
    assert found.published.state == "refused"
    assert " publish models:/EURUSD_LSTM@champion" in found.differences[0]


@pytest.mark.parametrize("broken", [b"", b"{}", b"\xff"])
def test_an_unreadable_pointer_is_said_to_be_so(store: Store, settings: Settings, broken: bytes) -> None:
    publish(store, settings)
    foreign.put(store, POINTER_KEY, broken)
    found = collect_status(store, settings, NOW, unreachable)
    assert found.active is not None and found.published.state == "unreadable"
    (difference, *_) = found.differences
    assert has_cure(difference) and " eurusd rollback, " in difference and difference.endswith(" eurusd run")


def test_a_broken_active_file_counts_as_none(store: Store, settings: Settings) -> None:
    publish(store, settings)
    foreign.put(store, active_key("EURUSD"), b"{}")
    found = collect_status(store, settings, NOW, unreachable)
    assert found.active is None and found.published.state == "pending"


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (datetime(2026, 10, 30, 16, tzinfo=UTC), 0),
        (datetime(2026, 11, 1, 9, tzinfo=UTC), 0),  # a Sunday
        (datetime(2026, 11, 3, 9, tzinfo=UTC), 2),
        (datetime(2026, 10, 29, 9, tzinfo=UTC), 0),
    ],
)
def test_the_age_of_prices_is_counted_in_business_days(
    store: Store, settings: Settings, now: datetime, days: int
) -> None:
    (prices,) = collect_status(store, settings, now, unreachable).prices
    assert prices.key == "prices/EURUSD-ecb.csv" and prices.source == "ecb"
    assert prices.last_date == date(2026, 10, 30) and prices.business_days == days


def test_holidays_and_other_pairs_do_not_count(store: Store, settings: Settings) -> None:
    foreign.put(store, "prices/GBPUSD-ecb.csv", tracked.PRICE_FILE)
    foreign.put(store, "prices/EURUSD-ecb.csv", foreign.price_file(as_of=date(2026, 12, 24)))
    foreign.put(store, "prices/EURUSD-csv.csv", foreign.price_file(as_of=date(2026, 12, 24), source="csv"))
    found = collect_status(store, settings, datetime(2026, 12, 28, 9, tzinfo=UTC), unreachable).prices
    assert [(prices.source, prices.business_days) for prices in found] == [("csv", 2), ("ecb", 1)]


@pytest.mark.parametrize("broken", [b"date,close\n", b"date,close\n2026-13-01,1.1\n"])
def test_a_price_file_that_cannot_be_read_is_named(store: Store, settings: Settings, broken: bytes) -> None:
    foreign.put(store, "prices/EURUSD-ecb.csv", broken)
    found = collect_status(store, settings, NOW, unreachable)
    assert found.prices == () and "prices/EURUSD-ecb.csv cannot be read" in found.differences[-1]


def test_a_server_that_dies_meanwhile_is_part_of_the_answer(
    store: Store, settings: Settings, tracking: Registry
) -> None:
    from mlflow.exceptions import MlflowException

    class Dead:
        def search_registered_models(self, *args: object, **kwargs: object) -> None:
            raise MlflowException("connection reset")

    dead = replace(tracking, client=Dead())  # type: ignore[arg-type]
    found = collect_status(
        store, settings, NOW, lambda: AliasHolders(registry.alias_holders(dead, "EURUSD"), None)
    ).tracking
    assert not found.reachable and found.note == "connection reset"


def test_a_pointer_of_the_old_form_is_active_once_what_it_means_is(
    store: Store, settings: Settings, tracking: Registry, registered: dict[str, Registered]
) -> None:
    """It names no file to compare; what its model_uri means was looked up when it was activated."""
    publish(store, settings, "lstm", 1, move_aliases(tracking, [registered["lstm"]]))
    pointer = Pointer.parse(store.read(POINTER_KEY).data)
    for uri, state in ((pointer.model_uri, "active"), ("models:/EURUSD_ARIMA@champion", "pending")):
        old = Pointer(pointer.model_type, pointer.model_name, pointer.model_version, uri)
        foreign.put(store, POINTER_KEY, old.to_json())
        assert collect_status(store, settings, NOW, reading(tracking)).published.state == state


def test_the_calendar_is_asked_for_before_its_known_dates_end(store: Store, settings: Settings) -> None:
    last = load_events().known_through()["FOMC"]
    publish(store, settings, props={"events_known_through": f'{{"FOMC": "{last}"}}'})

    def differences(days: int) -> list[str]:
        now = datetime.combine(last - timedelta(days), time(12), UTC)
        said = collect_status(store, settings, now, unreachable).differences
        return [sentence for sentence in said if "FOMC" in sentence]

    assert differences(60) == []
    [sentence] = differences(59)
    assert " 59 days away: " in sentence and "training/models/events.csv" in sentence


def test_the_calendar_is_asked_for_by_the_kinds_that_the_champion_uses(store: Store, settings: Settings) -> None:
    def differences(entry: str | None) -> list[str]:
        publish(store, settings, props={"events_known_through": entry})
        said = collect_status(store, settings, NOW, unreachable)
        return [sentence for sentence in said.differences if "last known date" in sentence]

    listed = load_events().known_through()
    assert differences(None) == []
    assert differences(f'{{"FOMC": "{listed["FOMC"]}"}}') == []
    [sentence] = differences(f'{{"CPI": "{listed["CPI"]}", "FOMC": "{listed["FOMC"]}"}}')
    assert "US consumer prices" in sentence and "eurusd events " in sentence
    [sentence] = differences('{"FOMC": "2026-11-10"}')
    assert "FOMC decisions" in sentence and "add" not in sentence, "the file has more dates: training is enough"


def test_without_the_champions_file_the_projects_dates_count(store: Store, settings: Settings) -> None:
    publish(store, settings, props={"events_known_through": '{"FOMC": "2026-11-10"}'})
    active = Active.parse(store.read("serving/active.json").data)
    foreign.put(store, active.serving_key, b"damaged")
    assert collect_status(store, settings, NOW, unreachable).events == load_events().known_through()
