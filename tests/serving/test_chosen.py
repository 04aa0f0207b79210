"""A version that somebody gave the alias champion in MLflow: activated, recognised, refused, shown, healed."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lambda_fn.champion.candidate import is_chosen, strip, write_candidate
from lambda_fn.champion.choices import read_choices
from lambda_fn.champion.refusals import read_status, record_key
from lambda_fn.champion.signature import CANDIDATE_PURPOSE, envelope, message
from lambda_fn.contract import REASON, Active, Pointer
from lambda_fn.jobs.activation import Refused
from lambda_fn.refresh import RefreshResult, refresh, rollback
from lambda_fn.registry.webhook import AliasEvent
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.store.s3 import open_store
from tests.support import foreign, registry_fake
from tests.support.registry_fake import RegistryFake

NOW = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)
POINTER = "models/best_model_info.json"
PRICES = foreign.price_file()
CHAMPIONS = {name: foreign.champion_bytes(spread=spread) for name, spread in (("A", 0.005), ("B", 0.006), ("C", 0.007))}
BAD = foreign.champion_bytes(drift=0.5)
KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
SCORES = ({"family": "foreign", "horizon": 1, "pinball": 0.07},)


def sign(pointer: Pointer, purpose: bytes | None = CANDIDATE_PURPOSE, stack: str = "local") -> Pointer:
    """The pointer with the signature of a candidate or, without a purpose, of a published one."""
    text = message(strip(pointer), stack, purpose) if purpose else message(pointer, stack)
    return replace(pointer, signature=envelope(PUBLIC, stack, KEY.sign(text)))


def pointer_to(name: str, version: str = "1", generation: int | None = None, data: bytes | None = None) -> Pointer:
    """The pointer of a version of the model EURUSD_<name>."""
    model = f"EURUSD_{name}"
    names = {"model_name": model, "model_version": version, "model_uri": f"models:/{model}@champion"}
    return foreign.pointer_to(data or CHAMPIONS[name], PRICES, generation, **names, scores=SCORES)


class Service:
    """A store with generation 1, of EURUSD_A, and the registry from which it came."""

    def __init__(self, folder: Path, registry: RegistryFake, signed: bool = False) -> None:
        self.registry, self.now, self.signed = registry, NOW, signed
        environ = {"STORE_DIR": str(folder), "MLFLOW_TRACKING_URI": registry.address}
        environ |= {"CHAMPION_PUBLIC_KEYS": base64.b64encode(PUBLIC).decode()} if signed else {}
        self.settings = Settings.from_env(environ)
        self.store: Store = open_store(self.settings)
        self.store.create(keys.price_key("EURUSD", "ecb"), PRICES)
        for name in CHAMPIONS:
            self.register(name)
        self.publish("A", 1)
        self.refresh()

    def register(self, name: str, version: str = "1", **changes: Any) -> None:
        pointer = pointer_to(name, version, data=changes.pop("data", None))
        data = changes.pop("file", None) or CHAMPIONS.get(name, BAD)
        self.registry.register(sign(pointer) if self.signed else pointer, data, **changes)

    def reserve(self, name: str, generation: int) -> Pointer:
        """What a publisher does before it writes the pointer: file, reservation, alias."""
        pointer = pointer_to(name, generation=generation)
        pointer = sign(pointer, None) if self.signed else pointer
        assert pointer.champion is not None
        self.store.create(pointer.champion.key, CHAMPIONS[name])
        self.store.create(keys.history_key(generation), pointer.to_json())
        for model, _ in self.registry.holders():
            del self.registry.aliases[model, "champion"]
        self.registry.choose(pointer.model_name, "1")
        return pointer

    def publish(self, name: str, generation: int) -> Pointer:
        pointer = self.reserve(name, generation)
        foreign.put(self.store, POINTER, pointer.to_json())
        return pointer

    def refresh(self, registry: AliasEvent | bool = True) -> RefreshResult:
        self.now += timedelta(minutes=1)
        return refresh(self.store, self.settings, self.now, {}, registry=registry)

    def click(self, model: str, version: str = "1", *, is_delivered: bool = True) -> RefreshResult | None:
        self.now += timedelta(minutes=1)
        self.registry.choose(model, version)
        return self.refresh(AliasEvent(model, self.now)) if is_delivered else None

    def rollback(self, target: object = True) -> dict[str, Any]:
        self.now += timedelta(minutes=10)
        return rollback(self.store, self.settings, target, self.now)

    @property
    def active(self) -> Active:
        return Active.parse(self.store.read(keys.active_key()).data)

    def tag(self, name: str, version: str = "1") -> str:
        return self.registry.tags[f"EURUSD_{name}", version].get("serving", "")


@pytest.fixture
def registry() -> Iterator[RegistryFake]:
    with registry_fake.serving() as registry:
        yield registry


@pytest.fixture(params=[False, True], ids=["unsigned", "signed"])
def service(request: pytest.FixtureRequest, tmp_path: Path, registry: RegistryFake) -> Service:
    return Service(tmp_path, registry, request.param)


def test_a_chosen_version_is_activated_with_what_training_logged_beside_it(service: Service) -> None:
    result = service.click("EURUSD_B")
    assert result is not None and result.activation.outcome == "activated" and result.forecast.outcome == "made"
    active, pointer = service.active, pointer_to("B")
    assert active.generation == 2 and active.pointer.scores == SCORES
    assert (active.pointer.golden, active.pointer.metrics) == (pointer.golden, pointer.metrics)
    assert is_chosen(active.pointer) and "EURUSD_B version 1" in active.pointer.extra[REASON]
    assert service.store.find(keys.history_key(2)) is None and service.store.find(active.champion.key)
    assert json.loads(service.store.read(keys.forecast_key()).data)["generation"] == 2


def test_the_replaced_pointer_is_superseded_and_not_refused(service: Service) -> None:
    published = Pointer.parse(service.store.read(POINTER).data)
    service.click("EURUSD_B")
    status = read_status(service.store, record_key(published, "EURUSD"))
    assert status is not None and status.state == "superseded"
    for _ in range(2):
        activation = service.refresh().activation
        assert (activation.outcome, activation.generation) == ("unchanged", 2)
        assert activation.reason.startswith("generation 2 ") and "EURUSD_B version 1;" in activation.reason
    service.publish("C", 3)
    assert service.refresh().activation.generation == 3


def test_repeated_and_late_deliveries_change_nothing(service: Service) -> None:
    event = AliasEvent("EURUSD_B", service.now)
    service.click("EURUSD_B")
    before = service.store.read(keys.active_key()).data
    assert [service.refresh(event).activation.outcome for _ in range(3)] == ["unchanged"] * 3
    service.click("EURUSD_C")
    assert service.refresh(event).activation.reason.startswith("EURUSD_B ")
    assert service.active.pointer.model_name == "EURUSD_C" and service.store.read(keys.active_key()).data != before


def test_an_event_of_a_model_without_the_alias_does_nothing(service: Service) -> None:
    for model in ("EURUSD_B", "EURUSD_none"):
        assert service.refresh(AliasEvent(model, service.now)).activation.outcome == "unchanged"
    assert service.active.generation == 1


def test_what_training_is_publishing_is_activated_as_exactly_that_pointer(service: Service) -> None:
    pointer = service.reserve("B", 2)
    service.refresh(AliasEvent("EURUSD_B", service.now))
    assert service.active.pointer == pointer
    assert service.refresh(False).activation.outcome == "unchanged"  # before the pointer is written
    foreign.put(service.store, POINTER, pointer.to_json())
    assert service.refresh().activation.reason == "generation 2 is active"


def test_a_publisher_at_work_is_not_refused_after_a_choice(service: Service) -> None:
    pointer = service.reserve("C", 2)
    service.click("EURUSD_B")
    assert service.active.generation == 3
    foreign.put(service.store, POINTER, pointer.to_json())
    assert service.refresh(False).activation.outcome == "unchanged"
    assert service.active.pointer.model_name == "EURUSD_B"


def test_a_choice_can_be_rolled_back_and_is_not_made_again_by_the_hourly_look(service: Service) -> None:
    service.click("EURUSD_B")
    late = AliasEvent("EURUSD_B", service.now)
    assert service.rollback()["outcome"] == "activated"
    assert service.active.pointer.model_name == "EURUSD_A" and service.active.generation == 3
    for event in (True, late, True):
        assert service.refresh(event).activation.outcome == "unchanged"
    assert service.rollback(2)["outcome"] == "activated"
    assert service.active.pointer.model_name == "EURUSD_B" and service.active.generation == 4
    assert service.rollback(1)["outcome"] == "activated"
    service.click("EURUSD_B")
    assert (service.active.pointer.model_name, service.active.generation) == ("EURUSD_B", 6)


def test_a_publication_that_was_rolled_back_within_the_hour_stays_so(service: Service) -> None:
    service.publish("B", 2)
    service.refresh(False)
    service.rollback()
    assert service.refresh().activation.outcome == "unchanged"
    assert service.active.pointer.model_name == "EURUSD_A"


def test_a_lost_delivery_is_healed_once(service: Service) -> None:
    service.click("EURUSD_B", is_delivered=False)
    assert service.refresh().activation.outcome == "activated"
    assert service.active.pointer.model_name == "EURUSD_B"
    assert service.refresh().activation.outcome == "unchanged"


def test_two_new_holders_wait_for_one_of_them_to_be_chosen(service: Service) -> None:
    for model in ("EURUSD_B", "EURUSD_C"):
        service.click(model, is_delivered=False)
    assert service.refresh().activation.outcome == "unchanged"
    del service.registry.aliases["EURUSD_B", "champion"]
    assert service.refresh().activation.outcome == "activated"
    assert service.active.pointer.model_name == "EURUSD_C"


def test_the_first_look_only_records(service: Service) -> None:
    service.store.delete(keys.chosen_key())
    service.click("EURUSD_B", is_delivered=False)
    assert service.refresh().activation.outcome == "unchanged"
    choices = read_choices(service.store, "EURUSD")
    assert choices is not None and choices.holders == ("models:/EURUSD_A/1", "models:/EURUSD_B/1")
    assert service.click("EURUSD_B") is not None and service.active.generation == 2


def test_a_damaged_record_is_as_none(service: Service) -> None:
    data = service.store.read(keys.chosen_key()).data
    foreign.put(service.store, keys.chosen_key(), data.replace(b"EURUSD_A", b"EURUSD_B"))
    service.click("EURUSD_B", is_delivered=False)
    assert service.refresh().activation.outcome == "unchanged"
    assert read_choices(service.store, "EURUSD") is not None


def test_mlflow_shows_what_is_active(service: Service) -> None:
    assert service.tag("A").startswith("active as generation 1 since 2026-10-30 17:01 UTC")
    service.registry.choose("EURUSD_B", "1", "challenger")
    service.click("EURUSD_B")
    assert service.tag("B").startswith("active as generation 2 since")
    assert service.tag("A").startswith("replaced by generation 2: ") and "EURUSD_B version 1" in service.tag("A")
    assert service.registry.holders() == {("EURUSD_B", "1")}
    assert service.registry.holders("challenger") == {("EURUSD_A", "1")}
    service.rollback()
    service.refresh()
    assert service.tag("A").startswith("active as generation 3") and "rollback to generation 1" in service.tag("B")


def test_a_newer_click_keeps_its_alias(service: Service) -> None:
    event = AliasEvent("EURUSD_B", service.now)
    service.registry.choose("EURUSD_B", "1")
    service.registry.choose("EURUSD_C", "1")
    service.refresh(event)
    assert service.registry.holders() == {("EURUSD_B", "1"), ("EURUSD_C", "1")}
    service.refresh(AliasEvent("EURUSD_C", service.now))
    assert service.registry.holders() == {("EURUSD_C", "1")} and service.active.pointer.model_name == "EURUSD_C"


def test_a_failing_tag_stops_nothing_and_is_written_later(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.registry.fails_to_change = True
    service.click("EURUSD_B")
    assert service.active.generation == 2 and "generation 2" in caplog.text
    service.registry.fails_to_change = False
    service.refresh()
    assert service.tag("B").startswith("active as generation 2")


def test_a_bad_version_is_refused_and_shown_as_such(service: Service) -> None:
    service.register("Bad", data=BAD)
    with pytest.raises(Refused):
        service.click("EURUSD_Bad")
    assert service.active.generation == 1 and service.tag("Bad").startswith("refused: ")
    assert ("EURUSD_Bad", "1") in service.registry.holders()
    for event in (True, AliasEvent("EURUSD_Bad", service.now)):
        assert service.refresh(event).activation.outcome == ("unchanged" if event is True else "refused")
    service.click("EURUSD_B")
    assert service.active.generation == 2


def test_mlflow_that_is_down_is_tried_again_and_never_a_refusal(service: Service) -> None:
    service.registry.is_down = True
    with pytest.raises(Unavailable):
        service.click("EURUSD_B")
    assert service.refresh().activation.outcome == "unchanged"
    assert service.store.list("serving/refused") == []
    service.registry.is_down = False
    assert service.refresh().activation.outcome == "activated"


def test_without_a_candidate_a_version_is_read_the_old_way_unless_a_key_is_configured(service: Service) -> None:
    service.register("B", "2", candidate=None)
    if service.signed:
        with pytest.raises(Refused, match=r"pointer\.json.*eurusd publish models:/EURUSD_B/2"):
            service.click("EURUSD_B", "2")
        assert service.active.generation == 1
    else:
        service.click("EURUSD_B", "2")
        assert service.active.generation == 2 and service.active.pointer.scores == ()
        assert service.refresh().activation.outcome == "unchanged"


FORGED: dict[str, Callable[[], bytes]] = {
    "of another version": lambda: write_candidate(sign(pointer_to("B", "1"))),
    "of another model": lambda: write_candidate(sign(pointer_to("A", "2"))),
    "old": lambda: write_candidate(sign(Pointer("B", "EURUSD_B", "2", "models:/EURUSD_B@champion"))),
    "with an odd backtest": lambda: write_candidate(sign(replace(pointer_to("B", "2"), backtest={"horizons": 5}))),
    "damaged": lambda: b"{",
    "no candidate": lambda: b"[]",
}
UNSIGNED: dict[str, Callable[[], bytes]] = {
    "unsigned": lambda: write_candidate(pointer_to("B", "2")),
    "with the signature of a pointer": lambda: write_candidate(sign(pointer_to("B", "2", 2), None)),
    "of another stack": lambda: write_candidate(sign(pointer_to("B", "2"), stack="staging")),
    "with better scores": lambda: write_candidate(sign(pointer_to("B", "2"))).replace(b"0.07", b"0.01"),
}


@pytest.mark.parametrize(
    ("case", "signed"), [*((case, True) for case in FORGED | UNSIGNED), *((case, False) for case in FORGED)]
)
def test_a_forged_candidate_is_refused(case: str, signed: bool, tmp_path: Path, registry: RegistryFake) -> None:
    service = Service(tmp_path, registry, signed)
    service.register("B", "2", candidate=(FORGED | UNSIGNED)[case]())
    with pytest.raises(Refused, match=r"models:/EURUSD_B/2: its pointer\.json cannot be used: .*; publish it with"):
        service.click("EURUSD_B", "2")
    assert service.active.generation == 1


@pytest.mark.parametrize("case", ["unsigned", "of another stack", "of a candidate", "with an odd backtest"])
def test_a_reserved_pointer_is_verified_like_a_published_one(case: str, tmp_path: Path, registry: RegistryFake) -> None:
    service = Service(tmp_path, registry, signed=True)
    pointer = pointer_to("B", generation=2)
    reserved = {
        "unsigned": pointer,
        "of another stack": sign(pointer, None, stack="staging"),
        "of a candidate": sign(pointer),
        "with an odd backtest": sign(replace(pointer, backtest={"horizons": 5}), None),
    }[case]
    assert pointer.champion is not None
    service.store.create(pointer.champion.key, CHAMPIONS["B"])
    service.store.create(keys.history_key(2), reserved.to_json())
    with pytest.raises(Refused):
        service.click("EURUSD_B")
    assert service.active.generation == 1


@pytest.mark.parametrize("case", ["old", "without a generation", "damaged"])
def test_an_odd_file_of_the_history_is_no_reservation(case: str, service: Service) -> None:
    odd = {
        "old": Pointer("B", "EURUSD_B", "1", "models:/EURUSD_B@champion", generation=5).to_json(),
        "without a generation": pointer_to("B").to_json(),
        "damaged": b"{",
    }
    service.store.create(keys.history_key(5), odd[case])
    service.click("EURUSD_B")
    assert (service.active.pointer.model_name, service.active.generation) == ("EURUSD_B", 6)


def test_the_signature_of_a_candidate_does_not_cover_what_its_activation_adds() -> None:
    pointer = pointer_to("B")
    assert pointer.champion is not None
    file = replace(pointer.champion, key=keys.serving_key(pointer.champion.sha256))
    added: dict[str, Any] = {"generation": 9, "created_at": NOW, "champion": file, "extra": {REASON: "chosen"}}
    assert strip(replace(sign(pointer), **added)) == strip(pointer)


def test_a_candidate_is_not_a_published_pointer(tmp_path: Path, registry: RegistryFake) -> None:
    service = Service(tmp_path, registry, signed=True)
    foreign.put(service.store, POINTER, sign(pointer_to("B", generation=2)).to_json())
    with pytest.raises(Refused, match="signature"):
        service.refresh(False)
    assert service.active.generation == 1


def test_a_changed_model_file_is_refused(service: Service) -> None:
    service.register("B", "2", file=CHAMPIONS["C"])
    with pytest.raises(Refused, match=r"^models:/EURUSD_B/2: .*pointer\.json names"):
        service.click("EURUSD_B", "2")


def test_a_pointer_of_the_old_form_does_not_undo_a_choice(tmp_path: Path, registry: RegistryFake) -> None:
    service = Service(tmp_path, registry)
    old = Pointer("A", "EURUSD_A", "1", "models:/EURUSD_A@champion")
    foreign.put(service.store, POINTER, old.to_json())
    assert service.refresh().activation.outcome == "unchanged"
    service.click("EURUSD_B")
    assert service.registry.holders() == {("EURUSD_B", "1")}
    assert service.refresh().activation.outcome == "unchanged"
    assert service.active.pointer.model_name == "EURUSD_B"


def test_without_a_server_nothing_is_read_or_written(tmp_path: Path, registry: RegistryFake) -> None:
    service = Service(tmp_path, registry)
    service.settings = service.settings._replace(mlflow_tracking_uri="sqlite:///mlflow.db")
    service.store.delete(keys.chosen_key())
    service.click("EURUSD_B", is_delivered=False)
    assert service.refresh().activation.outcome == "unchanged"
    service.publish("C", 2)
    service.refresh()
    service.rollback()
    assert service.store.find(keys.chosen_key()) is None
    with pytest.raises(Unavailable, match="MLFLOW_TRACKING_URI: is a database"):
        service.refresh(AliasEvent("EURUSD_B", service.now))
