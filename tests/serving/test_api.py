"""The routes, called by API Gateway events."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_fn.api import App
from lambda_fn.champion.base import TooSlow
from lambda_fn.champion.sandbox import SandboxedChampion
from lambda_fn.prices.plausibility import HIGHEST, LOWEST
from lambda_fn.store.keys import active_key, forecast_key, price_key, record_key
from lambda_fn.web.errors import MAX_BODY, MAX_SERIES
from tests.support import foreign
from tests.support.events import event
from tests.support.local_api import LocalApi, local_api

CLOSES: list[float] = foreign.closes(foreign.WINDOW).tolist()
DATED = foreign.champion_bytes(extra=("eurjpy",), dated=True)


@pytest.fixture
def api(tmp_path: Path) -> LocalApi:
    """With the plain champion of `foreign`, generation 1."""
    found = local_api(tmp_path)
    found.promote(foreign.champion_bytes(), 1)
    return found


@pytest.fixture
def dated_api(tmp_path: Path) -> LocalApi:
    """With a champion that wants another column and dates."""
    found = local_api(tmp_path)
    found.promote(DATED, 1)
    return found


@pytest.fixture(scope="module")
def fixed_api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    """As `api`, one for all the examples of a property."""
    found = local_api(tmp_path_factory.mktemp("api"))
    found.promote(foreign.champion_bytes(), 1)
    return found


def test_the_forecast_is_the_champions(api: LocalApi) -> None:
    answer = api.get("/api/predict")
    assert answer.status == 200
    close = foreign.closes()[-1]
    assert answer.json["last_close"] == close
    assert (answer.json["pair"], answer.json["as_of"], answer.json["prices"]) == ("EURUSD", "2026-10-30", "ecb")
    assert [day["date"] for day in answer.json["forecast"]] == ["2026-11-02", "2026-11-03", "2026-11-04"]
    for step, day in enumerate(answer.json["forecast"], start=1):
        for level in foreign.LEVELS:
            expected = close * (1 + 0.005 * np.sqrt(step) * (level - 0.5))
            assert day["quantiles"][f"{level:g}"] == pytest.approx(expected, abs=1e-6)
            assert day["returns"]["quantiles"][f"{level:g}"] == pytest.approx(expected / close - 1, abs=1e-8)
        assert day["mean"] == pytest.approx(close, abs=1e-6)
    champion = answer.json["champion"]
    assert (champion["name"], champion["generation"], champion["family"]) == ("EURUSD_Foreign", 1, "foreign")
    assert champion["scores"] == [{"horizon": 1, "pinball": 0.08}]
    assert (answer.json["stale"], answer.json["checked_at"]) == (False, "2026-10-30T17:00:00Z")
    assert answer.json["made_at"] == "2026-10-30T17:00:00Z"
    assert answer.json["age"]["state"] == "fresh"


def test_horizon_and_level_narrow_the_forecast(api: LocalApi) -> None:
    days = api.get("/api/predict", horizon="2", level="50").json["forecast"]
    assert [day["horizon"] for day in days] == [1, 2]
    assert list(days[0]["intervals"]) == ["50"]
    assert list(days[0]["quantiles"]) == ["0.25", "0.5", "0.75"]


def test_sent_prices_give_the_forecast_that_the_same_stored_prices_give(api: LocalApi) -> None:
    stored = api.get("/api/predict").json
    sent = api.post({"close": foreign.closes().tolist(), "as_of": "2026-10-30"}).json
    assert sent["forecast"] == stored["forecast"]
    assert sent["prices"] == "request"
    undated = api.post({"close": foreign.closes().tolist()}).json
    assert undated["as_of"] is None
    assert [day["date"] for day in undated["forecast"]] == [None] * 3
    assert undated["forecast"][0]["quantiles"] == stored["forecast"][0]["quantiles"]


def test_several_series_are_answered_in_their_order(api: LocalApi) -> None:
    series = [{"close": [price * scale for price in CLOSES]} for scale in (1, 2, 130)]
    series[1]["as_of"] = "2026-12-24"  # type: ignore[assignment]
    answer = api.post({"series": series}, horizon="1", level="95").json
    for sent, found in zip(series, answer["series"], strict=True):
        assert found["last_close"] == sent["close"][-1]
        assert found["forecast"] == api.post(sent, horizon="1", level="95").json["forecast"]
    assert answer["series"][1]["forecast"][0]["date"] == "2026-12-28"


def test_a_champion_with_dates_and_another_column_is_served(dated_api: LocalApi) -> None:
    stored = dated_api.get("/api/predict")
    assert stored.status == 200
    columns = {"close": foreign.closes().tolist(), "eurjpy": foreign.closes(60, 100.0).tolist()}
    sent = dated_api.post({**columns, "as_of": "2026-10-30"})
    assert sent.json["forecast"] == stored.json["forecast"]
    assert dated_api.post(columns).error["field"] == "as_of"
    assert dated_api.post({"series": [{"close": CLOSES, "as_of": "2026-10-30"}]}).error["field"] == "series[0].eurjpy"


def test_columns_that_the_champion_does_not_use_are_ignored_but_checked(api: LocalApi) -> None:
    assert (
        api.post({"close": CLOSES, "eurjpy": CLOSES}).json["forecast"] == api.post({"close": CLOSES}).json["forecast"]
    )
    assert api.post({"close": CLOSES, "eurjpy": [*CLOSES[1:], None]}).error["field"] == "eurjpy[19]"


def _with(position: int, value: object) -> dict[str, object]:
    return {"close": [*CLOSES[:position], value, *CLOSES[position + 1 :]]}


BAD_BODIES: list[tuple[object, str, str]] = [
    ([], "body", "not an object"),
    (CLOSES, "body", "a list of 20 values"),
    ("close", "body", '"close"'),
    ({}, "close", "missing"),
    ({"as_of": "2026-10-30"}, "close", "missing"),
    ({"close": None}, "close", "null"),
    ({"close": 1.1}, "close", "1.1"),
    ({"close": {}}, "close", "an object"),
    ({"close": []}, "close", "0 values"),
    ({"close": CLOSES[1:]}, "close", "has 19 values, the champion needs 20"),
    (_with(17, None), "close[17]", "null"),
    (_with(17, "1.1"), "close[17]", '"1.1"'),
    (_with(17, True), "close[17]", "true"),
    (_with(17, [1.1]), "close[17]", "a list of 1 values"),
    (_with(0, float("nan")), "close[0]", "NaN"),
    (_with(19, float("inf")), "close[19]", "Infinity"),
    (_with(3, 0), "close[3]", "is 0"),
    (_with(3, -1.1), "close[3]", "is -1.1"),
    (_with(3, 10**400), "close[3]", "10000"),
    (_with(3, 1e-300), "close[3]", "1e-300"),
    (_with(5, 1.4), "close[5]", "a jump over 20%"),
    (_with(0, 0.5), "close[1]", "a jump over 20%"),
    ({"close": CLOSES, "open": CLOSES[1:]}, "open", "has 19 values, close has 20"),
    ({"close": CLOSES, "Open": CLOSES}, "Open", "unknown name"),
    ({"close": CLOSES, "horizon": 1}, "horizon", "unknown name"),
    ({"close": CLOSES, "x" * 200: 1}, "x" * 37 + "...", "unknown name"),
    ({"close": CLOSES, "as_of": 20261030}, "as_of", "20261030"),
    ({"close": CLOSES, "as_of": "30.10.2026"}, "as_of", "not a date"),
    ({"close": CLOSES, "as_of": "2026-02-30"}, "as_of", "2026-02-30"),
    ({"close": CLOSES, "as_of": "0001-01-01"}, "as_of", "too far"),
    ({"close": CLOSES, "as_of": "9999-12-31"}, "as_of", "too far"),
    ({"close": CLOSES, "as_of": "2026-10-31"}, "as_of", "Saturday"),
    ({"close": CLOSES, "as_of": "2026-12-25"}, "as_of", "Friday"),
    ({"series": {}}, "series", "an object"),
    ({"series": []}, "series", "0 values"),
    ({"series": [{"close": CLOSES}] * (MAX_SERIES + 1)}, "series", "101 values"),
    ({"series": [{"close": CLOSES}], "as_of": "2026-10-30"}, "as_of", "outside of series"),
    ({"series": [{"close": CLOSES}, 1]}, "series[1]", "is 1"),
    ({"series": [{"close": CLOSES}] * 2 + [_with(17, None)]}, "series[2].close[17]", "null"),
    ({"series": [{"close": CLOSES}, {"close": CLOSES[1:]}]}, "series[1].close", "19 values"),
    ({"series": [{"close": CLOSES, "as_of": "x"}]}, "series[0].as_of", "not a date"),
]


@pytest.mark.parametrize(("body", "field", "words"), BAD_BODIES)
def test_a_bad_body_is_refused_by_its_place_and_with_a_cure(
    fixed_api: LocalApi, body: object, field: str, words: str
) -> None:
    answer = fixed_api.post(body)
    assert answer.status == 400
    assert answer.error["field"] == field
    assert words in answer.error["message"]
    assert answer.error["code"] == "bad_body"
    assert answer.error["cure"]
    assert len(answer.error["message"]) < 200


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        ('{"close": ' + "1" * 5000 + "}", "not JSON"),
        ('{"close": [1], "close": [2]}', "close is given twice"),
        ("\ud800", "cannot be read"),
    ],
)
def test_what_is_no_json_is_refused(fixed_api: LocalApi, raw: str | bytes, words: str) -> None:
    answer = fixed_api.call(event("POST", "/api/predict", raw=raw))
    assert answer.status == 400
    assert words in answer.error["message"]


def test_a_base64_body_is_read_and_a_broken_one_refused(fixed_api: LocalApi) -> None:
    sent = event("POST", "/api/predict", raw=json.dumps({"close": CLOSES}).encode())
    assert sent["isBase64Encoded"]
    assert fixed_api.call(sent).status == 200
    for broken in ("$$$", f"$${sent['body']}"):
        error = fixed_api.call({**sent, "body": broken}).error
        assert (error["code"], error["field"]) == ("bad_body", "body") and "cannot be read" in error["message"]


def test_a_huge_body_is_refused_before_it_is_parsed(fixed_api: LocalApi) -> None:
    fits = '{"close": []' + " " * (MAX_BODY - 13) + "}"
    assert fixed_api.call(event("POST", "/api/predict", raw=fits)).error["field"] == "close"
    answer = fixed_api.call(event("POST", "/api/predict", raw=fits + " "))
    assert (answer.status, answer.error["code"]) == (413, "too_large")


def test_as_many_series_as_allowed_fit_one_request(api: LocalApi) -> None:
    answer = api.post({"series": [{"close": CLOSES}] * MAX_SERIES}, horizon="1")
    assert len(answer.json["series"]) == MAX_SERIES


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["close", "as_of"]), inner),
    max_leaves=20,
)
NEARLY_PRICES = st.lists(st.floats(1, 1.2), min_size=foreign.WINDOW, max_size=30) | JSON_VALUES
NEARLY_SERIES = st.fixed_dictionaries(
    {"close": NEARLY_PRICES},
    optional={"as_of": st.dates().map(str) | JSON_VALUES, "eurjpy": NEARLY_PRICES, "series": JSON_VALUES},
)
NEARLY_BODIES = NEARLY_SERIES | st.fixed_dictionaries({"series": st.lists(NEARLY_SERIES, max_size=3) | JSON_VALUES})


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(body=JSON_VALUES | NEARLY_BODIES)
def test_any_json_is_answered_or_refused_with_its_place(fixed_api: LocalApi, body: object) -> None:
    answer = fixed_api.post(body)
    if answer.status == 200:
        return
    assert answer.status == 400
    assert set(answer.error) == {"code", "message", "field", "cure"}
    assert len(answer.error["message"]) < 300


@settings(max_examples=100, deadline=None)
@given(
    prices=st.lists(st.floats(-0.19, 0.19), min_size=foreign.WINDOW - 1, max_size=60),
    start=st.floats(LOWEST, HIGHEST),
)
def test_any_prices_within_the_rules_are_forecast(fixed_api: LocalApi, prices: list[float], start: float) -> None:
    close = np.clip(start * np.cumprod([1.0, *(1 + np.array(prices))]), LOWEST, HIGHEST).tolist()
    answer = fixed_api.post({"close": close})
    assert answer.status == 200
    assert answer.json["last_close"] == close[-1]
    for day in answer.json["forecast"]:
        values = list(day["quantiles"].values())
        assert values == sorted(values)


def test_prices_without_a_finite_forecast_are_refused_by_their_place(tmp_path: Path) -> None:
    api = local_api(tmp_path)
    api.promote(_breaking_between_2_and_3(), 1)
    high = [2 * price for price in CLOSES]
    assert api.post({"close": CLOSES}).status == 200
    assert api.post({"close": high}).error["field"] == "close"
    answer = api.post({"series": [{"close": CLOSES}, {"close": high}]})
    assert (answer.status, answer.error["field"]) == (400, "series[1].close")


def test_prices_whose_forecast_is_implausible_are_refused_by_their_place(api: LocalApi) -> None:
    """The champion is sound; these prices go up so fast that its median is far from the last of them."""
    calm = {"close": CLOSES}
    api.promote(foreign.champion_bytes(last=3), 2)
    api.clock.ahead(100)
    assert api.post(calm).status == 200
    rising = {"close": (1.1 * 1.03 ** np.arange(foreign.WINDOW)).tolist()}
    answer = api.post({"series": [calm, rising]})
    assert (answer.status, answer.error["field"]) == (400, "series[1].close")
    assert re.search(r"\bmedian is \d+\.\d% .*\bon day \d", answer.error["message"])


def test_a_forecast_that_takes_too_long_is_503_and_asked_once(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def stopped(champion: SandboxedChampion, inputs: Any) -> Any:
        asked.append(len(inputs["close"]))
        raise TooSlow("more than 5 s")

    monkeypatch.setattr(SandboxedChampion, "plausible_forecast", stopped)
    answer = api.post({"series": [{"close": CLOSES}] * 3})
    assert (answer.status, answer.error["code"], answer.headers["Retry-After"]) == (503, "too_slow", "1")
    assert asked == [3]


def _breaking_between_2_and_3() -> bytes:
    """A champion whose mean is not a number when a close is between 2 and 3, of which its trial does not ask."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(foreign.champion_bytes())
    mean = next(node for node in model.graph.node if "mean" in node.output)
    mean.output[0] = "plain_mean"
    for node in model.graph.node:
        node.input[:] = ["plain_mean" if name == "mean" else name for name in node.input]
    for bound in (2.0, 3.0):
        model.graph.initializer.append(numpy_helper.from_array(np.array(bound), f"bound_{bound:g}"))
    model.graph.node.extend(
        [
            helper.make_node("Sub", ["plain_mean", "bound_2"], ["above"]),
            helper.make_node("Sub", ["plain_mean", "bound_3"], ["below"]),
            helper.make_node("Mul", ["above", "below"], ["room"]),
            helper.make_node("Sqrt", ["room"], ["root"]),
            helper.make_node("Sub", ["root", "root"], ["nothing_or_nan"]),
            helper.make_node("Add", ["plain_mean", "nothing_or_nan"], ["mean"]),
        ]
    )
    return bytes(model.SerializeToString())


def test_health_names_the_champion_and_the_age_of_the_data(api: LocalApi) -> None:
    api.clock.ahead(3 * 86400)
    answer = api.get("/health")
    assert answer.status == 200
    assert answer.json["champion"]["age_s"] == 3 * 86400
    assert answer.json["champion"]["generation"] == 1
    assert (answer.json["as_of"], answer.json["as_of_age_days"]) == ("2026-10-30", 3)
    assert (answer.json["status"], answer.json["age"]["business_days"]) == ("ok", 1)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/health", "/api/predict", "/api/champion"])
def test_nothing_to_serve_is_503_with_the_reason_and_when_to_ask_again(tmp_path: Path, path: str) -> None:
    answer = local_api(tmp_path).get(path)
    assert (answer.status, answer.error["code"]) == (503, "nothing_to_serve")
    assert answer.error["cure"].endswith(" --pairs EURUSD")
    assert 1 <= int(answer.headers["Retry-After"]) <= 10


def test_without_an_official_forecast_sent_prices_are_forecast_all_the_same(api: LocalApi) -> None:
    api.store.delete(forecast_key())
    for path in ("/health", "/api/predict", "/api/champion"):
        answer = api.get(path)
        assert (answer.status, answer.error["code"]) == (503, "record_missing")
    assert api.post({"close": CLOSES}).status == 200


def test_what_is_in_memory_is_served_when_the_store_fails_and_says_so(api: LocalApi) -> None:
    fresh = api.get("/api/predict").json
    sent = api.post({"close": CLOSES}).json
    for key in (forecast_key(), active_key()):
        api.store.delete(key)
    api.clock.ahead(1000)
    stale, sent_again = api.get("/api/predict"), api.post({"close": CLOSES}).json
    assert stale.json["forecast"] == fresh["forecast"]
    assert (stale.json["stale"], stale.json["checked_at"]) == (True, "2026-10-30T17:00:00Z")
    assert "newer forecasts" in stale.json["stale_reason"]
    assert stale.headers["Cache-Control"] == "no-store"
    assert (sent_again["forecast"], sent_again["stale"]) == (sent["forecast"], True)
    assert "newer champions" in sent_again["stale_reason"]
    assert api.get("/health").json["stale"] is True


def test_the_last_forecast_stands_while_a_new_champions_prices_cannot_be_read(api: LocalApi) -> None:
    assert api.get("/api/predict").json["champion"]["generation"] == 1
    foreign.put(api.store, price_key("EURUSD", "ecb"), foreign.price_file(60, ["eurjpy"]))
    assert api.promote(foreign.champion_bytes(extra=("eurjpy",)), 2).outcome == "activated"
    api.clock.ahead(100)
    assert api.get("/api/predict").json["champion"]["generation"] == 2
    api.store.delete(price_key("EURUSD", "ecb"))
    assert api.refresh().forecast.outcome == "refused"
    api.clock.ahead(100)
    for path in ("/api/predict", "/health", "/api/champion"):
        answer = api.get(path).json
        assert answer["stale"] is True
        assert re.search(r"\bnewer forecast\b.*: .*\bprices/EURUSD-ecb\.csv", answer["stale_reason"])
    assert answer["generation"] == 2


def test_a_gap_in_the_live_window_makes_no_forecast_and_names_the_date(api: LocalApi) -> None:
    rows = foreign.price_file().decode().splitlines()
    rows[-3] = rows[-3].split(",")[0] + ","
    foreign.put(api.store, price_key("EURUSD", "ecb"), ("\n".join(rows) + "\n").encode())
    made = api.refresh().forecast
    assert made.outcome == "refused"
    assert rows[-3].rstrip(",") in made.reason
    assert api.get("/api/predict").status == 200


def test_a_get_may_be_kept_until_the_store_is_looked_at_again(api: LocalApi) -> None:
    first = api.get("/api/predict")
    assert first.headers["Cache-Control"] == "max-age=60"
    api.clock.ahead(45)
    assert api.get("/api/predict").headers["Cache-Control"] == "max-age=15"
    assert api.post({"close": CLOSES}).headers["Cache-Control"] == "no-store"
    assert api.get("/health").headers["Cache-Control"] == "no-store"


def test_a_caller_that_has_the_answer_is_not_sent_it_again(api: LocalApi) -> None:
    first = api.get("/api/predict")
    asked = event("GET", "/api/predict")
    asked["headers"]["if-none-match"] = f'"other", {first.headers["ETag"]}'
    again = api.call(asked)
    assert (again.status, again.json, again.headers["ETag"]) == (304, None, first.headers["ETag"])
    api.clock.ahead(61)
    assert api.call(asked).status == 304  # looked at again, and nothing is new
    api.promote(foreign.champion_bytes(spread=0.006), 2)
    api.clock.ahead(61)
    swapped = api.call(asked)
    assert (swapped.status, swapped.json["champion"]["generation"]) == (200, 2)
    assert swapped.headers["ETag"] != first.headers["ETag"]


def test_the_next_day_changes_the_answer_though_the_record_stays(api: LocalApi) -> None:
    first = api.get("/api/predict")
    api.clock.ahead(4 * 86_400)
    later = api.get("/api/predict")
    assert (later.json["age"]["state"], later.json["stale"]) == ("late", True)
    assert later.headers["ETag"] != first.headers["ETag"]


def test_an_expired_forecast_is_told_and_where_that_is_wanted_refused(api: LocalApi) -> None:
    api.clock.ahead(26 * 86_400)  # asked on 25 November for what was tomorrow on 30 October
    answer = api.get("/api/predict")
    assert (answer.status, answer.json["age"]["state"], answer.json["stale"]) == (200, "expired", True)
    assert answer.json["stale_reason"] == answer.json["age"]["sentence"]
    strict = api.settings._replace(refuse_expired=True)
    refused = replace(api, app=App(api.store, strict, api.clock)).get("/api/predict")
    assert (refused.status, refused.error["code"]) == (503, "forecast_expired")
    assert refused.error["message"] == answer.json["age"]["sentence"]
    assert "in the log" in refused.error["cure"]
    assert int(refused.headers["Retry-After"]) >= 60


def test_the_records_answer_by_kind_and_days(api: LocalApi) -> None:
    found = api.get("/api/track-record")
    assert (found.status, found.json["kind"], found.json["summary"]["days"]) == (200, "live", 0)
    assert api.get("/api/track-record", kind="backtest").json["summary"] is None
    assert api.get("/api/history", days="5").json["days"] == []
    for path, query, field in (
        ("/api/track-record", {"kind": "both"}, "kind"),
        ("/api/track-record", {"days": "0"}, "days"),
        ("/api/history", {"days": "251"}, "days"),
        ("/api/history", {"kind": "live"}, "kind"),
    ):
        refused = api.get(path, **query)
        assert (refused.status, refused.error["field"]) == (400, field)
    api.store.delete(record_key())
    fresh = replace(api, app=App(api.store, api.settings, api.clock))
    assert fresh.get("/api/history").status == 503


def test_the_model_card_has_everything_but_the_golden_forecasts(dated_api: LocalApi) -> None:
    card = dated_api.get("/api/champion").json
    assert "event_days_left" not in card, "its champion knows of no events"
    assert card["model_uri"] == "models:/EURUSD_Foreign@champion"
    assert card["inputs"] == {"columns": ["close", "eurjpy"], "date": True, "target_date": True, "window": 20}
    assert card["metadata"]["levels"] == list(foreign.LEVELS)
    assert card["intervals"] == ["50", "95"]
    assert card["activated_at"] == "2026-10-30T17:00:00Z"
    assert card["scores"] == [{"family": "foreign", "horizon": 1, "pinball": 0.08}]
    assert "golden" not in card


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nowhere", 404, None),
        ("GET", "/api/predict/x", 404, None),
        ("POST", "/api/predict/1", 404, None),
        ("DELETE", "/api/predict", 405, "GET, POST, HEAD"),
        ("POST", "/health", 405, "GET, HEAD"),
        ("PATCH", "/", 405, "GET, HEAD"),
    ],
)
def test_an_unknown_route_is_refused_with_the_known_ones(
    api: LocalApi, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = api.call(event(method, path))
    assert answer.status == status
    assert answer.headers.get("Allow") == allow
    assert "GET" in answer.error["cure"]


def test_the_index_and_head_answer(api: LocalApi) -> None:
    assert "POST /api/predict" in api.get("/").json["routes"]
    assert api.call(event("HEAD", "/health")).status == 200


def test_an_unexpected_error_is_logged_and_is_500_without_its_text(
    api: LocalApi, caplog: pytest.LogCaptureFixture
) -> None:
    def broken_clock() -> float:
        raise ZeroDivisionError("inner text")

    broken = replace(api, app=App(api.store, api.settings, broken_clock))
    answer = broken.get("/api/predict")
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert "inner text" not in json.dumps(answer.json)
    assert "inner text" in caplog.text


def test_the_card_says_for_how_long_the_champion_knows_scheduled_news(api: LocalApi) -> None:
    api.promote(foreign.champion_bytes(spread=0.006), 2, events_known_through=date(2026, 12, 17))
    card = api.get("/api/champion").json
    assert (card["events_known_through"], card["event_days_left"]) == ("2026-12-17", 48)
    api.clock.ahead(50 * 86_400)
    assert api.get("/api/champion").json["event_days_left"] == -2
