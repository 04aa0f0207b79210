"""Price windows in memory: as many as are asked for now, however many champions there were."""

from pathlib import Path

import pytest

from lambda_fn.contract import price_key
from lambda_fn.prices.cache import MOST, PriceCache
from lambda_fn.settings import Settings
from lambda_fn.store.connect import open_store
from lambda_fn.store.last_known_good import NothingToServe
from tests.support import foreign


def test_the_windows_of_former_champions_are_forgotten(tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = open_store(settings)
    store.create(price_key("EURUSD", "ecb"), foreign.price_file(60))
    cache = PriceCache(store, settings, lambda: 0.0)
    for rows in range(2, 60):
        assert len(cache.current("EURUSD", "ecb", rows).dates) == rows
        assert len(cache.current("EURUSD", "ecb", 2).dates) == 2, "what is asked for stays"
    assert len(cache._known) == MOST
    store.delete(price_key("EURUSD", "ecb"))
    assert len(cache.current("EURUSD", "ecb", 59).dates) == 59
    assert len(cache.current("EURUSD", "ecb", 2).dates) == 2
    with pytest.raises(NothingToServe):
        cache.current("EURUSD", "ecb", 3)
