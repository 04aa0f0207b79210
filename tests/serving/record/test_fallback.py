"""A champion that fails on its second day: an earlier generation makes the official forecast, and the entry says so."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lambda_fn import ingest, refresh
from lambda_fn.champion.refusals import Refusal, record, record_key
from lambda_fn.champion.rollback import check_signature
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.champion.signature import envelope, message
from lambda_fn.contract import Active, Pointer
from lambda_fn.fields import ContractError
from lambda_fn.prices import ecb
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.price_file import parse, serialise
from lambda_fn.record import issue
from lambda_fn.record.issue import ForecastResult, issue_forecast
from lambda_fn.record.official_forecast import Entry, Official
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import JobStore, Store, Unavailable
from tests.support import foreign
from tests.support.hostile import bad_on, changed
from tests.support.local_api import LocalApi, local_api

PAIR, PRICES = "EURUSD", keys.price_key("EURUSD", "ecb")
# Later than activation looks: three days on which a champion fails that was sound in its trial.
DAYS = next_business_days(date(2027, 2, 25), 3, "ecb")
BAD = [(next_business_days(day, foreign.HORIZON, "ecb")[-1] - foreign.AS_OF).days for day in DAYS]
SOUND = [foreign.champion_bytes(spread=0.005 + 0.0001 * number) for number in range(4)]
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def failing(spread: float = 0.007) -> bytes:
    """A champion that is too wide on DAYS."""
    return changed(bad_on(*BAD), foreign.champion_bytes(dated=True, spread=spread))


def at(day: date) -> datetime:
    return datetime.combine(day, time(17), UTC)


def prices_until(last: date) -> bytes:
    days, closes = foreign.price_rows(), foreign.closes(60).tolist()
    while days[-1] < last:
        days.append(next_business_days(days[-1], 1, "ecb")[0])
        closes.append(closes[-1])
    return serialise(days, {"close": closes})


class Clock(datetime):
    """The time of the jobs' handlers."""

    @classmethod
    def now(cls, tz: Any = None) -> "Clock":
        return cls.combine(DAYS[0], time(17), UTC)


def issue_on(api: LocalApi, day: date, settings: Settings | None = None) -> ForecastResult:
    foreign.put(api.store, PRICES, prices_until(day))
    api.clock.now = at(day).timestamp()
    return issue_forecast(api.store, settings or api.settings, at(day))


def official(store: Store) -> Official:
    return Official.parse(store.read(keys.forecast_key()).data, PAIR)


def entry(store: Store, day: date) -> Entry:
    return Entry.parse(store.read(keys.ledger_key(PAIR, day)).data, PAIR, day)


@pytest.fixture
def api(tmp_path: Path) -> LocalApi:
    """Generations 1 and 2 are sound, and 3 is active and fails on DAYS."""
    api = local_api(tmp_path)
    for generation, data in enumerate((SOUND[0], SOUND[1], failing()), 1):
        assert api.promote(data, generation).outcome == "activated"
    return api


def test_the_record_has_each_day_and_says_which_generation_and_why(api: LocalApi) -> None:
    for day in DAYS:
        result = issue_on(api, day)
        assert (result.outcome, result.is_fallback) == ("made", True)
        assert "generation 2, because generation 3 failed: " in result.reason
        for stored in (official(api.store), entry(api.store, day)):
            assert (stored.as_of, stored.generation, stored.failed_generation) == (day, 2, 3)
            assert stored.reason is not None and "% wide" in stored.reason
        assert entry(api.store, day).kind == "live"
    assert official(api.store).blocked_generation == 3


def test_the_champion_makes_it_again_once_it_can(tmp_path: Path) -> None:
    api = local_api(tmp_path)
    api.promote(SOUND[0], 1)
    api.promote(changed(bad_on(BAD[0]), foreign.champion_bytes(dated=True)), 2)
    assert issue_on(api, DAYS[0]).is_fallback
    result = issue_on(api, DAYS[1])
    assert (result.outcome, result.is_fallback) == ("made", False)
    stored = official(api.store)
    assert (stored.generation, stored.failed_generation, stored.reason, stored.blocked_generation) == (
        *(2, None, None),
        None,
    )
    assert "failed_generation" not in api.store.read(keys.ledger_key(PAIR, DAYS[1])).data.decode()


def test_an_idle_hour_runs_nothing_and_reads_no_more(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many calls of the store as with a sound champion, and no child."""
    calls: list[str] = []

    def count(store: Store) -> None:
        for name in ("read", "list", "create", "replace", "head", "tail"):
            method: Callable[..., Any] = getattr(store, name)

            def counted(*args: Any, method: Callable[..., Any] = method, name: str = name) -> Any:
                calls.append(f"{name} {args[0]}")
                return method(*args)

            monkeypatch.setattr(store, name, counted)

    def hour(day: date) -> list[str]:
        with Sandbox() as sandbox:
            result = refresh.refresh(api.store, api.settings, at(day), sandbox=sandbox)
            assert result.forecast.outcome == "unchanged"
            assert not sandbox.is_running
        found, calls[:] = calls[:], []
        return found

    count(api.store)
    before = hour(foreign.AS_OF)
    assert issue_on(api, DAYS[0]).is_fallback
    calls.clear()
    assert hour(DAYS[0]) == before


def test_bad_prices_afterwards_leave_the_fallback_in_place(api: LocalApi) -> None:
    issue_on(api, DAYS[0])
    before = official(api.store)
    foreign.put(api.store, PRICES, prices_until(DAYS[-1] + timedelta(days=30)))
    refused = issue_forecast(api.store, api.settings, at(DAYS[0]))
    assert refused.outcome == "refused"
    assert official(api.store) == before._replace(failure_reason=refused.reason)
    foreign.put(api.store, PRICES, prices_until(DAYS[0]))
    assert issue_forecast(api.store, api.settings, at(DAYS[0])).outcome in ("unchanged", "made")
    assert official(api.store)._replace(made_at=before.made_at) == before


def test_a_new_generation_replaces_it_at_once(api: LocalApi) -> None:
    issue_on(api, DAYS[0])
    first = api.store.read(keys.ledger_key(PAIR, DAYS[0])).data
    assert api.promote(SOUND[3], 4).outcome == "activated"
    assert (official(api.store).generation, official(api.store).failed_generation) == (4, None)
    assert api.store.read(keys.ledger_key(PAIR, DAYS[0])).data == first


def corrected(last: date, change: float) -> bytes:
    """The prices until a day, of which the last but one is changed."""
    table = parse(prices_until(last))
    table.columns["close"][-2] *= change
    return serialise(table.dates, {"close": table.columns["close"].tolist()})


def test_corrected_prices_of_the_day_run_the_champion_again(api: LocalApi) -> None:
    issue_on(api, DAYS[0])
    foreign.put(api.store, PRICES, corrected(DAYS[0], 1.001))
    assert issue_forecast(api.store, api.settings, at(DAYS[0])).is_fallback
    assert issue_forecast(api.store, api.settings, at(DAYS[0])).outcome == "unchanged"


def test_a_champion_that_fails_on_corrected_prices_is_replaced(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own forecast of the day is of prices that were wrong."""
    foreign.put(api.store, PRICES, corrected(foreign.AS_OF, 1.001))
    make = issue.make_forecast

    def fail(store: Store, task: issue.Task, now: datetime) -> Official:
        if task.active.generation == 3:
            raise issue.LiveForecastError("too wide", 3)
        return make(store, task, now)

    monkeypatch.setattr(issue, "make_forecast", fail)
    assert issue_forecast(api.store, api.settings, at(foreign.AS_OF)).is_fallback
    assert (official(api.store).generation, entry(api.store, foreign.AS_OF).generation) == (2, 1)
    assert issue_forecast(api.store, api.settings, at(foreign.AS_OF)).outcome == "unchanged"


def test_an_unexpected_error_of_one_generation_stops_no_other(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(store: Store, settings: Settings, old: Active) -> None:
        if old.generation == 2:
            raise RecursionError("too deep")
        check_signature(store, settings, old)

    monkeypatch.setattr(issue, "check_signature", fail)
    assert issue_on(api, DAYS[0]).is_fallback
    assert official(api.store).generation == 1


def test_a_store_that_fails_makes_no_fallback(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is tried again, and finds the latest generation then."""

    def fail(*_: object) -> None:
        raise Unavailable("down")

    monkeypatch.setattr(issue, "check_signature", fail)
    with pytest.raises(Unavailable):
        issue_on(api, DAYS[0])
    assert official(api.store).as_of == foreign.AS_OF


def test_three_failing_generations_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    api = local_api(tmp_path)
    api.promote(SOUND[0], 1)
    for generation in (2, 3, 4):
        api.promote(failing(0.006 + 0.0001 * generation), generation)
    with caplog.at_level(logging.WARNING):
        assert issue_on(api, DAYS[0]).is_fallback
    assert (official(api.store).generation, official(api.store).failed_generation) == (1, 4)
    passed = [text for text in caplog.messages if "cannot replace generation 4" in text]
    assert [text.split()[1] for text in passed] == ["3", "2"]


def test_only_so_many_are_tried(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.promote(failing(0.008), 4)
    monkeypatch.setattr(issue, "MAX_FALLBACKS", 1)
    refused = issue_on(api, DAYS[0])
    assert refused.outcome == "refused" and refused.reason.endswith(" too: 3")


def test_a_history_without_a_plausible_generation_refuses_as_before(tmp_path: Path) -> None:
    api = local_api(tmp_path)
    api.promote(failing(0.006), 1)
    api.promote(failing(0.0065), 2)
    refused = issue_on(api, DAYS[0])
    assert refused.outcome == "refused" and refused.reason.endswith(" too: 1")
    stored = official(api.store)
    assert (stored.as_of, stored.blocked_generation, stored.failure_reason) == (foreign.AS_OF, 2, refused.reason)
    assert api.store.find(keys.ledger_key(PAIR, DAYS[0])) is None


def test_what_was_refused_or_rolled_back_since_is_left_out(api: LocalApi) -> None:
    old = Active.parse(api.store.read(keys.activated_key(2)).data)
    record(api.store, record_key(old.pointer, PAIR), Refusal("rolled back", at(DAYS[0])))
    assert issue_on(api, DAYS[0]).is_fallback
    assert official(api.store).generation == 1


def lose_copy(store: Store) -> None:
    store.delete(Active.parse(store.read(keys.activated_key(2)).data).serving_key)


def damage_copy(store: Store) -> None:
    foreign.put(store, Active.parse(store.read(keys.activated_key(2)).data).serving_key, b"no champion")


def damage_record(store: Store) -> None:
    foreign.put(store, keys.activated_key(2), b"{broken")


@pytest.mark.parametrize("damage", [lose_copy, damage_copy, damage_record])
def test_a_generation_whose_files_are_damaged_is_passed_over(damage: Callable[[Store], None], api: LocalApi) -> None:
    damage(api.store)
    assert issue_on(api, DAYS[0]).is_fallback
    assert official(api.store).generation == 1


def test_a_champion_of_other_prices_is_passed_over(tmp_path: Path) -> None:
    """Its newest close may be of another day, or of another market."""
    api = local_api(tmp_path)
    api.promote(SOUND[0], 1)
    csv = foreign.champion_bytes(spread=0.0055, prices="csv")
    foreign.put(api.store, keys.price_key(PAIR, "csv"), foreign.price_file(60, source="csv"))
    api.promote(csv, 2, prices=foreign.price_file(60, source="csv"))
    api.promote(failing(), 3)
    assert issue_on(api, DAYS[0]).is_fallback
    assert (official(api.store).generation, official(api.store).source) == (1, "ecb")


def signed(pointer: Pointer) -> Pointer:
    return pointer.__class__(
        **{
            **vars(pointer),
            "signature": envelope(KEY.public_key().public_bytes_raw(), "local", KEY.sign(message(pointer, "local"))),
        }
    )


def test_a_generation_without_the_signature_that_is_required_is_passed_over(tmp_path: Path) -> None:
    """Its record is in serving/, where only the jobs write, and is verified all the same."""
    api = local_api(tmp_path)
    for generation, data, is_signed in ((1, SOUND[0], True), (2, SOUND[1], False), (3, failing(), True)):
        pointer = foreign.publish_to(api.store, data, generation)
        if is_signed:
            foreign.put(api.store, "models/best_model_info.json", signed(pointer).to_json())
        assert api.refresh().activation.outcome == "activated"
    strict = api.settings._replace(champion_public_keys=(KEY.public_key().public_bytes_raw(),))
    assert issue_on(api, DAYS[0], strict).is_fallback
    assert official(api.store).generation == 1


def test_answers_and_the_page_say_it_and_a_post_stays_suspended(api: LocalApi) -> None:
    sent = {"close": foreign.closes(foreign.WINDOW).tolist(), "as_of": "2026-10-30"}
    assert "fallback" not in api.get("/api/predict").json
    issue_on(api, DAYS[0])
    for path in ("/api/predict", "/health"):
        answer = api.get(path)
        assert (answer.status, answer.json["stale"]) == (200, False)
        assert answer.json["fallback"] == {"failed_generation": 3, "reason": official(api.store).reason}
        assert answer.json["champion"]["generation"] == 2
    from lambda_fn.web.request import Request

    page = api.app.handle(Request("GET", "/", {"format": "html"})).body
    assert "Generation 2 made this forecast, because generation 3 failed" in str(page)
    assert (api.post(sent).status, api.post(sent).error["code"]) == (503, "suspended")


def test_the_job_counts_it_and_warns_once(
    api: LocalApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STORE_DIR", str(api.folder))
    foreign.put(api.store, PRICES, prices_until(DAYS[0]))

    monkeypatch.setattr(refresh, "datetime", Clock)
    context = SimpleNamespace(aws_request_id="1")
    assert refresh.handler({}, context)["forecast"]["outcome"] == "made"
    output = capsys.readouterr().out
    assert '"ForecastFallback":[1.0]' in output and '"level":"WARNING"' in output
    refresh.handler({}, context)
    assert "ForecastFallback" not in capsys.readouterr().out


ODD: Mapping[str, dict[str, Any]] = {
    "no reason": {"failed_generation": 3},
    "no generation": {"reason": "it failed"},
    "an earlier one failed": {"failed_generation": 1, "reason": "it failed"},
}


@pytest.mark.parametrize("name", ODD)
def test_half_a_reason_is_refused(name: str, api: LocalApi) -> None:
    stored = official(api.store)._replace(**ODD[name])
    with pytest.raises(ContractError, match=r"^forecast\.failed_generation: must be above"):
        Official.parse(stored.to_json(), PAIR)
    with pytest.raises(ContractError, match=r"^ledger\.failed_generation: must be above"):
        Entry.parse(Entry.of(stored).to_json(), PAIR, foreign.AS_OF)


def test_a_job_reads_its_own_store_once(api: LocalApi) -> None:
    """The fallback works through the cache of a job, too."""
    foreign.put(api.store, PRICES, prices_until(DAYS[0]))
    assert issue_forecast(JobStore(api.store), api.settings, at(DAYS[0])).is_fallback


def test_the_ingest_counts_it_and_warns(
    api: LocalApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its prices are refused a second time, so that only the forecast is new."""
    monkeypatch.setenv("STORE_DIR", str(api.folder))
    foreign.put(api.store, PRICES, prices_until(DAYS[0]))
    monkeypatch.setattr(ingest, "datetime", Clock)
    monkeypatch.setattr(ecb, "download", lambda url: b"no zip")
    with pytest.raises(ingest.Refused):
        ingest.handler({}, SimpleNamespace(aws_request_id="1"))
    capsys.readouterr()
    assert ingest.handler({}, SimpleNamespace(aws_request_id="2"))["forecast"]["outcome"] == "made"
    output = capsys.readouterr().out
    assert '"ForecastFallback":[1.0]' in output
    assert "generation 2, because generation 3 failed" in output
