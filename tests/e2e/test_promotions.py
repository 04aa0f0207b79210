"""Promotions that must not be served: the old champion answers on, and everybody can see why."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from lambda_fn.champion.base import ForecastError
from lambda_fn.contract import ChampionFile, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings
from lambda_fn.store.keys import active_key, champion_key, history_key
from lambda_fn.store.object_store import Store
from tests.support import foreign
from tests.support.e2e import front, lambda_container
from tests.support.e2e.bridge import Bridge
from tests.support.e2e.command import training
from tests.support.e2e.deployment import SCHEDULE, Deployment, deployed
from tests.support.e2e.front import PREDICT, generation
from tests.support.e2e.lambda_container import REFRESH
from tests.support.e2e.link import link
from tests.support.e2e.steps import Steps, until

GOOD, NEWER = foreign.champion_bytes(), foreign.champion_bytes(spread=0.006)
STORE_DOWN = "newer forecasts"  # that the store did not give: stale_reason names them for no other reason
FIRST = 5  # the generation of GOOD
PRICES = foreign.price_file()


class Bad(NamedTuple):
    """A promotion to refuse: words of the reason, the champion's bytes, what is wrong with the pointer."""

    reason: str
    data: bytes = NEWER
    change: Callable[[Pointer], Pointer] = lambda pointer: pointer
    stored: bool = True


def with_digest(pointer: Pointer, digest: str) -> Pointer:
    assert pointer.champion
    return replace(pointer, champion=replace(pointer.champion, sha256=digest))


def with_another_mean(pointer: Pointer) -> Pointer:
    first = pointer.golden[0]
    return replace(pointer, golden=(replace(first, mean=[value * 1.001 for value in first.mean]),))


BAD = {
    "corrupt file": Bad("champion", NEWER[: len(NEWER) // 2]),
    "wrong hash": Bad("its sha256 is", change=lambda pointer: with_digest(pointer, "0" * 64)),
    "wrong golden vector": Bad(r"golden\[0\].mean", change=with_another_mean),
    "lower generation": Bad("4 is lower than .* 5", change=lambda pointer: replace(pointer, generation=FIRST - 1)),
    "missing artifact": Bad("has no models/champions/", foreign.champion_bytes(spread=0.0061), stored=False),
    "unknown contract version": Bad("contract_version", change=lambda pointer: replace(pointer, contract_version="2")),
    "unknown version in the file": Bad(
        "contract_version", foreign.champion_bytes(spread=0.006, props={"contract_version": "2"})
    ),
    "absurd median": Bad("the median is 50.0% from", foreign.champion_bytes(drift=0.5)),
    "absurd width": Bad("95 % interval .* wide, .* is allowed", foreign.champion_bytes(spread=0.9)),
    "falling quantiles": Bad("quantiles that fall", foreign.champion_bytes(spread=-0.006)),
    "not a number": Bad("is not finite", foreign.champion_bytes(drift=float("nan"))),
}


@pytest.fixture
def deployment(
    image: str, step: Steps, bridge: Bridge, store: Store, settings: Settings, store_environ: Mapping[str, str]
) -> Iterator[Deployment]:
    """With one good champion, live in a warm container."""
    with deployed(image, bridge, store, settings, store_environ) as found:
        with step("a good champion is published and live"):
            go_live(found)
        yield found


def go_live(deployment: Deployment) -> None:
    delivery = deployment.promote(GOOD, FIRST, PRICES)
    assert delivery.invocation.payload["outcome"] == "activated", delivery
    assert generation(deployment.api.ask(PREDICT)) == FIRST


def pointer_to(data: bytes) -> Pointer:
    """The right pointer for the next generation; golden forecasts of another champion where it has none."""
    digest = sha256(data).hexdigest()
    pointer = foreign.pointer_to(NEWER, PRICES, FIRST + 1)
    with suppress(ContractError, ForecastError):
        own = foreign.pointer_to(data, PRICES, FIRST + 1)
        own.to_json()  # forecasts that are not finite cannot be written
        pointer = own
    return replace(pointer, champion=ChampionFile(champion_key(digest), digest, len(data)))


def unchecked(pointer: Pointer) -> bytes:
    """The pointer's JSON, also where a proper publisher would not write it."""
    return json.dumps(pointer.to_object()).encode()


def test_a_bad_promotion_is_refused_and_the_old_champion_serves_on(
    deployment: Deployment, image: str, step: Steps, store_environ: Mapping[str, str], subtests: pytest.Subtests
) -> None:
    """One bad promotion after the other, to the same warm containers."""
    served = served_files(deployment.store)
    for name, bad in BAD.items():
        with subtests.test(name), step(f"{name}: refused, and the warm container serves the old champion"):
            right = pointer_to(bad.data)
            assert right.champion
            if bad.stored:
                deployment.store.create(right.champion.key, bad.data)
            assert_refused(deployment, unchecked(bad.change(right)), bad.reason)
            assert generation(deployment.checked_since(datetime.now(UTC))) == FIRST
            assert served_files(deployment.store) == served, "what a cold container reads"
    with step("a cold container serves the old champion"):
        assert_cold_serves(image, store_environ, GOOD)
    assert deployment.refresh.counted("ChampionActivated") == 1


def served_files(store: Store) -> dict[str, bytes]:
    """What the API serves, without the records of refusals."""
    return {key: store.read(key).data for key in store.list("serving") if not key.startswith("serving/refused/")}


def assert_refused(deployment: Deployment, pointer: bytes, reason: str) -> None:
    """Raised, so that Lambda keeps the event, recorded, logged and counted."""
    count = len(deployment.refused())
    delivery = deployment.put(pointer)
    assert delivery.invocation.error == "Refused", delivery
    message = delivery.invocation.payload["errorMessage"]
    assert re.search(reason, message), message
    reasons = [record["reason"] for record in deployment.refused()]
    assert message in reasons and len(reasons) == count + 1
    until(lambda: deployment.refresh.counted("ChampionRefused") == count + 1, "the metric")
    assert message in deployment.refresh.container.log()


def assert_cold_serves(image: str, environ: Mapping[str, str], data: bytes) -> None:
    """A container that starts now, with nothing in memory."""
    with front.emulator(image, environ) as cold:
        answer = cold.ask(PREDICT)
    assert answer.status == 200, answer.json
    assert answer.json["champion"]["sha256"] == sha256(data).hexdigest()
    assert STORE_DOWN not in (answer.json["stale_reason"] or "")  # the prices are of a past day


def test_a_slow_store_leaves_the_old_champion_serving_until_it_is_fast_again(
    image: str, step: Steps, bridge: Bridge, store: Store, settings: Settings, store_environ: Mapping[str, str]
) -> None:
    endpoint = store_environ["AWS_ENDPOINT_URL_S3"]
    with link(endpoint) as slow:
        behind = {**store_environ, "AWS_ENDPOINT_URL_S3": slow.url}
        with deployed(image, bridge, store, settings, behind) as deployment:
            go_live(deployment)
            with step("the store stalls: refresh fails, the warm container serves on and says so"), slow.stalled():
                delivery = deployment.promote(NEWER, FIRST + 1)
                assert delivery.invocation.error == "Unavailable", delivery
                said = lambda: STORE_DOWN in (deployment.api.ask(PREDICT).json["stale_reason"] or "")  # noqa: E731
                until(said, "an answer that says so")
                answer = deployment.api.ask(PREDICT)
                assert (generation(answer), answer.json["stale"]) == (FIRST, True)
                with front.emulator(image, behind) as cold:
                    unserved = cold.ask(PREDICT)
                assert unserved.status == 503
                assert int(unserved.headers["retry-after"]) > 0
            with step("the store answers again: a cold container serves the old one, the next refresh activates"):
                assert_cold_serves(image, behind, GOOD)
                assert deployment.refused() == []
                assert deployment.refresh.invoke(SCHEDULE).payload["outcome"] == "activated"
                assert generation(deployment.checked_since(datetime.now(UTC))) == FIRST + 1


def test_two_refreshes_at_once_and_the_same_event_twice_are_one_activation(
    deployment: Deployment, image: str, step: Steps, bridge: Bridge, store_environ: Mapping[str, str]
) -> None:
    event = deployment.deliveries[0].event
    with lambda_container.running(image, REFRESH, store_environ) as other:
        assert other.invoke(SCHEDULE).payload["outcome"] == "unchanged"
        refreshes = (deployment.refresh, other)
        with bridge.paused():
            foreign.publish_to(deployment.store, NEWER, FIRST + 1)
        with step("two refreshes at once"), ThreadPoolExecutor() as pool:
            outcomes = [each.payload["outcome"] for each in pool.map(lambda one: one.invoke(event), refreshes)]
        assert sorted(outcomes) == ["activated", "unchanged"]
        before = deployment.store.read(active_key(deployment.settings.pair))
        assert [each.invoke(event).payload["outcome"] for each in refreshes] == ["unchanged"] * 2
        assert deployment.store.read(active_key(deployment.settings.pair)) == before
        until(lambda: sum(each.counted("ChampionActivated") for each in refreshes) == 2, "the metrics")
    assert generation(deployment.checked_since(datetime.now(UTC))) == FIRST + 1


def test_rollback_brings_the_old_champion_back_while_mlflow_is_down(
    deployment: Deployment, step: Steps, store_environ: Mapping[str, str], tmp_path: Path
) -> None:
    for number, data in ((FIRST, GOOD), (FIRST + 1, NEWER)):
        pointer = foreign.pointer_to(data, PRICES, number)
        assert deployment.store.create(history_key(number), pointer.to_json())
    assert deployment.promote(NEWER, FIRST + 1).invocation.payload["outcome"] == "activated"
    assert generation(deployment.checked_since(datetime.now(UTC))) == FIRST + 1
    with step("rollback"):
        nobody = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        done = training(tmp_path, {**store_environ, **nobody}, "rollback")
        assert done.returncode == 0, done.stderr
        assert deployment.delivered(3).invocation.payload["outcome"] == "activated"
    answer = deployment.checked_since(datetime.now(UTC))
    assert generation(answer) == FIRST + 2
    assert answer.json["champion"]["sha256"] == sha256(GOOD).hexdigest()
