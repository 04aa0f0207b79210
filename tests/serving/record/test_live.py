"""What makes a forecast live: it was made after its close, and stored before its outcome could be known."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from lambda_fn.fields import ContractError
from lambda_fn.jobs.activation import activate
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.price_file import serialise
from lambda_fn.record import track_record
from lambda_fn.record.issue import after_prices
from lambda_fn.record.official_forecast import Entry, Official, check_clock
from lambda_fn.record.scoring import HEADER, STORED_AT, Score, find_late_reason, from_csv, score, to_csv
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign, records

PAIR, PRICES = "EURUSD", keys.price_key("EURUSD", "ecb")
NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
KNOWN = datetime(2026, 10, 30, 13, 15, tzinfo=UTC)  # the fixing of 30 October, 14:15 in Frankfurt in winter
OUTCOME = datetime(2026, 11, 2, 13, 15, tzinfo=UTC)
NEXT = next_business_days(foreign.AS_OF, 3, "ecb")
SECOND = timedelta(seconds=1)
ENTRY = Entry.of(records.official())


def test_a_clock_before_the_fixing_is_refused() -> None:
    check_clock(foreign.AS_OF, "ecb", KNOWN)
    with pytest.raises(ContractError, match=r"^clock: it shows .*13:14:59Z, .*\b2026-10-30T13:15:00Z; correct"):
        check_clock(foreign.AS_OF, "ecb", KNOWN - SECOND)
    with pytest.raises(ContractError, match="12:15:00Z"):  # in summer
        check_clock(date(2026, 7, 1), "ecb", datetime(2026, 7, 1, 12, 14, tzinfo=UTC))
    check_clock(foreign.AS_OF, "csv", NOW - timedelta(days=1))  # its dates are compared by `check_window`


def test_a_clock_that_is_a_day_slow_makes_no_entry(store: Store, settings: Settings) -> None:
    """Prices of tomorrow are allowed for time zones ahead of UTC, so only the clock's check notices it."""
    foreign.publish_to(store)
    result = refresh(store, settings, NOW - timedelta(days=1)).forecast
    assert result.outcome == "refused" and result.reason.startswith("clock: it shows 2026-10-29T17:00:00Z, ")
    assert store.list("record") == []
    assert refresh(store, settings, NOW).forecast.outcome == "made"


def test_a_slow_clock_leaves_the_forecast_that_stands(store: Store, settings: Settings) -> None:
    foreign.publish_to(store)
    refresh(store, settings, NOW)
    foreign.put(store, PRICES, prices_until(NEXT[0]))
    result = refresh(store, settings, NOW + timedelta(days=2)).forecast
    assert result.outcome == "refused"
    stored = Official.parse(store.read(keys.forecast_key()).data, PAIR)
    assert (stored.as_of, stored.failure_reason, stored.blocked_generation) == (foreign.AS_OF, result.reason, None)


LATE: dict[str, tuple[datetime, datetime | None, str | None]] = {
    "just after its close": (KNOWN, KNOWN, None),
    "just before its outcome": (OUTCOME - SECOND, OUTCOME - SECOND, None),
    "in a store without times": (NOW, None, None),
    "before its close": (KNOWN - SECOND, NOW, "made 2026-10-30T13:14:59Z, before"),
    "after its outcome": (OUTCOME, OUTCOME, "made 2026-11-02T13:15:00Z"),
    "stored after its outcome": (NOW, OUTCOME, "stored 2026-11-02T13:15:00Z, "),
}


@pytest.mark.parametrize("name", LATE)
def test_an_entry_is_live_if_its_times_say_so(name: str) -> None:
    made_at, stored_at, expected = LATE[name]
    entry = ENTRY._replace(made_at=made_at, kind="live")
    reason = find_late_reason(entry, stored_at)
    assert (reason is None) is (expected is None) and (expected or "") in (reason or "")
    [row] = score(entry, {entry.as_of: 1.1, entry.days[0]: 1.11}, stored_at)
    assert (row.kind, row.note) == ("late" if expected else "live", reason or "")


def test_a_late_entry_stays_late_whatever_the_store_says() -> None:
    [row] = score(ENTRY._replace(kind="late"), {ENTRY.as_of: 1.1, ENTRY.days[0]: 1.11}, NOW)
    assert (row.kind, row.note) == ("late", "")


def test_a_fallback_is_named_in_its_rows() -> None:
    entry = ENTRY._replace(failed_generation=2, reason="generation 2 failed: too wide")
    [row] = score(entry, {entry.as_of: 1.1, entry.days[0]: 1.11}, NOW)
    assert (row.kind, row.note) == ("live", "generation 2 failed")


def rows_of(stored_at: datetime | None) -> list[Score]:
    return list(score(ENTRY, dict.fromkeys(ENTRY.days, 1.11), stored_at))


def test_rows_are_read_back_with_and_without_the_stores_time() -> None:
    """The rows of a backtest are of no object, and their file is as it was."""
    for stored_at, header in ((NOW, (*HEADER, STORED_AT)), (None, HEADER)):
        data = to_csv(rows_of(stored_at))
        assert data.decode().splitlines()[0] == ",".join(header)
        assert from_csv(data) == rows_of(stored_at)


@pytest.mark.parametrize("text", ["yesterday", "2026-10-30", "2026-10-30T17:00:00", "2026-10-30T17:00:00+01:00"])
def test_an_odd_time_is_refused(text: str) -> None:
    data = to_csv(rows_of(NOW)).replace(b",2026-10-30T17:00:00Z\n", f",{text}\n".encode())
    with pytest.raises(ContractError, match="row 2 is invalid"):
        from_csv(data)


# The store's own times --------------------------------------------------------------------------------------------


def prices_until(last: date) -> bytes:
    days, closes = foreign.price_rows(), foreign.closes(60).tolist()
    while days[-1] < last:
        days.append(next_business_days(days[-1], 1, "ecb")[0])
        closes.append(closes[-1])
    return serialise(days, {"close": closes})


def touch(folder: Path, stored_at: datetime) -> None:
    """Let the folder say that all entries of the ledger were written then."""
    for path in (folder / "record" / PAIR).glob("*.json"):
        os.utime(path, (stored_at.timestamp(), stored_at.timestamp()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A forecast of 30 October that was stored then, and scored on 2 November."""
    folder = tmp_path / "store"
    settings = Settings.from_env({"STORE_DIR": str(folder)})
    store = open_store(settings)
    foreign.publish_to(store)
    refresh(store, settings, NOW)
    touch(folder, NOW)
    foreign.put(store, PRICES, prices_until(NEXT[0]))
    after_prices(store, settings, OUTCOME + timedelta(hours=4), corrected=False)
    return folder


def kinds(folder: Path, rebuild: bool = True) -> list[tuple[str, str]]:
    store = open_store(Settings.from_env({"STORE_DIR": str(folder)}))
    rows = track_record.update(store, PAIR, OUTCOME + timedelta(hours=5), rebuild=rebuild).scores
    assert rows == track_record.read_scores(store, PAIR)
    return [(row.kind, row.note) for row in rows]


@pytest.mark.store_times
def test_scoring_takes_the_time_of_the_object(folder: Path) -> None:
    """By a clock that is three days slow the entry is of Friday, and it was stored on Monday after the fixing."""
    assert kinds(folder) == [("live", "")]
    (folder / keys.scores_key(PAIR)).unlink()
    touch(folder, OUTCOME)
    [(kind, note)] = kinds(folder)
    assert kind == "late" and note.startswith("stored 2026-11-02T13:15:00Z, ")


@pytest.mark.store_times
@pytest.mark.parametrize(("slow", "live"), [(timedelta(0), 6), (timedelta(days=1), 2), (timedelta(days=3), 0)])
def test_a_slow_clock_makes_no_late_forecast_live(slow: timedelta, live: int, tmp_path: Path) -> None:
    """A week of jobs by that clock, while the store's clock is right.

    A day slow, the forecast after Friday is made on Monday before the fixing, which is in time; each other one is late.
    """
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = open_store(settings)
    foreign.publish_to(store)
    activate(store, settings, NOW)
    for day in [foreign.AS_OF, *next_business_days(foreign.AS_OF, 6, "ecb")]:
        for hour in (12, 14, 17, 20):
            true = datetime.combine(day, time(hour), UTC)
            if hour == 17:
                foreign.put(store, PRICES, prices_until(day))
            before = set(store.list("record"))
            after_prices(store, settings, true - slow, corrected=False)
            for key in set(store.list("record")) - before:
                os.utime(tmp_path / key, (true.timestamp(), true.timestamp()))
    rows = [row for row in track_record.read_scores(store, PAIR) if row.horizon == 1]
    assert [row.kind for row in rows].count("live") == live
    assert all(row.kind == "live" or "could be known" in row.note for row in rows)


@pytest.mark.store_times
@pytest.mark.parametrize("rebuild", [True, False])
def test_a_copy_with_its_rows_stays_live(rebuild: bool, folder: Path, tmp_path: Path) -> None:
    """As `aws s3 sync` to another bucket, or a version that was restored: each object gets a new time."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    touch(copy, NOW + timedelta(days=60))
    assert kinds(copy, rebuild) == [("live", "")]
    [row] = from_csv((copy / keys.scores_key(PAIR)).read_bytes())
    assert row.stored_at == "2026-10-30T17:00:00Z", "the earliest"


@pytest.mark.store_times
def test_a_copy_without_its_rows_is_late_and_says_why(folder: Path) -> None:
    touch(folder, NOW + timedelta(days=60))
    (folder / keys.scores_key(PAIR)).unlink()
    [(kind, note)] = kinds(folder)
    assert kind == "late" and note.startswith("stored 2026-12-29T17:00:00Z, ")


@pytest.mark.store_times
def test_the_time_of_another_forecast_proves_nothing(folder: Path) -> None:
    """An entry that was replaced by a later one of the same day has no earlier time."""
    key = keys.ledger_key(PAIR, foreign.AS_OF)
    store = open_store(Settings.from_env({"STORE_DIR": str(folder)}))
    entry = Entry.parse(store.read(key).data, PAIR, foreign.AS_OF)
    foreign.put(store, key, entry._replace(made_at=NOW + SECOND).to_json())
    touch(folder, OUTCOME)
    assert [kind for kind, _ in kinds(folder)] == ["late"]


@pytest.mark.store_times
def test_rows_of_an_earlier_version_are_compared_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no time of the store, so that their entries are read again although all outcomes are known."""
    monkeypatch.setattr(track_record, "FINAL_AFTER_DAYS", -1)
    touch(folder, OUTCOME)
    path = folder / keys.scores_key(PAIR)
    path.write_bytes(to_csv([row._replace(stored_at="") for row in from_csv(path.read_bytes())]))
    store = open_store(Settings.from_env({"STORE_DIR": str(folder)}))
    track_record.write_summary(store, PAIR, track_record.read_scores(store, PAIR), NOW, digests(store))
    assert [kind for kind, _ in kinds(folder, rebuild=False)] == ["late"]


def digests(store: Store) -> dict[str, str]:
    """Those of the rows as they are stored."""
    closes = track_record._Closes(store, PAIR)
    closes.for_source("ecb")
    return closes.digests(track_record.read_scores(store, PAIR), store.read(keys.scores_key(PAIR)).data)


@pytest.mark.store_times
@pytest.mark.both_stores
def test_a_store_tells_its_time(store: Store, settings: Settings) -> None:
    """On a folder and on S3: an entry that calls itself live and was stored today, long after its outcome, is late."""
    foreign.publish_to(store, prices=foreign.price_file(60))
    old = foreign.AS_OF - timedelta(days=365)
    foreign.put(store, PRICES, foreign.price_file(60, as_of=old))
    official = records.official(as_of=old, horizon=1)
    foreign.put(store, keys.ledger_key(PAIR, old), Entry.of(official).to_json())
    days = [*foreign.price_rows(60, old), *next_business_days(old, 1, "ecb")]
    foreign.put(store, PRICES, serialise(days, {"close": [*foreign.closes(60).tolist(), 1.1]}))
    [row] = track_record.update(store, PAIR, datetime.now(UTC)).scores
    assert row.kind == "late" and f"stored {row.stored_at}, " in row.note
    assert abs(datetime.fromisoformat(row.stored_at) - datetime.now(UTC)) < timedelta(minutes=10)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[:-20],
    "another time": lambda data: data.replace(b"T17:00:00Z\n", b"\n"),
    "no file of rows": lambda data: b"{}",
}


@pytest.mark.store_times
@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_rows_are_made_again_from_the_ledger(name: str, folder: Path) -> None:
    path = folder / keys.scores_key(PAIR)
    before = path.read_bytes()
    path.write_bytes(DAMAGE[name](before))
    assert kinds(folder, rebuild=False) == [("live", "")]
    assert path.read_bytes() == before
