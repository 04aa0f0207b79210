"""An ingest of several pairs that is killed after any of its writes: what is read meanwhile is whole, and the next one
ends where one that was never killed does."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.ingest import ingest_and_forecast
from lambda_fn.record import all_pairs
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store
from tests.support import foreign
from tests.support.dying_store import DyingStore, Killed
from tests.support.ecb_server import DAYS, history
from tests.support.events import event

PAIRS = ("EURUSD", "GBPUSD")
ROWS, NEW = 30, 4  # rows that are known, and those of the days whose ingests were missed
BEFORE, AFTER = (datetime.combine(DAYS[rows - 1], time(17), UTC) for rows in (ROWS, ROWS + NEW))
READ = ("/health", "/api/predict", "/api/track-record", "/api/history", "/api/pairs")


def settings_of(folder: Path) -> Settings:
    return Settings.from_env({"STORE_DIR": str(folder), "PAIRS": ",".join(PAIRS)})


def keep(store: Store, settings: Settings, rows: int, now: datetime) -> None:
    """As the handler does, of every pair."""
    data = history(rows)
    for pair in settings.pairs:
        ingest_and_forecast(store, settings.for_pair(pair), now, lambda url: data)
    all_pairs.write(store, settings.pairs, now)


def objects(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {key: data for key, data in found.items() if key.startswith(("prices/", "record/", "serving/"))}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both pairs with a champion and the official forecast of the last known day."""
    folder = tmp_path_factory.mktemp("trained")
    settings, store = settings_of(folder), FolderStore(folder)
    keep(store, settings, ROWS, BEFORE)
    for pair in PAIRS:
        own = settings.for_pair(pair)
        prices = store.read(keys.price_key(pair, "ecb")).data
        champion = foreign.champion_bytes(pair=pair, trained_through=DAYS[ROWS - 1])
        foreign.publish_to(store, champion, 1, prices, own.model_info_key, model_name=f"{pair}_Foreign")
        refresh(store, own, BEFORE)
    keep(store, settings, ROWS, BEFORE)
    return folder


@pytest.fixture
def copies(trained: Path, tmp_path: Path) -> Iterator[Path]:
    """Copies of it, without end."""
    return (Path(shutil.copytree(trained, tmp_path / str(number))) for number in range(1000))


def test_killed_after_any_write_it_ends_where_it_would_have(copies: Iterator[Path]) -> None:
    undisturbed = next(copies)
    keep(FolderStore(undisturbed), settings_of(undisturbed), ROWS + NEW, AFTER)
    wanted = objects(undisturbed)
    ledger = [key for key in wanted if key.startswith("record/") and key.endswith(".json")]
    assert len(ledger) == 2 * len(PAIRS) and "serving/pairs.json" in wanted
    writes = 0
    while True:
        folder = next(copies)
        before = objects(folder)
        settings = settings_of(folder)
        try:
            keep(DyingStore(folder, writes + 1), settings, ROWS + NEW, AFTER)
        except Killed:
            writes += 1
        else:
            break
        for pair in PAIRS:
            app = App(FolderStore(folder), settings, AFTER.timestamp)
            answers = [handle_event(app, event("GET", path, {"pair": pair}))["statusCode"] for path in READ[:-1]]
            assert [*answers, handle_event(app, event("GET", READ[-1]))["statusCode"]] == [200] * len(READ), writes
        between = objects(folder)
        assert all(between[key] == before[key] for key in ledger if key in before)
        keep(FolderStore(folder), settings, ROWS + NEW, AFTER)
        assert objects(folder) == wanted, f"killed after write {writes}"
    # of each pair its prices, forecast, ledger entry, scores and record, and at the end what is pooled
    assert writes == 5 * len(PAIRS) + 1
