"""A store that an older release wrote: this one serves it, and refresh, ingest, record and training continue it.

Each archive in tests/stores has the files of a store as commands of that day's commit wrote them, with their times:

- 2026-11-23 (86710b8): `run --csv` on 1,500 rates. There were no official forecasts yet.
- 2026-11-29 (40b9e09): a small champion on made-up rates of 1999, six ingests, their official forecasts and scores.
"""

import json
import tarfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.ingest import ingest_and_forecast
from lambda_fn.prices.price_file import parse
from lambda_fn.record import track_record
from lambda_fn.refresh import refresh
from lambda_fn.settings import DEFAULTS, Settings
from lambda_fn.store.keys import price_key, scores_key
from lambda_fn.store.s3 import open_store
from tests.support import ecb_server, mlflow_database, tracked
from tests.support.commands import command
from tests.support.events import event
from tests.support.project import ROOT
from training.publishing.history import list_generations

FIRST, RECENT = "2026-11-23", "2026-11-29"
LAST = {FIRST: date(2026, 10, 30), RECENT: date(1999, 2, 15)}  # days with rates
READ = (
    *("/health", "/api/predict", "/api/probability?below=1.1", "/api/champion", "/api/track-record", "/api/history"),
    *("/api/pairs", "/api/forecast.svg", "/?format=html"),
)


def unpack(release: str, folder: Path) -> Path:
    with tarfile.open(ROOT / "tests" / "stores" / f"{release}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def evening(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 17, 30, tzinfo=UTC)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a store, without its locks."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


class OldStore:
    """A store of an older release, and this release on it."""

    def __init__(self, release: str, folder: Path) -> None:
        self.folder = unpack(release, folder)
        self.before = contents(folder)
        self.settings = Settings.from_env({"STORE_DIR": str(folder)})
        self.store = open_store(self.settings)
        self.now = evening(LAST[release])

    def ask(self, target: str, body: object = None) -> tuple[int, str]:
        """The answer of a process that starts now."""
        path, _, query = target.partition("?")
        parameters = dict(part.split("=") for part in query.split("&") if part)
        app = App(self.store, self.settings, self.now.timestamp)
        answer = handle_event(app, event("POST" if body else "GET", path, parameters, body))
        return answer["statusCode"], answer["body"]

    def changed(self) -> set[str]:
        """The keys whose bytes the older release wrote and which are no longer the same."""
        after = contents(self.folder)
        return {key for key, data in self.before.items() if after.get(key) != data}


@pytest.fixture
def first(tmp_path: Path) -> OldStore:
    return OldStore(FIRST, tmp_path / "store")


@pytest.fixture
def recent(tmp_path: Path) -> OldStore:
    return OldStore(RECENT, tmp_path / "store")


def test_every_request_is_served_before_any_command(recent: OldStore) -> None:
    targets = [*READ, "/api/predict?as_of=1999-02-12"]
    answers = {target: recent.ask(target) for target in targets}
    assert {target: status for target, (status, _) in answers.items()} == dict.fromkeys(targets, 200)
    assert json.loads(answers["/health"][1])["champion"]["generation"] == 1
    closes = parse(recent.before[price_key("EURUSD", "ecb")]).columns["close"].tolist()
    status, body = recent.ask("/api/predict", {"close": closes, "as_of": "1999-02-15"})
    assert (status, json.loads(body)["champion"]["generation"]) == (200, 1)
    assert contents(recent.folder) == recent.before, "serving writes nothing"


def test_without_an_official_forecast_the_answer_names_the_command_that_makes_it(first: OldStore) -> None:
    status, body = first.ask("/api/predict")
    assert status == 503 and json.loads(body)["cure"].endswith("eurusd refresh --pair EURUSD")
    result = refresh(first.store, first.settings, first.now)
    assert (result.activation.outcome, result.forecast.outcome) == ("unchanged", "made")
    assert {target: first.ask(target)[0] for target in READ} == dict.fromkeys(READ, 200)
    assert first.changed() == set()


def test_refresh_and_ingest_continue_the_record(recent: OldStore) -> None:
    """The champion stays active, its forecasts stay as they were made, and their scores stay live."""
    result = refresh(recent.store, recent.settings, recent.now)
    assert (result.activation.outcome, result.activation.generation) == ("unchanged", 1)
    days = ecb_server.DAYS[: ecb_server.DAYS.index(LAST[RECENT]) + 2]
    bank = ecb_server.history(len(days))
    recent.now = evening(days[-1])
    ingested = ingest_and_forecast(recent.store, recent.settings, recent.now, lambda _: bank)
    assert (ingested.prices.outcome, ingested.forecast.outcome) == ("appended", "made")
    assert json.loads(recent.ask("/api/predict")[1])["as_of"] == days[-1].isoformat()
    ledger = {key for key in recent.before if key.startswith("record/EURUSD/")}
    assert len(ledger) == 6 and not ledger & recent.changed()
    rows = recent.store.read(scores_key("EURUSD")).data.decode().splitlines()
    named = [dict(zip(rows[0].split(","), row.split(","), strict=True)) for row in rows[1:]]
    assert {row["kind"] for row in named} == {"live"} and all(row["stored_at"] for row in named)
    assert sum(row["target_date"] == days[-1].isoformat() for row in named) == 5
    track_record.update(recent.store, "EURUSD", recent.now, rebuild=True)
    assert recent.store.read(scores_key("EURUSD")).data.decode().splitlines() == rows


@pytest.mark.usefixtures("cached_refits")
def test_training_publishes_above_the_old_generation_and_goes_back_to_it(
    first: OldStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in DEFAULTS:
        monkeypatch.setenv(name, "")  # restored afterwards, also what the command adds
        monkeypatch.delenv(name)
    address = mlflow_database.create(tmp_path / "mlflow.db")
    (tmp_path / ".env").write_text(f"STORE_DIR=store\nMLFLOW_TRACKING_URI={address}\n")
    monkeypatch.chdir(tmp_path)
    prices = first.before[price_key("EURUSD", "csv")].decode()
    (tmp_path / "rates.csv").write_text(f"{prices}2026-11-02,1.1181\n")
    [old] = list_generations(first.store, "EURUSD")
    with tracked.tracking_address():
        command(capsys, "run", "--csv", "rates.csv", "--families", "random_walk,calendar", "--first-year", "2026")
        first_row, second_row = command(capsys, "history")["generations"]
        assert {int(days): loss for days, loss in first_row["pinball"].items()} == old.losses()
        assert set(map(int, second_row["pinball"])) == {1, 2, 3, 4, 5, 21}
        assert command(capsys, "status")["active"]["generation"] == 2
        assert command(capsys, "rollback")["generation"] == 3
    active = json.loads(first.store.read("serving/active.json").data)
    assert active["champion"]["sha256"] == json.loads(first.before["serving/active.json"])["champion"]["sha256"]
