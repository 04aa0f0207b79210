"""The book on the page: its values are those of GET /api/book, its entries are in the address and nowhere else."""

import logging
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.web.page.formats import day_text
from tests.serving.web.page.test_page import BROWSER, element, readable_text, text_of
from tests.support import books, page_store
from tests.support.events import event
from tests.support.local_api import START, LocalApi, local_api

FORM = {"amount": "1000000,-50000000,", "position": "USD,JPY,GBP", "currency": "EUR", "days": "5"}
BOOK = {"currency": "EUR", "position": "USD:1000000,JPY:-50000000", "horizon": "5"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    return books.book_api(tmp_path_factory.mktemp("book"))


def ask(api: LocalApi, **query: str) -> dict[str, Any]:
    request = event("GET", "/", query)
    request["headers"]["accept"] = BROWSER
    return handle_event(api.app, request)


def rows(page: dict[str, Any]) -> list[tuple[str, str]]:
    """Currency and amount of each row of the form."""
    found = re.findall(
        r'name="amount" aria-label[^>]* value="([^"]*)".*?<option value="(\w+)" selected>', page["body"], re.DOTALL
    )
    return [(name, amount) for amount, name in found]


def problem(page: dict[str, Any]) -> str:
    return text_of(element(page, '<p class="problem" id="book-problem" role="alert">', "p"))


def test_its_values_are_those_of_the_api(api: LocalApi) -> None:
    page, expected = ask(api, **FORM), api.get("/api/book", **BOOK).json
    text = readable_text(page)
    for confidence in ("95", "99"):
        loss = expected["risk"][confidence]["value_at_risk"]
        assert re.search(rf"Value at risk \({confidence} %\)\s*{loss:,.0f} EUR", text)
    verdict = text_of(element(page, '<p class="verdict">', "p"))
    assert re.search(rf"1-in-20 .* {expected['risk']['95']['value_at_risk']:,.0f} EUR by Fri 6 Nov 2026\.$", verdict)
    table = element(page, '<table id="book-parts"', "table")
    bars = re.findall(r'<rect x="([\d.]+)%" width="([\d.]+)%"[^>]* class="(\w+)">', table)
    contributions = [row["contribution"]["95"]["value_at_risk"] for row in expected["positions"]]
    assert [name for *_, name in bars] == ["share", "hedge"] and contributions[1] < 0 < contributions[0]
    assert float(bars[0][1]) / float(bars[1][1]) == pytest.approx(contributions[0] / -contributions[1], rel=0.01)
    zero = float(bars[0][0])
    assert float(bars[1][0]) + float(bars[1][1]) == pytest.approx(zero, abs=0.02)
    for contribution in contributions:
        assert f"{contribution:,.0f}" in text_of(table)


def test_the_form_shows_the_entries_and_a_row_for_one_more(api: LocalApi) -> None:
    page = ask(api, **FORM)
    assert rows(page) == [("USD", "1000000"), ("JPY", "-50000000"), ("CHF", "")]
    assert rows(ask(api, position="USD:5,CHF:6")) == [("USD", "5"), ("CHF", "6"), ("GBP", "")]
    every = ",".join(["CHF", "EUR", "GBP", "JPY", "SEK", "USD"])
    full = ask(api, position=every, amount=",".join("123456"))
    assert [amount for _, amount in rows(full)] == [*"123456"]
    assert rows(ask(api, position="USD", amount="")) == [("CHF", "")]


def test_without_entries_it_shows_an_example(api: LocalApi) -> None:
    page, expected = ask(api), api.get("/api/book", position="USD:100000", horizon="5").json
    assert rows(page) == [("USD", "100000"), ("CHF", "")]
    assert f"{expected['risk']['95']['value_at_risk']:,.0f} EUR" in readable_text(page)
    yen = ask(api, pair="EURJPY")
    assert rows(yen)[0] == ("JPY", "100000")
    assert '<input type="hidden" name="pair" value="EURJPY">' in yen["body"].partition('id="book-form"')[2]


@pytest.mark.parametrize(("amount", "sent"), [("1e6", "1000000"), (".5", "0.5"), ("-2.50E3", "-2500"), ("0", "0")])
def test_amounts_as_browsers_write_them(api: LocalApi, amount: str, sent: str) -> None:
    page = ask(api, position="USD", amount=amount, days="1")
    expected = api.get("/api/book", position=f"USD:{sent}", horizon="1").json
    loss = expected["risk"]["95"]["value_at_risk"]
    shown = f"{loss:,.0f} EUR" if loss >= 100 else f"{loss:.2f} EUR"
    assert shown in readable_text(page)
    assert rows(page)[0] == ("USD", amount)
    if loss:
        part = text_of(element(page, '<table id="book-parts"', "table"))
        assert f"{float(sent):,.2f} USD".replace(".00", "") in part


def test_a_book_without_risk_says_so(api: LocalApi) -> None:
    for query in ({"position": "", "amount": ""}, {"position": "EUR", "amount": "5"}):
        page = ask(api, **query)
        assert text_of(element(page, '<p class="verdict">', "p")).endswith("EUR.")
        assert 'id="book-parts"' not in page["body"] and 'id="book-problem"' not in page["body"]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"position": "USD", "amount": "many"}, "amount", "USD:1000000"),
        ({"position": "USD", "amount": "nan"}, "amount", "USD:1000000"),
        ({"position": "USD", "amount": "1e400"}, "amount", "USD:1000000"),
        ({"position": "USD", "amount": "1e16"}, "amount", "USD:1000000"),
        ({"position": "USD,USD", "amount": "1,2"}, "amount", "once"),
        ({"position": "PLN", "amount": "1"}, "amount", "CHF, EUR, GBP, JPY, SEK, USD"),
        ({"position": "USD,JPY", "amount": "5"}, "amount", "USD:1000000"),
        ({"position": "USD", "amount": "1,5"}, "amount", "CHF, EUR, GBP, JPY, SEK, USD"),
        ({"position": ",".join(["USD"] * 61), "amount": ",".join(["1"] * 61)}, "amount", "at most 60"),
        ({"position": "USD", "amount": "1", "currency": "PLN"}, "currency", "CHF, EUR, GBP, JPY, SEK, USD"),
        ({"position": "USD", "amount": "1", "days": "22"}, "days", "1 to 21"),
    ],
)
def test_an_invalid_entry_is_reported_beside_the_form(
    api: LocalApi, query: dict[str, str], field: str, words: str
) -> None:
    page = ask(api, **query)
    assert page["statusCode"] == 200
    assert words in problem(page) and 'id="book-parts"' not in page["body"]
    invalid = set(re.findall(r'<(?:input|select)[^>]* name="(\w+)"[^>]* aria-invalid="true"', page["body"]))
    assert invalid == {field}


def test_markup_in_an_entry_is_text(api: LocalApi) -> None:
    hostile = '"><script>alert(1)</script>'
    page = ask(api, position=f"USD,{hostile}", amount=f"{hostile},5", currency=hostile, days=hostile, side=hostile)
    assert page["statusCode"] == 200 and page["body"].count("<script") == 1
    assert ask(api, position="USD", amount="5", pair="EURUSD", price=hostile)["body"].count("<script") == 1


def test_each_form_keeps_what_the_other_asked(api: LocalApi) -> None:
    page = ask(api, **FORM, side="above", price="1.2", horizon="3")["body"]
    hidden = '<input type="hidden" name="{}" value="{}">'
    likely, _, book = page.partition('id="book-form"')
    for name, value in FORM.items():
        assert hidden.format(name, value) in likely
    for name, value in {"side": "above", "price": "1.2", "horizon": "3"}.items():
        assert hidden.format(name, value) in book


def test_the_link_to_the_table_is_of_the_same_book(api: LocalApi) -> None:
    [address] = re.findall(r'<a href="(/api/book[^"]*)"', ask(api, **FORM)["body"])
    query = dict(parse_qsl(urlsplit(address.replace("&amp;", "&")).query))
    assert query == {**BOOK, "format": "csv"}
    answer = handle_event(api.app, event("GET", "/api/book", query))
    assert answer["statusCode"] == 200 and answer["headers"]["Content-Type"].startswith("text/csv")


def test_the_page_follows_every_record_of_its_book(tmp_path: Path) -> None:
    api = books.book_api(tmp_path)
    first = ask(api, **FORM)
    assert first["headers"]["Cache-Control"] == "max-age=60"
    api.clock.ahead(61)
    assert ask(api, **FORM)["headers"]["ETag"] == first["headers"]["ETag"]
    yen = books.official("JPY")
    wider = yen._replace(sd=[1.2 * sd for sd in yen.sd or ()])
    api.store.update(keys.forecast_key("EURJPY"), lambda _: (wider.to_json(), None))
    api.clock.ahead(61)
    changed = ask(api, **FORM)
    assert changed["headers"]["ETag"] != first["headers"]["ETag"]
    loss = api.get("/api/book", **BOOK).json["risk"]["99"]["value_at_risk"]
    assert f"{loss:,.0f} EUR" in readable_text(changed)


def test_without_correlations_the_page_stands_and_says_why(tmp_path: Path) -> None:
    api = books.book_api(tmp_path)
    data = api.store.read(keys.BOOK_KEY).data
    api.store.delete(keys.BOOK_KEY)
    page = ask(api, **FORM)
    assert page["statusCode"] == 200 and "ingest" in problem(page)
    api.store.create(keys.BOOK_KEY, data)
    api.clock.ahead(61)
    assert 'id="book-problem"' not in ask(api, **FORM)["body"]


def test_a_pair_without_a_forecast_is_named(tmp_path: Path) -> None:
    api = books.book_api(tmp_path)
    api.store.delete(keys.forecast_key("EURJPY"))
    assert "EURJPY" in problem(ask(api, **FORM))
    answer = api.get("/api/book", **BOOK)
    assert (answer.status, "EURJPY" in answer.error["message"]) == (503, True)


def test_an_expired_or_late_book_says_so(tmp_path: Path) -> None:
    api = books.book_api(tmp_path)
    api.clock.ahead(5 * 86_400)
    late = ask(api, **FORM)
    begun = re.findall(r'<select name="days">\s*<option value="(\d+)"', late["body"])
    assert begun == ["4"] and "30 Oct 2026" in text_of(element(late, '<div id="book-output"', "div"))
    first = ask(api, position="USD", amount="5")
    assert f"selected>{day_text(START.date().replace(month=11, day=11))}" in first["body"], "a week ahead"
    past = ask(api, **{**FORM, "days": "1"})
    assert re.search(r'<option value="1" selected>', past["body"].partition('name="days"')[2])
    api.clock.ahead(60 * 86_400)
    expired = ask(api, **FORM)
    assert 'id="book-parts"' not in expired["body"] and 'id="book-problem"' not in expired["body"]


def test_a_service_without_a_euro_pair_shows_the_risk_of_its_own(tmp_path: Path) -> None:
    page_store.fill(tmp_path, START.date(), pair="GBPUSD")
    settings = Settings.from_env({"STORE_DIR": str(tmp_path), "PAIRS": "GBPUSD"})
    plain = local_api(tmp_path)
    page = ask(LocalApi(plain.store, settings, plain.clock, App(plain.store, settings, plain.clock), tmp_path), **FORM)
    assert page["statusCode"] == 200 and 'id="book-form"' not in page["body"]
    assert "100,000 GBP" in text_of(element(page, '<section id="position"', "section"))


def test_the_entries_are_not_logged(api: LocalApi, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ask(api, position="USD,PLN", amount="987654,5")
        ask(api, position="USD", amount="987654")
    assert "987654" not in caplog.text
