"""GET /api/predict?as_of=: the forecast as the ledger has it, with its scores where they exist."""

import csv
import io
import json
import threading
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.price_file import serialise
from lambda_fn.record import track_record
from lambda_fn.record.issue import after_prices
from lambda_fn.record.official_forecast import Entry
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.web import ledger
from lambda_fn.web.request import Request
from lambda_fn.web.response import Response
from tests.support import foreign, records
from tests.support.local_api import START, LocalApi, local_api

PAIR, PRICES = "EURUSD", keys.price_key("EURUSD", "ecb")
AS_OF = foreign.AS_OF
DAYS = next_business_days(AS_OF, 5, "ecb")


def reach(api: LocalApi, days: int) -> None:
    """Let so many business days pass, each with its prices, its forecast and the scores that are known then."""
    known, closes = foreign.price_rows(), foreign.closes(60).tolist()
    for number, day in enumerate(DAYS[:days], 1):
        table = serialise([*known, *DAYS[:number]], {"close": [*closes, *[closes[-1] * 1.001] * number]})
        foreign.put(api.store, PRICES, table)
        now = datetime.combine(day, time(17), START.tzinfo)
        api.clock.now = now.timestamp()
        after_prices(api.store, api.settings, now, corrected=False)


@pytest.fixture
def api(tmp_path: Path) -> LocalApi:
    """Forecasts of 30 October to 4 November; all days of the first are known, and none of the last."""
    api = local_api(tmp_path)
    api.promote(foreign.champion_bytes(), 1)
    reach(api, 3)
    return api


def ask(api: LocalApi, **query: str) -> Response:
    return api.app.handle(Request("GET", "/api/predict", query))


def answer(api: LocalApi, **query: str) -> dict[str, Any]:
    response = ask(api, **query)
    assert response.status == 200, response.body
    content: dict[str, Any] = json.loads(response.body)
    return content


def entry(api: LocalApi, day: date) -> Entry:
    return Entry.parse(api.store.read(keys.ledger_key(PAIR, day)).data, PAIR, day)


def test_it_is_the_entry_to_the_last_digit(api: LocalApi) -> None:
    stored, content = entry(api, AS_OF), answer(api, as_of="2026-10-30")
    levels = [f"{level:g}" for level in stored.levels]
    assert [day["date"] for day in content["forecast"]] == [day.isoformat() for day in stored.days]
    assert [list(day["quantiles"].values()) for day in content["forecast"]] == stored.quantiles
    assert [list(day["quantiles"]) for day in content["forecast"]] == [levels] * 3
    assert [day["mean"] for day in content["forecast"]] == stored.mean
    for name, rows in stored.benchmarks.items():
        assert [list(day["benchmarks"][name].values()) for day in content["forecast"]] == rows
    assert content["last_close"] == stored.last_close and content["made_at"] == "2026-10-30T17:00:00Z"
    assert {name: content[name] for name in ("pair", "as_of", "kind", "generation", "family", "sha256", "prices")} == {
        **{"pair": PAIR, "as_of": "2026-10-30", "kind": "live", "generation": 1, "family": "foreign"},
        **{"sha256": stored.sha256, "prices": "ecb"},
    }


def test_it_has_the_scores_of_the_days_that_are_known(api: LocalApi) -> None:
    rows = [row for row in track_record.read_scores(api.store, PAIR) if row.as_of == DAYS[1]]
    first, *others = answer(api, as_of=DAYS[1].isoformat())["forecast"]
    assert len(rows) == 1 and [day["score"] for day in others] == [None, None]
    [row] = rows
    assert first["score"] == {
        **{"kind": "live", "outcome": row.outcome, "pinball": row.pinball, "pit": row.pit, "note": ""},
        "benchmarks": {"constant": row.benchmarks[0], "ewma": row.benchmarks[1]},
        "inside": {"50": row.inside[0], "95": row.inside[2]},
        "stored_at": row.stored_at,
    }
    assert all(day["score"] for day in answer(api, as_of="2026-10-30")["forecast"])
    assert not any(day["score"] for day in answer(api, as_of=DAYS[2].isoformat())["forecast"])


def test_a_part_is_selected_as_of_the_newest(api: LocalApi) -> None:
    content = answer(api, as_of="2026-10-30", horizon="2", level="95")
    assert [day["horizon"] for day in content["forecast"]] == [1, 2]
    first = content["forecast"][0]
    assert list(first["quantiles"]) == ["0.025", "0.5", "0.975"]
    assert first["intervals"] == {"95": {"lower": first["quantiles"]["0.025"], "upper": first["quantiles"]["0.975"]}}
    assert first["median"] == first["quantiles"]["0.5"]
    assert len(answer(api, as_of="2026-10-30", quantiles="0.25", h="1")["forecast"]) == 1
    assert ask(api, as_of="2026-10-30", horizon="4").status == 400


def test_a_table_has_the_scores_too(api: LocalApi) -> None:
    response = ask(api, as_of=DAYS[1].isoformat(), format="csv")
    assert response.headers["Content-Disposition"] == 'inline; filename="EURUSD-2026-11-03.csv"'
    first, second, _ = csv.DictReader(io.StringIO(str(response.body)))
    content = answer(api, as_of=DAYS[1].isoformat())["forecast"]
    assert (first["date"], float(first["q0.5"])) == (content[0]["date"], content[0]["median"])
    assert (first["kind"], float(first["outcome"])) == ("live", content[0]["score"]["outcome"])
    assert (second["kind"], second["outcome"]) == ("", "")
    newest = next(csv.reader(io.StringIO(str(ask(api, format="csv").body))))
    assert "outcome" not in newest, "the table of the newest is as it was"


BAD = {
    "no date": "yesterday",
    "another form": "20261030",
    "a week": "2026-W44-5",
    "no such day": "2026-02-30",
    "other digits": "٢٠٢٦-10-30",
    "empty": "",
    "two": "2026-10-30,2026-10-29",
    "a path": "../../serving/active",
    "a long one": "2026-10-30" * 1000,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_date_is_a_400(name: str, api: LocalApi) -> None:
    problem = api.get("/api/predict", as_of=BAD[name])
    assert (problem.status, problem.json["field"], problem.json["code"]) == (400, "as_of", "bad_query")
    assert problem.json["cure"] == "give YYYY-MM-DD, for example as_of=2026-10-30"
    assert len(problem.json["detail"]) < 100


@pytest.mark.parametrize("day", ["2026-10-31", "2026-10-29", "0001-01-01", "9999-12-31"])
def test_a_day_without_an_entry_is_a_404(day: str, api: LocalApi) -> None:
    problem = api.get("/api/predict", as_of=day)
    assert (problem.status, problem.json["field"]) == (404, "as_of")
    assert day in problem.json["detail"] and "/api/history" in problem.json["cure"]
    assert problem.headers["Cache-Control"] == "no-store"


def test_a_day_that_is_forecast_later_is_found(api: LocalApi) -> None:
    day = DAYS[3].isoformat()
    assert ask(api, as_of=day).status == 404
    reach(api, 4)
    api.clock.ahead(61)
    assert ask(api, as_of=day).status == 200


def test_only_a_get_of_the_forecast_takes_it(api: LocalApi) -> None:
    assert api.post({"close": foreign.closes(20).tolist()}, as_of="2026-10-30").status == 400
    for path in ("/api/probability", "/api/champion", "/health"):
        assert api.get(path, as_of="2026-10-30").status == 400


def test_a_scored_entry_keeps_and_another_is_asked_for_again(api: LocalApi) -> None:
    final, running = ask(api, as_of="2026-10-30"), ask(api, as_of=DAYS[1].isoformat())
    assert final.headers["Cache-Control"] == "max-age=86400, immutable"
    assert running.headers["Cache-Control"] == "max-age=60"
    reach(api, 4)
    api.clock.ahead(3600)
    assert ask(api, as_of="2026-10-30").headers["ETag"] == final.headers["ETag"], "new rows of others change nothing"
    assert ask(api, as_of=DAYS[1].isoformat()).headers["ETag"] != running.headers["ETag"], "a new score"
    again = Request("GET", "/api/predict", {"as_of": "2026-10-30"}, {"if-none-match": final.headers["ETag"]})
    assert api.app.handle(again).status == 304
    table = ask(api, as_of="2026-10-30", format="csv")
    assert table.headers["ETag"] != final.headers["ETag"]
    assert api.app.handle(Request("HEAD", "/api/predict", {"as_of": "2026-10-30"})).status == 200


def test_corrected_prices_change_the_scores(api: LocalApi) -> None:
    before = ask(api, as_of="2026-10-30")
    closes = [*foreign.closes(60).tolist(), 1.2, 1.1, 1.1]
    foreign.put(api.store, PRICES, serialise([*foreign.price_rows(), *DAYS[:3]], {"close": closes}))
    track_record.update(api.store, PAIR, START, rebuild=True)
    api.clock.ahead(61)
    after = ask(api, as_of="2026-10-30")
    assert json.loads(after.body)["forecast"][0]["score"]["outcome"] == 1.2
    assert after.headers["ETag"] != before.headers["ETag"]


def test_a_fallback_says_so(api: LocalApi) -> None:
    official = records.official(as_of=date(2026, 10, 29), generation=2)
    fallback = official._replace(failed_generation=3, reason="generation 3 failed: too wide")
    foreign.put(api.store, keys.ledger_key(PAIR, fallback.as_of), Entry.of(fallback).to_json())
    content = answer(api, as_of="2026-10-29")
    assert content["fallback"] == {"failed_generation": 3, "reason": "generation 3 failed: too wide"}
    assert content["generation"] == 2 and "fallback" not in answer(api, as_of="2026-10-30")


def damage_entry(store: Store) -> None:
    foreign.put(store, keys.ledger_key(PAIR, AS_OF), b"{broken")


def swap_entry(store: Store) -> None:
    foreign.put(store, keys.ledger_key(PAIR, AS_OF), store.read(keys.ledger_key(PAIR, DAYS[0])).data)


def damage_scores(store: Store) -> None:
    foreign.put(
        store, keys.scores_key(PAIR), store.read(keys.scores_key(PAIR)).data.replace(b"2026-10-30,", b"2026-10-30,x")
    )


def drop_header(store: Store) -> None:
    data = store.read(keys.scores_key(PAIR)).data
    foreign.put(store, keys.scores_key(PAIR), b"a,b\n" + data.partition(b"\n")[2])


@pytest.mark.parametrize(
    ("damage", "cure"),
    [
        (damage_entry, "older version"),
        (swap_entry, "older version"),
        (damage_scores, "eurusd record"),
        (drop_header, "eurusd record"),
    ],
)
def test_what_is_damaged_is_a_503_until_it_is_restored(
    damage: Callable[[Store], None], cure: str, api: LocalApi
) -> None:
    before = {key: api.store.read(key).data for key in (keys.ledger_key(PAIR, AS_OF), keys.scores_key(PAIR))}
    damage(api.store)
    problem = api.get("/api/predict", as_of="2026-10-30")
    assert (problem.status, problem.json["code"]) == (503, "record_damaged") and cure in problem.json["cure"]
    assert problem.headers["Retry-After"] == "60"
    for key, data in before.items():
        foreign.put(api.store, key, data)
    api.clock.ahead(61)
    assert answer(api, as_of="2026-10-30")["forecast"][0]["score"]


def test_what_is_in_memory_stays_when_the_store_has_damage(api: LocalApi) -> None:
    answer(api, as_of="2026-10-30")
    damage_entry(api.store)
    api.clock.ahead(61)
    content = answer(api, as_of="2026-10-30")
    assert content["stale"] and "newer records" in content["stale_reason"]
    assert ask(api, as_of="2026-10-30").headers["Cache-Control"] == "no-store"


def test_without_rows_there_is_a_forecast_without_scores(api: LocalApi) -> None:
    answer(api, as_of="2026-10-30")
    api.store.delete(keys.scores_key(PAIR))
    api.clock.ahead(61)
    assert [day["score"] for day in answer(api, as_of="2026-10-30")["forecast"]] == [None, None, None]
    assert ask(api, as_of="2026-10-30").headers["Cache-Control"] == "max-age=60"


def test_a_store_that_is_down_is_a_503(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("down")

    monkeypatch.setattr(api.store, "read", fail)
    problem = api.get("/api/predict", as_of="2026-10-30")
    assert (problem.status, problem.json["code"]) == (503, "store_unavailable")


def test_few_entries_stay_in_memory(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_ENTRIES", 2)
    cache = ledger.Ledger(api.store, PAIR, 60, api.clock)
    for day in (AS_OF, DAYS[0], DAYS[1], AS_OF):
        cache.find(day)
    assert list(cache._entries) == [DAYS[1], AS_OF]


def test_an_answer_reads_the_store_once_a_minute(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = api.store.read

    def counted(key: str, *etag: str) -> Any:
        reads.append(key)
        return read(key, *etag)

    monkeypatch.setattr(api.store, "read", counted)
    for _ in range(3):
        answer(api, as_of="2026-10-30")
        answer(api, as_of="2026-10-30", horizon="1")
        assert ask(api, as_of="2026-10-31").status == 404
    assert reads == [keys.ledger_key(PAIR, AS_OF), keys.scores_key(PAIR), keys.ledger_key(PAIR, date(2026, 10, 31))]


def test_threads_get_one_entry(api: LocalApi) -> None:
    found: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: found.append(answer(api, as_of="2026-10-30"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(content == found[0] for content in found)


def test_the_page_links_each_day_to_its_entry(api: LocalApi) -> None:
    page = str(api.app.handle(Request("GET", "/", {"format": "html"})).body)
    assert 'href="/api/predict?as_of=2026-10-30"' in page


def test_rows_at_both_ends_of_the_file_are_found(api: LocalApi) -> None:
    data = api.store.read(keys.scores_key(PAIR)).data
    rows = track_record.read_scores(api.store, PAIR)
    for day in (rows[0].as_of, rows[-1].as_of):
        assert ledger._scores_of(data, day) == [row for row in rows if row.as_of == day]
        assert ledger._scores_of(data[:-1], day) == [row for row in rows if row.as_of == day]
    assert ledger._scores_of(data, AS_OF - timedelta(days=1)) == ledger._scores_of(b"", AS_OF) == []
