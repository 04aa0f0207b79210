"""`python -m training forecast --book`: the risk of a book in a CSV file."""

import io
import json

import pandas as pd
import pytest

from tests.support import books
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
