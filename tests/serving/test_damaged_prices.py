"""Prices and scores that come as other bytes than were written are noticed, and nothing is made of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import obstore
import pytest

from lambda_fn.ingest import ingest_and_forecast
from lambda_fn.prices.price_file import read_table
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import SUM, Damaged, Store
from lambda_fn.store.s3 import open_store
from tests.support import fault_proxy, foreign, seaweedfs
from tests.support.ecb_server import DAYS, history
from tests.support.fault_proxy import Proxy

PAIR, PRICES = "EURUSD", keys.price_key("EURUSD", "ecb")
ROWS = foreign.WINDOW + 2
NOW = datetime(DAYS[0].year, DAYS[0].month, DAYS[0].day, tzinfo=UTC).replace(month=6)

pytestmark = pytest.mark.skipif(not seaweedfs.installed(), reason="its server is for Linux only")


@pytest.fixture
def direct(bucket_environ: dict[str, str]) -> Settings:
    return Settings.from_env(bucket_environ)


@pytest.fixture
def proxy(direct: Settings) -> Iterator[Proxy]:
    with fault_proxy.before(str(direct.s3_endpoint)) as found:
        yield found


@pytest.fixture
def through(direct: Settings, proxy: Proxy) -> Settings:
    return direct._replace(s3_endpoint=proxy.endpoint)


@pytest.fixture
def store(direct: Settings) -> Store:
    """With prices, a champion that waits to be activated, and no forecast."""
    found = open_store(direct)
    ingest_and_forecast(found, direct, NOW, fetch=lambda _: history(ROWS))
    foreign.publish_to(found, foreign.champion_bytes(), 1, found.read(PRICES).data)
    return found


def contents(store: Store) -> dict[str, bytes]:
    return {key: store.read(key).data for key in store.list("")}


def refreshing(store: Store, settings: Settings) -> None:
    refresh(store, settings, NOW)


def ingesting(store: Store, settings: Settings) -> None:
    ingest_and_forecast(store, settings, NOW, fetch=lambda _: history(ROWS + 1))


@pytest.mark.parametrize("job", [refreshing, ingesting])
def test_other_prices_become_neither_a_forecast_nor_a_row_nor_a_refusal(
    job: Callable[[Store, Settings], None], store: Store, through: Settings, proxy: Proxy
) -> None:
    before = contents(store)
    proxy.choose = lambda path: "other digits" if PRICES in path else None
    with pytest.raises(Damaged, match=rf"{PRICES}: .*\bCRC-32\b"):
        job(open_store(through), through)
    assert proxy.met == ["other digits"]
    assert contents(store) == before
    proxy.choose = lambda path: None
    job(open_store(through), through)
    assert contents(store) != before


def test_other_prices_leave_the_forecast_that_stands(
    store: Store, direct: Settings, through: Settings, proxy: Proxy
) -> None:
    refreshing(store, direct)
    ingesting(store, direct)
    before = contents(store)
    assert keys.forecast_key() in before and keys.ledger_key(PAIR, DAYS[ROWS]) in before
    proxy.choose = lambda path: "other digits" if "prices/" in path or keys.scores_key(PAIR) in path else None
    for job in (refreshing, ingesting):
        with pytest.raises(Damaged):
            job(open_store(through), through)
    assert contents(store) == before


def test_the_sum_is_of_what_was_written_last(store: Store, direct: Settings) -> None:
    ingesting(store, direct)
    found = obstore.get(store._objects, PRICES)
    assert found.attributes[SUM] == f"{_crc32(bytes(found.bytes())):08x}"


def test_prices_that_somebody_else_put_there_carry_no_sum_and_are_read(store: Store, direct: Settings) -> None:
    obstore.put(store._objects, PRICES, store.read(PRICES).data)
    assert SUM not in obstore.get(store._objects, PRICES).attributes
    assert len(read_table(store, PAIR, "ecb", ROWS).dates) == ROWS
    ingesting(store, direct)
    assert SUM in obstore.get(store._objects, PRICES).attributes


def _crc32(data: bytes) -> int:
    """By its definition, bit by bit."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
