"""The official forecast and the track record: made once, kept, scored, and healed after a kill at any write."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.price_file import serialise
from lambda_fn.record import issue, track_record
from lambda_fn.record.issue import after_prices, issue_forecast
from lambda_fn.record.official_forecast import Entry, Official
from lambda_fn.record.track_record import live_metrics
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from tests.support import foreign
from tests.support.hostile import bad_on, changed
from tests.support.local_api import local_api

pytestmark = pytest.mark.both_stores  # conditional writes, which the two stores do in different ways

NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
PAIR, KEY = "EURUSD", keys.price_key("EURUSD", "ecb")
SETTINGS = Settings.from_env({})  # the pair, and no public key


def prices_until(last: date, scale: float = 1.0) -> bytes:
    """The price file of `foreign` with a row more for each business day after it."""
    days, closes = foreign.price_rows(), foreign.closes(60).tolist()
    while days[-1] < last:
        days.append(next_business_days(days[-1], 1, "ecb")[0])
        closes.append(closes[-1] * (1 + 0.001 * scale))
    return serialise(days, {"close": closes})


@pytest.fixture
def served(store: Store, settings: Settings) -> Store:
    """With generation 1 active and its official forecast made."""
    foreign.publish_to(store)
    assert refresh(store, settings, NOW).forecast.outcome == "made"
    return store


def official(store: Store) -> Official:
    return Official.parse(store.read(keys.forecast_key()).data, PAIR)


def test_it_holds_what_an_answer_needs(served: Store) -> None:
    found = official(served)
    assert (found.generation, found.as_of, found.source, found.made_at) == (1, foreign.AS_OF, "ecb", NOW)
    assert found.days == (date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 4))
    assert set(found.benchmarks) == {"constant", "ewma"}
    assert list(found.closes)[-1] == "2026-10-30" and found.closes["2026-10-30"] == found.last_close
    assert Official.parse(found.to_json(), PAIR) == found
    entry = Entry.parse(served.read(keys.ledger_key(PAIR, foreign.AS_OF)).data, PAIR, foreign.AS_OF)
    assert (entry.kind, entry.quantiles, entry.sha256) == ("live", found.quantiles, found.champion["sha256"])


def test_it_is_made_once(served: Store) -> None:
    before = served.read(keys.forecast_key()).data
    made = issue_forecast(served, SETTINGS, NOW + timedelta(hours=1))
    assert made.outcome == "unchanged"
    assert served.read(keys.forecast_key()).data == before


def test_a_forecast_made_after_the_fixing_is_late(store: Store, settings: Settings) -> None:
    foreign.publish_to(store)
    refresh(store, settings, datetime(2026, 11, 2, 13, 15, tzinfo=UTC))
    assert Entry.parse(store.read(keys.ledger_key(PAIR, foreign.AS_OF)).data, PAIR, foreign.AS_OF).kind == "late"


def test_a_new_generation_and_a_new_day_replace_it_and_the_ledger_stays(served: Store, settings: Settings) -> None:
    first = served.read(keys.ledger_key(PAIR, foreign.AS_OF)).data
    foreign.publish_to(served, foreign.champion_bytes(spread=0.006), 2)
    assert refresh(served, settings, NOW).forecast.outcome == "made"
    assert (official(served).generation, official(served).as_of) == (2, foreign.AS_OF)
    foreign.put(served, KEY, prices_until(date(2026, 11, 2)))
    assert issue_forecast(served, SETTINGS, NOW + timedelta(days=3)).outcome == "made"
    assert (official(served).generation, official(served).as_of) == (2, date(2026, 11, 2))
    assert served.read(keys.ledger_key(PAIR, foreign.AS_OF)).data == first
    foreign.put(served, KEY, prices_until(foreign.AS_OF))  # an older file comes back
    assert issue_forecast(served, SETTINGS, NOW + timedelta(days=3)).outcome == "unchanged"
    assert official(served).as_of == date(2026, 11, 2)


def test_corrected_prices_of_the_same_day_make_it_anew(served: Store) -> None:
    closes = foreign.closes(60).tolist()
    closes[-2] *= 1.001
    foreign.put(served, KEY, serialise(foreign.price_rows(), {"close": closes}))
    assert issue_forecast(served, SETTINGS, NOW + timedelta(hours=2)).outcome == "made"
    assert official(served).made_at == NOW + timedelta(hours=2)


def bad_prices() -> dict[str, tuple[bytes, str]]:
    days, closes = foreign.price_rows(), foreign.closes(60).tolist()
    return {
        "ten times too high": (serialise(days, {"close": [*closes[:-1], closes[-1] * 10]}), "jumps on 2026-10-30"),
        "of the future": (prices_until(date(2026, 11, 4)), r"2026-11-04 .*\bfuture\b.*\b2026-10-30; "),
        "on a Saturday": (
            serialise([*days, date(2026, 10, 31)], {"close": [*closes, closes[-1]]}),
            "2026-10-31 is a Saturday",
        ),
        "with a gap": (serialise(days, {"close": [*closes[:-3], float("nan"), *closes[-2:]]}), "gap"),
    }


@pytest.mark.parametrize("name", bad_prices())
def test_prices_that_cannot_be_leave_the_last_forecast_in_place(name: str, served: Store) -> None:
    data, message = bad_prices()[name]
    before = served.read(keys.forecast_key()).data
    foreign.put(served, KEY, data)
    made = issue_forecast(served, SETTINGS, NOW)
    assert made.outcome == "refused" and re.search(message, made.reason)
    told = served.read(keys.forecast_key()).data
    assert Official.parse(told, PAIR) == Official.parse(before, PAIR)._replace(failure_reason=made.reason), (
        "nothing else is changed"
    )
    issue_forecast(served, SETTINGS, NOW)
    assert served.read(keys.forecast_key()).data == told, "told once"


def test_a_forecast_that_stands_tells_why_until_a_newer_one_is_made(served: Store) -> None:
    good = served.read(KEY).data
    before = served.read(keys.forecast_key()).data
    foreign.put(served, KEY, prices_until(date(2026, 11, 4)))
    issue_forecast(served, SETTINGS, NOW)
    assert re.search(r"2026-11-04 .*\bfuture\b", str(official(served).failure_reason))
    foreign.put(served, KEY, good)
    assert issue_forecast(served, SETTINGS, NOW).outcome == "unchanged"
    assert served.read(keys.forecast_key()).data == before


def test_a_champion_at_fault_on_the_live_window_is_suspended_until_it_or_another_gives_a_forecast(
    tmp_path: Path,
) -> None:
    """It is bad on a day that is later than activation looks: GET serves the last good one, POST refuses it."""
    api = local_api(tmp_path)
    last_day = next_business_days(date(2027, 2, 26), 3, "ecb")[-1]
    later = changed(bad_on((last_day - foreign.AS_OF).days), foreign.champion_bytes(dated=True))
    assert api.promote(later, 1).outcome == "activated"
    sent = {"close": foreign.closes(foreign.WINDOW).tolist(), "as_of": "2026-10-30"}
    assert api.post(sent).status == 200
    foreign.put(api.store, KEY, prices_until(date(2027, 2, 26), 0.0))
    api.clock.ahead(120 * 86_400)
    made = api.refresh().forecast
    assert made.outcome == "refused" and "% wide" in made.reason
    found = official(api.store)
    assert (found.as_of, found.blocked_generation, found.failure_reason) == (foreign.AS_OF, 1, made.reason)
    assert Official.parse(found.to_json(), PAIR) == found
    answer = api.get("/api/predict")
    assert (answer.status, answer.json["stale"]) == (200, True) and made.reason in answer.json["stale_reason"]
    refused = api.post(sent)
    assert (refused.status, refused.error["code"]) == (503, "suspended")
    assert "generation 1" in refused.error["message"] and refused.headers["Retry-After"]
    assert api.promote(foreign.champion_bytes(), 2).outcome == "activated"
    api.clock.ahead(61)
    assert official(api.store).blocked_generation is None
    assert api.post(sent).status == 200
    assert not api.get("/api/predict").json["stale"]


@pytest.mark.parametrize("error", [MemoryError("no room"), RecursionError("too deep")])
def test_whatever_the_making_of_a_forecast_ends_in_is_told(
    error: Exception, served: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected end is a bug of ours, which nothing published is known to provoke."""

    def end(*_: object) -> None:
        raise error

    monkeypatch.setattr(issue, "table_inputs", end)
    made = issue_forecast(served, SETTINGS, NOW)
    assert made.outcome == "refused" and type(error).__name__ in made.reason
    withheld = official(served).failure_reason or ""
    assert "unexpected error" in withheld and str(error) not in withheld, "callers are told no more"
    assert official(served).blocked_generation is None


def test_nothing_active_is_no_refusal(store: Store) -> None:
    assert live_metrics(store, PAIR) == {"RecordDegraded": 0}
    assert issue_forecast(store, SETTINGS, NOW).outcome == "nothing"


def test_a_day_is_lived_through(served: Store) -> None:
    """Prices arrive, the forecast is made and kept; tomorrow's arrive, and its score is in the track record."""
    foreign.put(served, KEY, prices_until(date(2026, 11, 2)))
    made, unscored = after_prices(served, SETTINGS, NOW + timedelta(days=3), corrected=False)
    assert (made.outcome, unscored) == ("made", "")
    [row] = track_record.read_scores(served, PAIR)
    assert (row.as_of, row.target_date, row.horizon, row.kind) == (foreign.AS_OF, date(2026, 11, 2), 1, "live")
    assert row.outcome == pytest.approx(foreign.closes(60)[-1] * 1.001)
    record = track_record._ignoring_made_at(served.read(keys.record_key()).data)
    assert record is not None
    assert (record["live"]["days"], record["late"]["days"], record["backtest"]) == (1, 0, None)
    assert live_metrics(served, PAIR)["RecordDays"] == 1
    assert record["newest"][0]["target_date"] == "2026-11-02"


def test_the_record_made_anew_is_the_same_byte_for_byte(served: Store) -> None:
    day = foreign.AS_OF
    for step in range(1, 8):
        day = next_business_days(day, 1, "ecb")[0]
        foreign.put(served, KEY, prices_until(day))
        after_prices(served, SETTINGS, NOW + timedelta(days=3 + step), corrected=False)
    key = keys.scores_key(PAIR)
    before = served.read(key).data
    assert before.count(b"\n") > 15
    served.delete(key)
    track_record.update(served, PAIR, NOW, rebuild=True)
    assert served.read(key).data == before


def test_a_backtest_is_never_taken_for_live(served: Store, settings: Settings) -> None:
    summary = {"family": "foreign", "days": 4310, "horizons": []}
    foreign.publish_to(served, foreign.champion_bytes(spread=0.006), 2, backtest=summary)
    refresh(served, settings, NOW)
    record = track_record._ignoring_made_at(served.read(keys.record_key()).data)
    assert record is not None
    assert record["backtest"] == summary
    assert record["live"]["days"] == 0


class Killed(Exception):
    pass


class Dying(Store):
    """A store whose process dies before its write number `at`."""

    def __init__(self, inner: Store, at: int) -> None:
        self._inner, self._left = inner, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _write(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed

    def read(self, *arguments: Any) -> Any:
        return self._inner.read(*arguments)

    def list(self, prefix: str) -> list[str]:
        return self._inner.list(prefix)

    def describe(self) -> str:
        return self._inner.describe()

    def create(self, key: str, data: bytes) -> bool:
        self._write()
        return self._inner.create(key, data)

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        self._write()
        return self._inner.replace(key, data, etag)


@pytest.mark.parametrize("at", range(6))
def test_killed_between_any_two_writes_it_heals(at: int, served: Store) -> None:
    foreign.put(served, KEY, prices_until(date(2026, 11, 2)))
    later = NOW + timedelta(days=3)
    try:
        after_prices(Dying(served, at), SETTINGS, later, corrected=False)
    except Killed:
        pass
    after_prices(served, SETTINGS, later, corrected=False)
    assert official(served).as_of == date(2026, 11, 2)
    assert Entry.parse(
        served.read(keys.ledger_key(PAIR, date(2026, 11, 2))).data, PAIR, date(2026, 11, 2)
    ).as_of == date(2026, 11, 2)
    assert [row.horizon for row in track_record.read_scores(served, PAIR)] == [1]
    assert issue_forecast(served, SETTINGS, later).outcome == "unchanged"


def test_a_damaged_forecast_is_made_anew(served: Store) -> None:
    wanted = official(served)
    foreign.put(served, keys.forecast_key(), b"{broken")
    assert issue_forecast(served, SETTINGS, NOW).outcome == "made"
    assert official(served)._replace(made_at=wanted.made_at) == wanted
    assert np.isfinite(wanted.quantiles).all()
