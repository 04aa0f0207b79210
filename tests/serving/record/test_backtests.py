"""A backtest that a pointer brings is checked before it is activated, and before it is shown."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.contract import Active
from lambda_fn.jobs.activation import Refused, activate
from lambda_fn.record.track_record import read_backtest
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.s3 import open_store
from tests.support import foreign

NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
PAIR = "EURUSD"
SOUND: dict[str, Any] = {"days": 0, "from": None, "through": None, "horizons": [], "reliability": []}
ODD: list[dict[str, Any]] = [SOUND | {"days": -1}, SOUND | {"horizons": [{"horizon": 1}]}, {"days": 1}]


@pytest.mark.parametrize("backtest", ODD)
def test_a_pointer_with_an_odd_backtest_is_not_activated(backtest: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = open_store(settings)
    foreign.publish_to(store, backtest=backtest)
    with pytest.raises(Refused) as refused:
        activate(store, settings, NOW)
    assert str(refused.value).startswith("pointer.backtest.")
    assert keys.active_key() not in store.list("")


@pytest.mark.parametrize(("backtest", "is_shown"), [(SOUND, True), *((odd, False) for odd in ODD)])
def test_a_backtest_is_shown_where_it_is_sound(backtest: dict[str, Any], is_shown: bool, tmp_path: Path) -> None:
    """An odd one may be active since before it was checked."""
    store = open_store(Settings.from_env({"STORE_DIR": str(tmp_path)}))
    pointer = foreign.publish_to(store)
    assert pointer.champion is not None
    key = keys.serving_key(pointer.champion.sha256)
    active = Active(replace(pointer, backtest=backtest), pointer.champion, 1, NOW, key)
    store.create(keys.active_key(), active.to_json())
    assert read_backtest(store, PAIR) == (backtest if is_shown else None)
