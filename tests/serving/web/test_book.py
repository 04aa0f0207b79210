"""GET and POST /api/book: the same answer in JSON and CSV, and a cure for what cannot be answered."""

import functools
import io
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.record.book import Correlations
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import open_store
from tests.support import books
from tests.support.events import event
from tests.support.local_api import Answer, LocalApi
from tests.support.steps import lines

PATH = "/api/book"
POSITIONS = {"USD": 1_000_000, "JPY": -250_000_000}
QUERY = {"currency": "EUR", "position": "USD:1000000,JPY:-250000000"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    return books.book_api(tmp_path_factory.mktemp("book"))


def post(api: LocalApi, body: object) -> Answer:
    return api.call(event("POST", PATH, {}, body))


def test_get_and_post_give_the_same(api: LocalApi) -> None:
    by_query = api.get(PATH, **QUERY, date="2026-11-06")
    by_body = post(api, {"currency": "EUR", "positions": POSITIONS, "date": "2026-11-06"})
    assert (by_query.status, by_query.json) == (200, by_body.json)
    assert by_query.json == api.get(PATH, **QUERY, horizon="5").json == post(api, {**body(), "horizon": 5}).json
    assert (by_query.json["horizon"], by_query.json["as_of"]) == (5, "2026-10-30")


def body(**changes: Any) -> dict[str, Any]:
    return {"currency": "EUR", "positions": POSITIONS, **changes}


def test_the_answer_adds_up(api: LocalApi) -> None:
    found = api.get(PATH, **QUERY, confidence="90,95,99").json
    assert list(found["risk"]) == ["90", "95", "99"]
    usd, jpy = found["positions"]
    assert usd["value"] == pytest.approx(1e6 / 1.1, abs=0.01) and jpy["value"] == pytest.approx(-2.5e8 / 170, abs=0.01)
    for name, losses in found["risk"].items():
        assert losses["expected_shortfall"] > losses["value_at_risk"] > 0
        for kind, loss in losses.items():
            parts = [position["contribution"][name][kind] for position in found["positions"]]
            alone = [position["stand_alone"][name][kind] for position in found["positions"]]
            assert sum(parts) == pytest.approx(loss, abs=0.02)
            assert found["diversification"][name][kind] == pytest.approx(sum(alone) - loss, abs=0.03)
    quantiles = list(found["quantiles"].values())
    assert quantiles == sorted(quantiles) and found["quantiles"]["0.05"] == -found["risk"]["95"]["value_at_risk"]
    assert re.search(rf"\b{found['risk']['95']['value_at_risk']:,.2f} EUR by 2026-11-02$", found["sentence"])
    assert found["degrees_of_freedom"] == pytest.approx(books.FREEDOM, rel=0.01)


def test_a_reporting_currency_may_be_any_that_is_served(api: LocalApi) -> None:
    in_euro = api.get(PATH, position="USD:1000").json
    in_dollar = api.get(PATH, currency="USD", position="USD:1000,EUR:500").json
    assert in_dollar["positions"][0]["contribution"]["95"]["value_at_risk"] == 0.0
    assert in_dollar["positions"][1]["value"] == 550.0
    assert in_euro["currency"] == "EUR" and in_euro["risk"]["95"]["value_at_risk"] > 0


@pytest.mark.parametrize("query", [{}, {"currency": "USD"}, {"currency": "USD", "position": "USD:5"}])
def test_a_book_without_risk_says_so(api: LocalApi, query: dict[str, str]) -> None:
    found = api.get(PATH, **query).json
    assert set(found["risk"]["95"].values()) | set(found["quantiles"].values()) == {0.0}
    assert "no currency risk" in found["sentence"]


def test_a_table_has_a_row_a_position_and_the_total(api: LocalApi) -> None:
    answer = handle_event(api.app, event("GET", PATH, {**QUERY, "format": "csv"}))
    assert answer["headers"]["Content-Type"].startswith("text/csv")
    table, found = pd.read_csv(io.StringIO(answer["body"])), api.get(PATH, **QUERY).json
    assert table["currency"].tolist() == ["USD", "JPY", "total"]
    assert table["value_at_risk_95"].tolist()[-1] == found["risk"]["95"]["value_at_risk"]
    assert (
        table["stand_alone_expected_shortfall_99"][0]
        == (found["positions"][0]["stand_alone"]["99"]["expected_shortfall"])
    )
    assert set(table["date"]) == {"2026-11-02"}


MANY = ",".join(["USD:1"] * 61)
QUERIES: dict[str, tuple[dict[str, str], str, str]] = {
    "a currency that is not served": ({"position": "PLN:5"}, "position", "CHF, EUR, GBP, JPY, SEK, USD"),
    "a reporting currency that is not served": ({"currency": "PLN"}, "currency", "CHF, EUR, GBP"),
    "no amount": ({"position": "USD"}, "position", "USD:1000000"),
    "words": ({"position": "USD:many"}, "position", "USD:1000000"),
    "not a number": ({"position": "USD:nan"}, "position", "USD:1000000"),
    "infinite": ({"position": "USD:inf"}, "position", "USD:1000000"),
    "Arabic digits": ({"position": "USD:١٢"}, "position", "USD:1000000"),
    "an exponent": ({"position": "USD:1e6"}, "position", "USD:1000000"),
    "too much": ({"position": "USD:1000000000000001"}, "position", "USD:1000000"),
    "a currency twice": ({"position": "USD:1,USD:2"}, "position", "once"),
    "61 positions": ({"position": MANY}, "position", "at most 60"),
    "a confidence too low": ({"confidence": "49"}, "confidence", "50 to 99.9"),
    "a confidence too high": ({"confidence": "99.95"}, "confidence", "50 to 99.9"),
    "no confidence": ({"confidence": ""}, "confidence", "50 to 99.9"),
    "a day beyond the forecast": ({"date": "2027-03-01"}, "date", "from 2026-11-02"),
    "a horizon beyond the forecast": ({"horizon": "22"}, "horizon", "1 to 21"),
    "a parameter of another route": ({"below": "1"}, "below", "valid names are currency"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_an_invalid_query_gets_its_field_and_a_cure(api: LocalApi, name: str) -> None:
    query, field, cure = QUERIES[name]
    answer = api.get(PATH, **query)
    assert (answer.status, answer.error["field"]) == (400, field)
    assert cure in answer.error["cure"]


BODIES: dict[str, tuple[object, str]] = {
    "a list": ([], "body"),
    "an unknown member": (body(book=1), "book"),
    "a member without a name": (body(**{"": None}), '""'),
    "positions in a list": (body(positions=[1]), "positions"),
    "an amount as text": (body(positions={"USD": "5"}), "positions.USD"),
    "a flag": (body(positions={"USD": True}), "positions.USD"),
    "null": (body(positions={"USD": None}), "positions.USD"),
    "NaN": (body(positions={"USD": float("nan")}), "positions.USD"),
    "infinite": (body(positions={"USD": float("-inf")}), "positions.USD"),
    "an overflow": (body(positions={"USD": 10**400}), "positions.USD"),
    "an unknown currency": (body(positions={"usd": 5}), "positions"),
    "61 positions": (body(positions={f"A{i}": 1 for i in range(61)}), "positions"),
    "an unknown reporting currency": (body(currency=5), "currency"),
    "a confidence as text": (body(confidence="95"), "confidence"),
    "a confidence of 100": (body(confidence=[100]), "confidence"),
    "no confidence": (body(confidence=[]), "confidence"),
    "a date that is a number": (body(date=5), "date"),
    "a Saturday": (body(date="2026-10-31"), "date"),
    "half a day": (body(horizon=0.5), "horizon"),
    "a horizon as text": (body(horizon="5"), "horizon"),
    "a flag as horizon": (body(horizon=True), "horizon"),
    "a day too far": (body(horizon=22), "horizon"),
    "date and horizon": (body(horizon=1, date="2026-11-02"), "date"),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_invalid_body_gets_its_field_and_a_cure(api: LocalApi, name: str) -> None:
    sent, field = BODIES[name]
    answer = post(api, sent)
    assert (answer.status, answer.json["code"], answer.error["field"]) == (400, "bad_body", field)
    assert answer.error["cure"]


def test_a_body_with_too_many_positions_is_refused_by_their_number(api: LocalApi) -> None:
    answer = post(api, body(positions={f"A{i}": 1 for i in range(61)}))
    assert answer.status == 400 and "at most 60" in answer.error["cure"]


def test_a_currency_twice_in_a_body(api: LocalApi) -> None:
    asked = event("POST", PATH, {}, {})
    asked["body"] = '{"positions": {"USD": 1, "USD": 2}}'
    answer = api.call(asked)
    assert (answer.status, answer.error["field"]) == (400, "USD")


def test_an_answer_is_cached_until_one_of_its_records_changes(tmp_path: Path) -> None:
    api = books.book_api(tmp_path)
    first = api.get(PATH, **QUERY)
    assert first.headers["ETag"] and first.headers["Cache-Control"] == "max-age=60"
    api.clock.ahead(61)
    assert api.get(PATH, **QUERY).headers["ETag"] == first.headers["ETag"]
    key = keys.forecast_key("EURJPY")
    wider = books.official("JPY")
    wider = wider._replace(sd=[1.2 * sd for sd in wider.sd or ()])
    api.store.update(key, lambda _: (wider.to_json(), None))
    api.clock.ahead(61)
    changed = api.get(PATH, **QUERY)
    assert changed.headers["ETag"] != first.headers["ETag"]
    assert changed.json["risk"]["95"]["value_at_risk"] != first.json["risk"]["95"]["value_at_risk"]
    api.clock.ahead(61)
    assert api.get(PATH, position="USD:5").status == 200


def test_a_warm_book_of_18_currencies_costs_at_most_twice_a_warm_forecast(tmp_path: Path) -> None:
    api = books.book_api(tmp_path, books.EIGHTEEN)
    forecast = event("GET", "/api/predict", {"horizon": "5"})
    book = event("GET", PATH, {"position": ",".join(f"{name}:1000" for name in books.EIGHTEEN)})
    assert all(handle_event(api.app, asked)["statusCode"] == 200 for asked in (forecast, book, forecast, book))
    work = [lines(functools.partial(handle_event, api.app, asked)) for asked in (forecast, book)]
    assert 0 < work[1] <= 2 * work[0]


def test_a_service_without_a_euro_pair_has_no_books(tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path), "PAIRS": "GBPUSD"})
    answer = handle_event(App(open_store(settings), settings), event("GET", PATH, {}))
    assert (answer["statusCode"], json.loads(answer["body"])["field"]) == (400, "currency")


def test_a_pair_whose_forecast_is_late_counts_its_own_days(tmp_path: Path) -> None:
    """Its standard deviation is that from its own last close, and a day that it does not reach is refused."""
    api = books.book_api(tmp_path)
    usd = books.official("USD")
    day = date(2026, 11, 2)
    closes = {**usd.closes, day.isoformat(): usd.last_close}
    newer = usd._replace(as_of=day, closes=closes, days=tuple(next_business_days(day, books.HORIZON, "ecb")))
    api.store.update(keys.forecast_key("EURUSD"), lambda _: (newer.to_json(), None))
    found = api.get(PATH, **QUERY).json
    assert (found["date"], found["as_of"]) == ("2026-11-03", "2026-10-30")
    alone = [position["stand_alone"]["95"]["value_at_risk"] / abs(position["value"]) for position in found["positions"]]
    assert alone[1] / alone[0] == pytest.approx(books.DAILY["JPY"] * 2**0.5 / books.DAILY["USD"], rel=1e-3)
    answer = api.get(PATH, **QUERY, horizon="21")
    assert (answer.status, answer.error["field"]) == (400, "date")
    assert "EURJPY" in answer.error["message"]


def test_without_correlations_it_is_503(tmp_path: Path) -> None:
    api = books.book_api(tmp_path)
    store = api.store
    data = store.read(keys.BOOK_KEY).data
    store.delete(keys.BOOK_KEY)
    answer = api.get(PATH, **QUERY)
    assert (answer.status, answer.json["code"], int(answer.headers["Retry-After"]) > 0) == (503, "record_missing", True)
    store.create(keys.BOOK_KEY, data[:-9])
    api.clock.ahead(3600)
    assert api.get(PATH, **QUERY).json["code"] == "record_damaged"
    store.delete(keys.BOOK_KEY)
    store.create(keys.BOOK_KEY, data)
    api.clock.ahead(3600)
    assert api.get(PATH, **QUERY).status == 200


def test_a_currency_without_correlations_is_named(tmp_path: Path) -> None:
    """A pair that was added to PAIRS has a forecast before it has correlations."""
    api = books.book_api(tmp_path)
    record = Correlations.parse(api.store.read(keys.BOOK_KEY).data)
    rest = [index for index, name in enumerate(record.currencies) if name != "JPY"]
    rows = [[record.correlations[i][j] for j in rest] for i in rest]
    fewer = record._replace(currencies=tuple(record.currencies[i] for i in rest), correlations=rows)
    api.store.update(keys.BOOK_KEY, lambda _: (fewer.to_json(), None))
    api.clock.ahead(3600)
    answer = api.get(PATH, **QUERY)
    assert (answer.status, answer.error["code"]) == (503, "record_missing")
    assert "JPY" in answer.error["message"] and int(answer.headers["Retry-After"]) > 0
    assert api.get(PATH, position="USD:1000000").status == 200


def test_a_store_that_is_down_is_not_called_a_missing_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = books.book_api(tmp_path)
    read = type(api.store).read

    def fail(store: Any, key: str, *args: Any) -> Any:
        if key == keys.BOOK_KEY:
            raise Unavailable("down")
        return read(store, key, *args)

    monkeypatch.setattr(type(api.store), "read", fail)
    assert api.get("/api/predict").status == 200
    answer = api.get(PATH, **QUERY)
    assert (answer.status, answer.error["code"]) == (503, "store_unavailable")
