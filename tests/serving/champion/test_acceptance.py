"""What a champion and the file it is compared with must say before they are activated."""

import hashlib
from datetime import UTC, date, datetime, time, timedelta

import pytest

from lambda_fn.champion.gate import check_benchmark, check_champion, read_metadata
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import ChampionFile
from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import Refused, activate
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from tests.support import foreign

OTHERS = {
    "pair": foreign.champion_bytes(pair="GBPUSD"),
    "prices": foreign.champion_bytes(prices="csv"),
    "levels": foreign.champion_bytes(levels=(0.025, 0.5, 0.975)),
    "horizon": foreign.champion_bytes(horizon=2),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_benchmark_forecasts_what_the_champion_does(name: str, store: Store) -> None:
    foreign.publish_to(store)
    champion, _ = read_metadata(foreign.champion_bytes())
    with Sandbox(seed=1) as sandbox:
        check_benchmark(foreign.champion_bytes(spread=0.006), champion, "EURUSD", store, sandbox)
        with pytest.raises(ContractError, match=rf"^benchmark\.{name}: "):
            check_benchmark(OTHERS[name], champion, "EURUSD", store, sandbox)


def test_a_benchmark_is_tried_as_a_champion_is(store: Store) -> None:
    foreign.publish_to(store)
    champion, _ = read_metadata(foreign.champion_bytes())
    with Sandbox(seed=1) as sandbox, pytest.raises(ContractError, match="fall"):
        check_benchmark(foreign.champion_bytes(spread=-0.005), champion, "EURUSD", store, sandbox)


def test_a_benchmark_that_fails_its_trial_keeps_its_champion_from_being_activated(
    store: Store, settings: Settings
) -> None:
    foreign.publish_to(store)
    data, benchmark = foreign.champion_bytes(), foreign.champion_bytes(spread=-0.005)
    sha256 = hashlib.sha256(benchmark).hexdigest()
    key = keys.champion_key(sha256, "EURUSD")
    store.create(key, benchmark)
    foreign.publish_to(store, data, benchmarks={"garch": ChampionFile(key, sha256, len(benchmark))})
    with pytest.raises(Refused, match=r"pointer\.benchmarks\.garch: "):
        activate(store, settings, datetime.combine(foreign.AS_OF, time(17), UTC))
    assert not store.list("serving/active")


def test_no_champion_is_tried_on_prices_of_the_future(store: Store) -> None:
    pointer = foreign.publish_to(store)
    with Sandbox(seed=1) as sandbox:
        check_champion(foreign.champion_bytes(), pointer, "EURUSD", store, foreign.AS_OF, sandbox)
        with pytest.raises(ContractError, match="in the future"):
            check_champion(foreign.champion_bytes(), pointer, "EURUSD", store, date(2026, 10, 1), sandbox)
        check_champion(foreign.champion_bytes(), pointer, "EURUSD", store, foreign.AS_OF - timedelta(days=1), sandbox)
