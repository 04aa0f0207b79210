"""CSV for spreadsheets: decimal commas, and the recipe for Excel."""

import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from lambda_fn.api import App, handle_event
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import foreign, page_store
from tests.support.events import event
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
    [recipe] = [block for block in blocks("text", DOCUMENTS["api.md"]) if "Web.Contents" in block]
    path = re.findall(r'RelativePath = "([^"]+)"', recipe)[0]
    query = dict(re.findall(r'(\w+) = "([^"]+)"', re.findall(r"Query = \[(.*?)\]", recipe)[0]))
    table = pd.read_csv(io.StringIO(get(app, f"/{path}", **query)["body"]))
    named = set(re.findall(r'\{"(\w+)", type date\}', recipe))
    assert named == {"date", "as_of"} <= set(table)
    texts = set(re.findall(r'\{"(\w+)", type text\}', recipe))
    assert texts == {"age_state"} <= set(table)
    assert table.drop(columns=[*named, *texts]).dtypes.map(pd.api.types.is_numeric_dtype).all()
