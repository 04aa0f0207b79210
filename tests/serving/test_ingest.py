"""Ingest: the price file only grows by sound new rows, whatever the ECB's server gives, how often and to how many."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lambda_fn import __version__, ingest
from lambda_fn.ingest import PriceUpdate, Refused, declared_columns
from lambda_fn.jobs.activation import activate
from lambda_fn.jobs.telemetry import BY_PAIR
from lambda_fn.prices import ecb
from lambda_fn.prices.business_days import business_days_since
from lambda_fn.prices.ecb import EcbError
from lambda_fn.prices.price_file import parse
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.local import FolderStore
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.store.s3 import open_store
from tests.support import ecb_server, foreign
from tests.support.api_gateway import LambdaContext
from tests.support.ecb_server import DAYS, Bank, history, rates, zipped
from training.prices.ecb import EMBEDDED

Call = Callable[[str], tuple[object, dict[str, float | str]]]
ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 2, 15, 30, tzinfo=UTC)
FRANKFURT = timezone(timedelta(hours=1))  # in winter
KEY, ACTIVE = "prices/EURUSD-ecb.csv", keys.active_key("EURUSD")
WRITERS = {"folder": 8, "bucket": 2}  # this S3 server lets the others wait a second each, our time-out is two
REPLACE = "eurusd ingest --replace"


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ecb_server.running() as server:
        yield server


@pytest.fixture
def settings(store_environ: Mapping[str, str], bank: Bank) -> Settings:
    return Settings.from_env({**store_environ, "ECB_URL": bank.url("hist.zip")})


@pytest.fixture
def offer(store: Store, settings: Settings, bank: Bank) -> Callable[..., PriceUpdate]:
    """Ingests what the bank publishes from now on."""

    def offer(data: bytes, *, replace: bool = False, now: datetime = NOW) -> PriceUpdate:
        bank.files["hist.zip"] = data
        return ingest.ingest(store, settings, now, replace=replace)

    return offer


def folder(path: Path, **more: str) -> tuple[Store, Settings]:
    settings = Settings.from_env({"STORE_DIR": str(path)} | more)
    return open_store(settings), settings


def stored(store: Store) -> bytes:
    return store.read(KEY).data


def giving(data: bytes) -> Callable[[str], bytes]:
    """A fetch that always gives this file."""
    return lambda _: data


def publish_wanting_the_yen(store: Store, settings: Settings) -> None:
    foreign.publish_to(store, foreign.champion_bytes(extra=("eurjpy",)), prices=foreign.price_file(60, ["eurjpy"]))
    assert activate(store, settings, NOW).outcome == "activated"
    store.delete(KEY)


def test_the_price_file_is_created_then_appended(store: Store, offer: Callable[..., PriceUpdate]) -> None:
    assert offer(history(3)) == PriceUpdate("created", 3, DAYS[2], f"{KEY}: 3 rows, through 1999-01-06")
    assert stored(store) == (
        b"date,close,eureek,eurgbp,eurjpy\n"
        b"1999-01-04,1.15,13.5,0.71,130.0\n"
        b"1999-01-05,1.1501,13.5,0.7101,130.01\n"
        b"1999-01-06,1.1502,13.5,0.7102,130.02\n"
    )
    assert offer(history(6)) == PriceUpdate("appended", 3, DAYS[5], f"{KEY}: 3 new rows through 1999-01-11")
    assert stored(store).endswith(b"1999-01-08,1.1504,13.5,0.7104,130.04\n1999-01-11,1.1505,,0.7105,130.05\n")
    assert parse(stored(store)).dates == DAYS[:6]


def test_a_day_without_new_rates_is_no_error(store: Store, offer: Callable[..., PriceUpdate]) -> None:
    offer(history(5))
    before = store.read(KEY)
    for now in (NOW, NOW + timedelta(days=5)):
        assert offer(history(5), now=now) == PriceUpdate(
            "unchanged", 0, DAYS[4], f"{KEY}: nothing newer than 1999-01-08"
        )
    assert store.read(KEY) == before
    assert store.list("prices") == [KEY]


def test_another_pair_has_its_own_file(tmp_path: Path) -> None:
    store, settings = folder(tmp_path, S3_MODEL_INFO_KEY="models/GBPUSD/best_model_info.json")
    assert ingest.ingest(store, settings, NOW, fetch=giving(history(5))).outcome == "created"
    assert store.list("") == ["prices/GBPUSD-ecb.csv"]
    table = parse(store.read("prices/GBPUSD-ecb.csv").data)
    assert table.columns["close"][0] == 1.15 / 0.71
    assert sorted(table.columns) == ["close", "eureek", "eurgbp", "eurjpy", "eurusd"]


def cells(changes: Mapping[tuple[int, int], str], rows: int = 6) -> bytes:
    """The history with other cells, by row and currency."""
    found = rates(DAYS[:rows])
    for (row, currency), text in changes.items():
        found[DAYS[row].isoformat()][currency] = text
    return history(found)


def with_day(day: str) -> bytes:
    return history(rates(DAYS[:4]) | {day: ["1.16", "130", "0.7", "N/A"]})


def without(row: int) -> bytes:
    """The history with a row left out."""
    return history({day: row_cells for day, row_cells in rates(DAYS[:6]).items() if day != str(DAYS[row])})


BAD = {
    "empty": (b"", r"\bnot a zip\b"),
    "broken": (history(6)[:-40], r"\bnot a zip\b"),
    "a page": (b"<html>maintenance</html>", r"\bnot a zip\b"),
    "no text": (zipped(""), r"\bempty; .*\bDate,USD\b"),
    "no rows": (history(0), r"\bno rows; "),
    "a part": (without(0), "begins on 1999-01-05 instead of 1999-01-04; set ECB_URL"),
    "twice": (history(rates(DAYS[:6]) | {f" {DAYS[5]}": rates(DAYS)[str(DAYS[5])]}), "has 1999-01-11 twice"),
    "shrunk": (history(3), "history has changed: 1 row of 4 missing, the first 1999-01-07; "),
    "a hole": (without(2), f"history has changed: 1 row of 4 missing, the first 1999-01-06; .*{REPLACE}"),
    "changed": (cells({(1, 0): "1.1601"}), "close differs on 1 date, the first 1999-01-05, was 1.1501 and is 1.1601"),
    "given up": (cells({(1, 0): "N/A"}), "close differs on 1 date, the first 1999-01-05, was 1.1501 and is nan"),
    "no dollar": (history(rates(DAYS[:6]), ("XXX", "JPY", "GBP", "EEK")), r"^EURUSD: .*\bEEK, EUR, GBP, JPY, XXX; "),
    "no price": (cells({(5, 0): "N/A"}), r"^close .*\b1999-01-11 .*\bnan$"),
    "zero": (cells({(5, 0): "0"}), r"^close .*\b1999-01-11 .* 0\.0$"),
    "negative": (cells({(4, 0): "-1.15"}), r"^close .*\b1999-01-08 .* -1\.15$"),
    "jump up": (cells({(4, 0): "1.39"}), "close jumps on 1999-01-08 from 1.1503 to 1.39, over 20% in a day"),
    "jump down": (cells({(4, 0): "0.91"}), "close jumps on 1999-01-08 from 1.1503 to 0.91, over 20% in a day"),
    "a Saturday": (with_day("1999-01-09"), r"^1999-01-09 .*\bSaturday\b"),
    "a holiday": (with_day("2026-04-03"), r"^2026-04-03 .*\bFriday\b"),
    "tomorrow": (with_day("2026-11-03"), r"^2026-11-03 .*\b2026-11-02$"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_kept_aside_and_the_good_table_stays(
    store: Store, offer: Callable[..., PriceUpdate], settings: Settings, name: str
) -> None:
    data, message = BAD[name]
    offer(history(4))
    before = store.read(KEY)
    with pytest.raises(Refused) as caught:
        offer(data)
    assert re.search(message, str(caught.value))
    assert caught.value.result == PriceUpdate("refused", 0, DAYS[3], str(caught.value))
    assert offer(data, now=NOW + timedelta(hours=2)) == caught.value.result, "raised once, then only returned"
    assert store.read(KEY) == before
    digest = hashlib.sha256(data).hexdigest()
    record, kept = f"prices/refused/EURUSD-{digest}.json", f"prices/refused/{digest}.zip"
    assert set(store.list("prices/refused")) == {record, kept}
    assert store.read(kept).data == data
    assert json.loads(store.read(record).data) == {
        "reason": str(caught.value),
        "refused_at": "2026-11-02T15:30:00Z",
        "url": settings.ecb_url,
        "size": len(data),
        "request_id": "",
    }
    assert offer(history(6)).outcome == "appended", "and the next good file is taken"


def test_a_server_of_ever_new_bad_files_fills_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many files a refused one is not stored; its reason still is."""
    monkeypatch.setattr(ingest, "MAX_REFUSED", 6)
    store, settings = folder(tmp_path)
    for number in range(10):
        with pytest.raises(Refused):
            ingest.ingest(store, settings, NOW, fetch=giving(b"no zip %d" % number))
    names = store.list("prices/refused")
    assert sum(name.endswith(".zip") for name in names) == 3
    assert sum(name.endswith(".json") for name in names) == 10


def test_the_first_file_must_be_sound_too(tmp_path: Path) -> None:
    store, settings = folder(tmp_path)
    for name, (data, message) in BAD.items():
        if name in ("shrunk", "a hole", "changed", "given up"):
            continue  # there is nothing to compare with
        with pytest.raises(Refused) as caught:
            ingest.ingest(store, settings, NOW, fetch=giving(data))
        assert re.search(message, str(caught.value))
        assert caught.value.result.last_date is None
    assert KEY not in store.list("prices")


def test_days_are_those_of_utc(offer: Callable[..., PriceUpdate]) -> None:
    offer(history(4))
    monday = rates(DAYS[:4]) | {"2026-11-02": ["1.16", "130", "0.7", "N/A"]}
    with pytest.raises(Refused, match=r"^2026-11-02 .*\bfuture\b.*\b2026-11-01$"):
        offer(history(monday), now=datetime(2026, 11, 2, 0, 30, tzinfo=FRANKFURT))
    assert offer(history(monday), now=datetime(2026, 11, 3, 0, 30, tzinfo=FRANKFURT)).last_date == date(2026, 11, 2)


# Columns


def test_a_currency_that_is_gone_leaves_gaps_and_a_new_one_is_left_out(
    store: Store, offer: Callable[..., PriceUpdate]
) -> None:
    offer(history(4))
    rows = {day: [*row[:3], "9.1"] for day, row in rates(DAYS[:6]).items()}
    appended = offer(history(rows, ("USD", "JPY", "GBP", "SEK")))
    assert appended.outcome == "appended"
    assert re.search(f"left as stored: eureek is gone; new columns eursek; .*{REPLACE}", appended.reason)
    header, *lines = stored(store).decode().splitlines()
    assert header == "date,close,eureek,eurgbp,eurjpy"
    assert lines[3] == "1999-01-07,1.1503,13.5,0.7103,130.03"
    assert lines[4:] == ["1999-01-08,1.1504,,0.7104,130.04", "1999-01-11,1.1505,,0.7105,130.05"]


def test_a_change_that_no_champion_sees_is_said_and_left_as_stored(
    store: Store, offer: Callable[..., PriceUpdate]
) -> None:
    offer(history(4))
    appended = offer(cells({(1, 1): "131"}))
    assert (appended.outcome, appended.rows) == ("appended", 2)
    assert "left as stored: eurjpy differs on 1 date, the first 1999-01-05, was 130.01 and is 131.0" in appended.reason
    assert b"1999-01-05,1.1501,13.5,0.7101,130.01\n" in stored(store)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (cells({(1, 1): "131"}), "eurjpy differs on 1 date, the first 1999-01-05, was 130.01 and is 131.0"),
        (cells({(4, 1): "N/A"}), r"^eurjpy .*\b1999-01-08 .*\bnan$"),
        (cells({(5, 1): "180"}), "eurjpy jumps on 1999-01-11 from 130.04 to 180.0"),
        (history(rates(DAYS[:6]), ("USD", "XXX", "GBP", "EEK")), "eurjpy is gone"),
    ],
)
def test_the_columns_of_the_active_champion_must_be_as_sound_as_the_close(
    store: Store, offer: Callable[..., PriceUpdate], settings: Settings, data: bytes, why: str
) -> None:
    publish_wanting_the_yen(store, settings)
    assert declared_columns(store, "EURUSD") == ["close", "eurjpy"]
    offer(history(4))
    with pytest.raises(Refused, match=why):
        offer(data)
    assert offer(history(6)).rows == 2


def test_a_champion_whose_columns_are_of_another_source_does_not_matter(
    store: Store, offer: Callable[..., PriceUpdate], settings: Settings
) -> None:
    data = foreign.champion_bytes(extra=("high",), prices="csv")
    foreign.publish_to(store, data, prices=foreign.price_file(60, ["high"], source="csv"))
    assert activate(store, settings, NOW).outcome == "activated"
    assert (offer(history(4)).outcome, offer(history(6)).rows) == ("created", 2)


def test_an_active_champion_that_cannot_be_read_is_not_ingests_to_report(
    store: Store, offer: Callable[..., PriceUpdate]
) -> None:
    store.create(keys.ACTIVE_KEY, b"{}")
    assert offer(history(4)).outcome == "created"


# Replacing history


def test_history_is_replaced_when_told_and_said_where(store: Store, offer: Callable[..., PriceUpdate]) -> None:
    offer(history(5))
    rows = {day: [row[0], row[1], row[2], "9.1"] for day, row in rates(DAYS[:6]).items() if day != "1999-01-08"}
    rows["1999-01-05"][0], rows["1999-01-06"][0] = "1.16", "1.17"
    replaced = offer(history(rows, ("USD", "JPY", "GBP", "SEK")), replace=True)
    assert replaced == PriceUpdate(
        "replaced",
        5,
        DAYS[5],
        f"{KEY}: 1 row of 5 missing, the first 1999-01-08; "
        "close differs on 2 dates, the first 1999-01-05, was 1.1501 and is 1.16; eureek is gone; "
        "new columns eursek; 1 new row, through 1999-01-11",
    )
    assert stored(store).startswith(
        b"date,close,eurgbp,eurjpy,eursek\n1999-01-04,1.15,0.71,130.0,9.1\n1999-01-05,1.16,"
    )


def test_replace_does_no_more_than_is_needed(store: Store, offer: Callable[..., PriceUpdate]) -> None:
    assert offer(history(3), replace=True).outcome == "created"
    assert offer(history(5), replace=True) == PriceUpdate(
        "appended", 2, DAYS[4], f"{KEY}: 2 new rows through 1999-01-08"
    )
    assert offer(history(5), replace=True).outcome == "unchanged"
    with pytest.raises(Refused, match="close jumps on 1999-01-05"):
        offer(cells({(1, 0): "2.3"}), replace=True)
    assert parse(stored(store)).dates == DAYS[:5]


@pytest.mark.parametrize("text", [b"", b"date,close\n", b"oops", b"date,close\n1999-01-04,1.1", b"date,close,b,a\n"])
def test_a_table_that_cannot_be_continued_is_written_anew_when_told(
    store: Store, offer: Callable[..., PriceUpdate], text: bytes
) -> None:
    store.create(KEY, text)
    with pytest.raises(Refused, match=rf"\bstored table\b.*\(.*\); .*{REPLACE}"):
        offer(history(5))
    assert stored(store) == text
    assert offer(history(5), replace=True).outcome == "replaced"
    assert parse(stored(store)).dates == DAYS[:5]


# The server fails


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing", "HTTP Error 500"),
        ("slow", "timed out"),
        ("drip", "not complete within 0.3 s"),
        ("cut", "more expected"),
    ],
)
def test_a_file_that_cannot_be_had_is_no_refusal(
    store: Store, offer: Callable[..., PriceUpdate], settings: Settings, bank: Bank, path: str, why: str
) -> None:
    offer(history(4))
    before = {key: store.read(key) for key in store.list("")}
    with pytest.raises(EcbError, match=why):
        ingest.ingest(store, settings, NOW, fetch=lambda _: ecb.download(bank.url(path), timeout_s=0.3))
    assert {key: store.read(key) for key in store.list("")} == before


def test_a_store_that_is_down_is_unavailable(bank: Bank) -> None:
    environ = {"USE_S3": "true", "S3_BUCKET": "none", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}
    settings = Settings.from_env({**environ, "ECB_URL": bank.url("hist.zip")})
    bank.files["hist.zip"] = history(3)
    with pytest.raises(Unavailable, match="bucket none"):
        ingest.ingest(open_store(settings), settings, NOW)


# Laws


@given(st.lists(st.integers(1, len(DAYS)), min_size=1, max_size=12))
@hypothesis_settings(deadline=None, max_examples=40)
def test_any_order_of_older_and_newer_files_ends_with_the_longest(lengths: list[int]) -> None:
    """Never a row less; and the end is byte by byte what the longest file alone gives."""
    with tempfile.TemporaryDirectory() as name:
        store, settings = folder(Path(name))
        longest = 0
        for length in lengths:
            try:
                result = ingest.ingest(store, settings, NOW, fetch=giving(history(length)))
                assert result.rows == max(length - longest, 0)
                assert (result.outcome == "refused") == (length < longest)
                assert (result.outcome == "unchanged") == (length == longest)
            except Refused:
                assert length < longest
            longest = max(longest, length)
            assert parse(stored(store)).dates == DAYS[:longest]
        alone, settings = folder(Path(name) / "alone")
        ingest.ingest(alone, settings, NOW, fetch=giving(history(longest)))
        assert stored(store) == stored(alone)


@pytest.mark.parametrize("first", [0, 4])
def test_many_at_once_write_once(store: Store, settings: Settings, first: int) -> None:
    """Creating and appending; each has a store of its own, as functions do."""
    if first:
        ingest.ingest(store, settings, NOW, fetch=giving(history(first)))
    writers = WRITERS["bucket" if settings.use_s3 else "folder"]
    run = partial(ingest.ingest, settings=settings, now=NOW, fetch=giving(history(9)))
    with ThreadPoolExecutor(writers) as pool:
        results = list(pool.map(run, [open_store(settings) for _ in range(writers)]))
    outcomes = sorted(result.outcome for result in results)
    assert outcomes == ["appended" if first else "created", *["unchanged"] * (writers - 1)]
    assert sum(result.rows for result in results) == 9 - first
    assert parse(stored(store)).dates == DAYS[:9]


def test_many_at_once_refuse_once(tmp_path: Path) -> None:
    store, settings = folder(tmp_path)
    ingest.ingest(store, settings, NOW, fetch=giving(history(5)))

    def run(_: int) -> str:
        try:
            return ingest.ingest(open_store(settings), settings, NOW, fetch=giving(history(3))).outcome
        except Refused:
            return "raised"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(run, range(8))) == ["raised", *["refused"] * 7]


class Overtaken(FolderStore):
    """Somebody else is faster by a moment, `times` times."""

    def __init__(self, path: Path, times: int, theirs: bytes) -> None:
        super().__init__(path)
        self.times = times
        self.theirs = theirs

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        if self.times:
            self.times -= 1
            assert super().replace(key, self.theirs, etag)
        return super().replace(key, data, etag)


def price_file(rows: int) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        store, settings = folder(Path(name))
        ingest.ingest(store, settings, NOW, fetch=giving(history(rows)))
        return stored(store)


def test_a_lost_race_is_run_again_on_what_the_other_wrote(tmp_path: Path) -> None:
    store = Overtaken(tmp_path, 1, price_file(4))
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    result = ingest.ingest(store, settings, NOW, fetch=giving(history(5)))
    assert (result.outcome, result.rows) == ("appended", 1)
    assert parse(stored(store)).dates == DAYS[:5]


def test_races_without_end_are_given_up(tmp_path: Path) -> None:
    store = Overtaken(tmp_path, 99, price_file(4))
    settings = Settings.from_env({"STORE_DIR": str(tmp_path)})
    with pytest.raises(Unavailable, match=r"prices/EURUSD-ecb\.csv .* 5 attempts; "):
        ingest.ingest(store, settings, NOW, fetch=giving(history(5)))
    assert parse(stored(store)).dates == DAYS[:4]


# The handler and the command


@pytest.mark.parametrize(
    ("last", "today", "days"),
    [
        (date(2026, 10, 30), date(2026, 10, 30), 0),
        (date(2026, 10, 30), date(2026, 11, 1), 0),
        (date(2026, 10, 30), date(2026, 11, 2), 1),
        (date(2026, 4, 2), date(2026, 4, 6), 0),
        (date(2026, 4, 2), date(2026, 4, 8), 2),
        (date(2026, 11, 2), date(2026, 10, 30), 0),
    ],
)
def test_age_counts_the_banks_days(last: date, today: date, days: int) -> None:
    assert business_days_since(last, today, "ecb") == days


def measured(out: str) -> dict[str, float | str]:
    """The one record for CloudWatch among the lines: its metrics and dimensions."""
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["version"] for line in lines if "message" in line} <= {__version__}
    [record] = [line for line in lines if "_aws" in line]
    found: dict[str, float | str] = {"pair": record["pair"]}
    for about in record["_aws"]["CloudWatchMetrics"]:
        assert about["Namespace"] == "EurUsdForecast"
        names = {metric["Name"] for metric in about["Metrics"]}
        assert about["Dimensions"] == ([["pair", "stack"], ["stack"]] if names <= BY_PAIR else [["stack"]])
        found |= {name: record[name][0] for name in names}
    assert (record["stack"], record["service"]) == ("local", "ingest")
    return found


@pytest.fixture
def call(
    store_environ: Mapping[str, str], bank: Bank, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """The handler's answer, or the error that it raises, and what it measured."""
    environ = {**store_environ, "ECB_URL": bank.url("hist.zip"), "POWERTOOLS_SERVICE_NAME": "ingest"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def call(request_id: str) -> tuple[object, dict[str, float | str]]:
        capsys.readouterr()
        try:
            answer: object = ingest.handler({"source": "aws.scheduler"}, LambdaContext(aws_request_id=request_id))
        except (EcbError, Refused) as error:
            answer = error
        return answer, measured(capsys.readouterr().out)

    return call


def is_nothing_yet(forecast: dict[str, str]) -> bool:
    """Return whether the outcome is that of a store that never had a champion, with what to run first."""
    return forecast["outcome"] == "nothing" and forecast["reason"].endswith("eurusd run")


def test_the_lambda_handler(store: Store, bank: Bank, call: Call) -> None:
    """A first refusal is raised, so that it ends in the dead-letter queue; ages are measured every time."""
    bank.files["hist.zip"] = history(4)
    answer, metrics = call("1")
    assert isinstance(answer, dict)
    json.dumps(answer)
    assert is_nothing_yet(answer.pop("forecast"))
    assert answer == {
        "outcome": "created",
        "rows": 4,
        "last_date": "1999-01-07",
        "reason": f"{KEY}: 4 rows, through 1999-01-07",
    }
    aged = {
        "PriceAgeDays": business_days_since(DAYS[3], datetime.now(UTC).date(), "ecb"),
        "AgesKnown": 1,
        "RecordDegraded": 0,
    }
    made = {"ForecastMade": 0, "ForecastRefused": 0, "ForecastFallback": 0}
    assert metrics == {"pair": "EURUSD", "RowsAppended": 4, "PricesRefused": 0, **aged, **made}
    bank.files["hist.zip"] = history(3)
    for _ in range(3):  # Lambda tries an event up to three times before the queue gets it
        refused, metrics = call("2")
        assert isinstance(refused, Refused)
    assert metrics == {"pair": "EURUSD", "RowsAppended": 0, "PricesRefused": 1, **aged}
    answer, metrics = call("3")
    assert isinstance(answer, dict)
    assert (answer["outcome"], answer["last_date"]) == ("refused", "1999-01-07")
    assert metrics["PricesRefused"] == 1
    del bank.files["hist.zip"]
    failed, metrics = call("4")
    assert isinstance(failed, EcbError)
    assert metrics == {"pair": "EURUSD", "RowsAppended": 0, "PricesRefused": 0, **aged}


def test_the_age_of_the_champion_is_measured(store: Store, settings: Settings, bank: Bank, call: Call) -> None:
    foreign.publish_to(store)
    assert activate(store, settings, datetime.now(UTC) - timedelta(days=3)).outcome == "activated"
    store.delete(KEY)
    _, metrics = call("5")
    assert metrics == {
        "pair": "EURUSD",
        "RowsAppended": 0,
        "PricesRefused": 0,
        "ChampionAgeDays": 3.0,
        "AgesKnown": 0,
        "RecordDegraded": 0,
    }
    bank.files["hist.zip"] = history(4)
    _, metrics = call("5")
    assert (metrics["RowsAppended"], metrics["ChampionAgeDays"], metrics["AgesKnown"]) == (4, 3.0, 1)
    active = store.read(ACTIVE).data
    store.delete(ACTIVE)
    assert store.create(ACTIVE, b"{") and call("6")[1]["AgesKnown"] == 0
    store.delete(ACTIVE)
    store.create(keys.activated_key(1), active)
    assert call("7")[1]["AgesKnown"] == 0, "it is lost, so this is not the time before the first training"


def command(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {name: value for name, value in os.environ.items() if name not in ("USE_S3", "STORE_DIR", "ECB_URL")}
    environ |= {"PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", "lambda_fn.ingest", *arguments]
    return subprocess.run(call, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_the_command_reads_env_files_and_says_what_it_did(tmp_path: Path, bank: Bank) -> None:
    (tmp_path / ".env").write_text(f"STORE_DIR=store\nECB_URL={bank.url('hist.zip')}\n")
    done = command(tmp_path)
    assert (done.returncode, done.stdout) == (75, "")
    assert done.stderr.startswith(f"{bank.url('hist.zip')}: cannot be fetched (HTTP Error 500")
    bank.files["hist.zip"] = history(4)
    done = command(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    table, forecast = done.stdout.splitlines()
    assert table == f"created: {KEY}: 4 rows, through 1999-01-07"
    assert re.fullmatch("forecast nothing: .*; .*eurusd run", forecast)
    done = command(tmp_path, "--json")
    answer = json.loads(done.stdout)
    assert is_nothing_yet(answer.pop("forecast"))
    assert answer == {
        "outcome": "unchanged",
        "rows": 0,
        "last_date": "1999-01-07",
        "reason": f"{KEY}: nothing newer than 1999-01-07",
    }
    bank.files["hist.zip"] = cells({(1, 0): "1.16"})
    for _ in range(2):
        done = command(tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("refused: history has changed: close differs on 1 date, the first 1999-01-05")
    done = command(tmp_path, "--json")
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (1, "refused")
    done = command(tmp_path, "--replace")
    assert done.returncode == 0
    assert done.stdout.startswith(f"replaced: {KEY}: close differs on 1 date, the first 1999-01-05, was 1.1501 and is")


def test_the_command_says_wrong_settings_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("USE_S3", "perhaps")
    assert ingest.main([]) == 2
    assert re.fullmatch(r"USE_S3: 'perhaps' .*; .*\btrue or false\n", capsys.readouterr().err)


def test_a_currency_that_the_bank_quotes_no_longer_is_said_so(tmp_path: Path) -> None:
    """Nobody is told to repair the bank's own file: the lev is gone since 2026."""
    store, settings = folder(tmp_path, S3_MODEL_INFO_KEY="models/EURBGN/best_model_info.json")
    data = EMBEDDED.read_bytes()
    with pytest.raises(Refused, match=r"^close .*\b2026-01-02; "):
        ingest.ingest(store, settings, datetime(2026, 11, 2, 17, tzinfo=UTC), giving(data))
