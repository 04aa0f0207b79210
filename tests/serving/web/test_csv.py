"""CSV for spreadsheets: decimal commas, and the recipe for Excel."""

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import books, foreign, page_store
from tests.support.events import event
from tests.support.local_api import LocalApi
from tests.support.readme import DOCUMENTS, blocks


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    folder = tmp_path_factory.mktemp("csv")
    page_store.fill(folder, foreign.AS_OF, scored=5)
    settings = Settings.from_env({"STORE_DIR": str(folder)})
    return App(open_store(settings), settings, datetime(2026, 10, 30, 17, tzinfo=UTC).timestamp)


def get(app: App, path: str, **query: str) -> Any:
    return handle_event(app, event("GET", path, query))


@pytest.mark.parametrize("path", ["/api/predict", "/api/history"])
def test_a_decimal_comma_gives_the_same_table(app: App, path: str) -> None:
    point, comma = (get(app, path, format="csv", **more)["body"] for more in ({}, {"decimal": ","}))
    assert len(comma.splitlines()) > 1 and "." not in "".join(comma.splitlines()[1:])
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(point)), pd.read_csv(io.StringIO(comma), sep=";", decimal=",")
    )
    assert get(app, path, format="csv", decimal=".")["body"] == point


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("path", ["/api/predict", "/api/history"])
def test_another_decimal_mark_is_refused(app: App, path: str, form: str) -> None:
    answer = get(app, path, format=form, decimal=";")
    error = json.loads(answer["body"])
    assert (answer["statusCode"], error["field"], error["cure"]) == (400, "decimal", "give . or ,")


def test_the_recipe_for_excel_reads_what_the_api_answers(app: App) -> None:
    """Excel does not run here: its request is sent, and the columns that it names are in the answer."""
    [recipe] = [block for block in blocks("text", DOCUMENTS["api.md"]) if '"api/predict"' in block]
    path = re.findall(r'RelativePath = "([^"]+)"', recipe)[0]
    query = dict(re.findall(r'(\w+) = "([^"]+)"', re.findall(r"Query = \[(.*?)\]", recipe)[0]))
    table = pd.read_csv(io.StringIO(get(app, f"/{path}", **query)["body"]))
    named = set(re.findall(r'\{"(\w+)", type date\}', recipe))
    assert named == {"date", "as_of"} <= set(table)
    texts = set(re.findall(r'\{"(\w+)", type text\}', recipe))
    assert texts == {"age_state"} <= set(table)
    assert table.drop(columns=[*named, *texts]).dtypes.map(pd.api.types.is_numeric_dtype).all()


def book_table(api: LocalApi, query: dict[str, str]) -> pd.DataFrame:
    answer = handle_event(api.app, event("GET", "/api/book", query))
    assert answer["statusCode"] == 200, answer["body"]
    table = pd.read_csv(io.StringIO(answer["body"]))
    assert table["currency"].tolist() == ["USD", "JPY", "total"]
    return table


def test_the_recipes_for_a_book_read_what_the_api_answers(tmp_path: Path) -> None:
    """Neither Excel nor Google Sheets runs here: their requests are sent, for a sheet with two positions."""
    api, sheet = books.book_api(tmp_path), "USD:1000000,JPY:-250000000"
    recipes = blocks("text", DOCUMENTS["api.md"])
    [formula] = [block for block in recipes if "IMPORTDATA" in block]
    address = re.findall(r'"(https://HOST/[^"]+=)" & TEXTJOIN\(",", TRUE, ', formula)[0]
    target = urlsplit(address + sheet)
    assert target.path == "/api/book"
    by_formula = book_table(api, dict(parse_qsl(target.query)))
    [recipe] = [block for block in recipes if '"api/book"' in block]
    query = re.findall(r"Query = \[(.*?), position = Position\]", recipe)[0]
    table = book_table(api, {**dict(re.findall(r'(\w+) = "([^"]+)"', query)), "position": sheet})
    pd.testing.assert_frame_equal(table, by_formula)
    named = set(re.findall(r'\{"(\w+)", type (?:date|text)\}', recipe))
    assert named == {"currency", "date", "age_state"} <= set(table)
    assert table.drop(columns=[*named]).dtypes.map(pd.api.types.is_numeric_dtype).all()
    expected = api.get("/api/book", position=sheet, horizon="5").json["risk"]["95"]["value_at_risk"]
    assert table["value_at_risk_95"].tolist()[-1] == expected
