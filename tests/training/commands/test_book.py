"""`python -m training forecast --book`: the risk of a book in a CSV file."""

import io
import json
from collections.abc import Callable

import pandas as pd
import pytest

from lambda_fn.api import handle_event
from tests.support import books
from tests.support.events import event
from tests.support.local_api import LocalApi
from training.__main__ import main


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    return books.book_api(tmp_path_factory.mktemp("book"))


def forecast(api: LocalApi, monkeypatch: pytest.MonkeyPatch, text: str, *options: str) -> int:
    for name, value in (("STORE_DIR", str(api.folder)), ("PAIRS", ",".join(api.settings.pairs))):
        monkeypatch.setenv(name, value)
    path = api.folder / "book.csv"
    path.write_text(text)
    return main(["forecast", "--book", str(path), *options])


EXPIRED = 75  # the exit code for forecasts of October
BOOK = "currency,amount\nUSD,1000000\nJPY,-250000000\n"


def test_it_is_the_answer_of_the_api(
    api: LocalApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = api.get("/api/book", position="USD:1000000,JPY:-250000000", horizon="5").json
    assert forecast(api, monkeypatch, BOOK, "--horizon", "5", "--json") == EXPIRED
    found = json.loads(capsys.readouterr().out)
    assert (found["risk"], found["positions"]) == (expected["risk"], expected["positions"])
    assert forecast(api, monkeypatch, BOOK, "--horizon", "5") == EXPIRED
    text = capsys.readouterr().out
    assert f"{expected['risk']['95']['value_at_risk']:,.2f}" in text and expected["sentence"] in " ".join(text.split())
    assert forecast(api, monkeypatch, BOOK, "--horizon", "5", "--csv", "--currency", "USD") == EXPIRED
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["currency"].tolist() == ["USD", "JPY", "total"] and table["value_at_risk_95"][0] == 0.0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "currency,amount"),
        ("USD,5\n", "currency,amount"),
        ("currency,amount\nUSD\n", "line 2"),
        ("currency,amount\nUSD,1\n\nJPY,\n", "line 4"),
        ('currency,amount\nUSD,"1,000"\n', "line 2"),
        ("currency,amount\nUSD,many\n", "USD:1000000"),
        ("currency,amount\nPLN,5\n", "CHF, EUR"),
        ("currency,amount\nUSD,5\nUSD,6\n", "once"),
    ],
)
def test_an_invalid_file_names_the_line_or_the_currency(
    api: LocalApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, fault: str
) -> None:
    assert forecast(api, monkeypatch, text) == 2
    assert fault in capsys.readouterr().err


SERVED = "CHF, EUR, GBP, JPY, SEK, USD"
# Positions, reporting currency, day, and what the cure names.
INVALID: dict[str, tuple[list[tuple[str, str]], str, str, str]] = {
    "words": ([("USD", '"many"')], "EUR", "5", ""),
    "not a number": ([("USD", "NaN")], "EUR", "5", ""),
    "an overflow": ([("USD", "1e400")], "EUR", "5", ""),
    "too large an amount": ([("USD", "9999999999999999")], "EUR", "5", ""),
    "61 positions": ([(f"A{chr(65 + i // 26)}{chr(65 + i % 26)}", "1") for i in range(61)], "EUR", "5", "at most 60"),
    "an unserved currency": ([("PLN", "5")], "EUR", "5", SERVED),
    "an unserved reporting currency": ([("USD", "5")], "PLN", "5", SERVED),
    "a repeated currency": ([("USD", "5"), ("USD", "6")], "EUR", "5", "once"),
    "a day beyond the forecast": ([("USD", "5")], "EUR", "22", "1 to 21"),
}


def by_get(api: LocalApi, positions: list[tuple[str, str]], currency: str, horizon: str) -> str:
    position = ",".join(f"{name}:{amount}" for name, amount in positions)
    answer = api.get("/api/book", position=position, currency=currency, horizon=horizon)
    assert answer.status == 400 and answer.error["field"]
    return answer.error["cure"]


def by_post(api: LocalApi, positions: list[tuple[str, str]], currency: str, horizon: str) -> str:
    asked = event("POST", "/api/book", {}, {})
    members = ", ".join(f'"{name}": {amount}' for name, amount in positions)
    asked["body"] = f'{{"currency": "{currency}", "positions": {{{members}}}, "horizon": {horizon}}}'
    answer = api.call(asked)
    assert answer.status == 400 and answer.error["field"]
    return answer.error["cure"]


def by_page(api: LocalApi, positions: list[tuple[str, str]], currency: str, horizon: str) -> str:
    names, amounts = (",".join(values) for values in zip(*positions, strict=True))
    query = {"format": "html", "position": names, "amount": amounts, "currency": currency, "days": horizon}
    page = handle_event(api.app, event("GET", "/", query))
    assert page["statusCode"] == 200 and 'id="book-parts"' not in page["body"]
    return str(page["body"]).partition('id="book-problem"')[2].partition("</p>")[0]


@pytest.mark.parametrize("ask", [by_get, by_post, by_page], ids=["get", "post", "page"])
@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_book_is_refused_with_a_cure_wherever_it_is_given(
    api: LocalApi, name: str, ask: Callable[[LocalApi, list[tuple[str, str]], str, str], str]
) -> None:
    positions, currency, horizon, cure = INVALID[name]
    found = ask(api, positions, currency, horizon)
    assert found and cure in found


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_book_is_refused_on_the_command_line(
    api: LocalApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    positions, currency, horizon, cure = INVALID[name]
    text = "\n".join(["currency,amount", *(f"{name},{amount}" for name, amount in positions)])
    assert forecast(api, monkeypatch, text, "--currency", currency, "--horizon", horizon) == 2
    assert cure in capsys.readouterr().err
