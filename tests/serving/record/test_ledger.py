"""The ledger: other files are not scored, an odd entry costs its own rows, and changed closes are noticed."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lambda_fn import fields
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.price_file import serialise
from lambda_fn.record import track_record
from lambda_fn.record.issue import after_prices
from lambda_fn.record.official_forecast import Entry
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support import foreign

PAIR = "EURUSD"
SETTINGS = Settings.from_env({})  # the pair, and no public key
NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
DAYS = next_business_days(foreign.AS_OF, 4, "ecb")


def prices(days: int, change: float = 1.0) -> bytes:
    """The price file of `foreign` with so many days more, the first of which is changed."""
    closes = foreign.closes(60).tolist()
    new = [closes[-1] * (1 + 0.001 * (i + 1)) for i in range(days)]
    return serialise([*foreign.price_rows(), *DAYS[:days]], {"close": [*closes, new[0] * change, *new[1:]]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Forecasts of four days, of which three are scored."""
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    store = open_store(settings)
    foreign.publish_to(store)
    refresh(store, settings, NOW)
    for days in range(1, 4):
        foreign.put(store, keys.price_key(PAIR, "ecb"), prices(days))
        made, unscored = after_prices(store, SETTINGS, at(days), corrected=False)
        assert (made.outcome, unscored) == ("made", "")
    return store


def at(days: int) -> datetime:
    return NOW + timedelta(days=2 + days)


OTHERS = (
    ".DS_Store",
    "x-backtest.csv",
    "2026-10-30 (1).json",
    "20261030.json",
    "2026-W44-5.json",
    "2026-10-30",
    "older/2026-10-29.json",
)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_entry_is_named_in_the_log_and_changes_nothing(
    name: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    before = store.read(keys.scores_key(PAIR)).data
    entry = store.read(keys.ledger_key(PAIR, foreign.AS_OF)).data
    foreign.put(store, f"record/{PAIR}/{name}", entry)
    assert track_record.update(store, PAIR, at(3), rebuild=True).faults == []
    assert store.read(keys.scores_key(PAIR)).data == before
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert name in caplog.text


def swapped(row: list[float]) -> list[float]:
    """Two quantiles within the outer ones change places."""
    return [row[0], *row[1:-1][::-1], row[-1]]


ODD: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another pair": lambda entry: {"pair": "GBPUSD"},
    "another day": lambda entry: {"as_of": "2026-10-29"},
    "quantiles that fall": lambda entry: {"quantiles": [swapped(row) for row in entry["quantiles"]]},
    "a quantile of zero": lambda entry: {"quantiles": [[0.0, *row[1:]] for row in entry["quantiles"]]},
    "a benchmark that falls": lambda entry: {"benchmarks": {"ewma": [row[::-1] for row in entry["quantiles"]]}},
    "a mean outside": lambda entry: {"mean": [2.0 for _ in entry["mean"]]},
    "a close of zero": lambda entry: {"last_close": 0.0},
    "a median far away": lambda entry: {
        "quantiles": [[3 * price for price in row] for row in entry["quantiles"]],
        "mean": [3 * price for price in entry["mean"]],
    },
    "days that fall": lambda entry: {"days": entry["days"][::-1]},
    "no days": lambda entry: {"days": []},
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_entry_costs_its_own_rows_and_gives_the_reason(name: str, store: Store) -> None:
    key = keys.ledger_key(PAIR, foreign.AS_OF)
    entry = fields.json_object(store.read(key).data, "ledger")
    foreign.put(store, key, fields.summed_bytes({**entry, **ODD[name](entry)}))
    before = {row.as_of for row in track_record.read_scores(store, PAIR)}
    made, unscored = after_prices(store, SETTINGS, at(3), corrected=True)
    assert made.outcome == "unchanged"
    assert re.match(rf"1 .*\brecord/{PAIR}/{foreign.AS_OF}\.json", unscored)
    assert {row.as_of for row in track_record.read_scores(store, PAIR)} == before - {foreign.AS_OF}


def test_a_record_that_lost_its_sum_is_not_trusted(store: Store) -> None:
    """One of before there were sums, which names no writer, is read."""
    key = keys.forecast_key(PAIR)
    record = json.loads(store.read(key).data)
    del record["crc32"]
    with pytest.raises(fields.ContractError, match=r"^forecast\.crc32: missing\b.*; "):
        fields.json_object(fields.json_bytes(record), "forecast")
    del record["writer"]
    assert fields.json_object(fields.json_bytes(record), "forecast")


def test_a_sum_that_is_not_the_last_member_is_refused(store: Store) -> None:
    """A tool that sorts the members, or writes them without spaces, leaves a sum that says nothing."""
    record = json.loads(store.read(keys.forecast_key(PAIR)).data)
    for data in (json.dumps(record).encode(), json.dumps(record, indent=2, sort_keys=True).encode()):
        with pytest.raises(fields.ContractError, match=r"^forecast\.crc32: not the last\b.*; "):
            fields.json_object(data, "forecast")


def test_closes_that_were_replaced_before_the_record_could_be_written_are_noticed(store: Store) -> None:
    """`ingest --replace` is killed after it wrote the price file: the next ingest finds nothing to replace."""
    replaced = prices(3, 1.002)
    foreign.put(store, keys.price_key(PAIR, "ecb"), replaced)
    before = track_record.read_scores(store, PAIR)
    after_prices(store, SETTINGS, at(3), corrected=False)
    after = track_record.read_scores(store, PAIR)
    assert len(after) == len(before)
    outcomes = [row.outcome for row in after if row.target_date == DAYS[0]]
    assert outcomes == pytest.approx([foreign.closes(60)[-1] * 1.001 * 1.002] * len(outcomes))


def test_rows_that_were_changed_are_made_again(store: Store) -> None:
    key = keys.scores_key(PAIR)
    before = store.read(key).data
    foreign.put(store, key, before.replace(b",live,", b",late,"))
    track_record.update(store, PAIR, at(3))
    assert store.read(key).data == before


def test_final_rows_are_kept_while_their_closes_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their entries are not read again; where a close of theirs changes, they are."""
    monkeypatch.setattr(track_record, "FINAL_AFTER_DAYS", 0)
    read: list[date] = []
    parse = Entry.parse

    def counted(data: bytes, pair: str, as_of: date) -> Entry:
        read.append(as_of)
        return parse(data, pair, as_of)

    monkeypatch.setattr(Entry, "parse", counted)
    track_record.update(store, PAIR, at(3))
    assert foreign.AS_OF not in read
    foreign.put(store, keys.price_key(PAIR, "ecb"), prices(3, 1.002))
    track_record.update(store, PAIR, at(3))
    assert foreign.AS_OF in read
