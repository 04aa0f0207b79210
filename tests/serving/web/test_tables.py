"""CSV: what pandas and a spreadsheet read is what the JSON says."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from lambda_fn.api import handle_event
from lambda_fn.web.endpoints.record import HISTORY_COLUMNS
from tests.support import foreign, page_store
from tests.support.events import event
from tests.support.local_api import START, LocalApi, local_api


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    """With a record of 30 days."""
    folder = tmp_path_factory.mktemp("tables")
    page_store.fill(folder, START.date(), scored=30)
    return local_api(folder)


def table(api: LocalApi, path: str, accept: str | None = None, **query: str) -> pd.DataFrame:
    asked = event("GET", path, query)
    if accept:
        asked["headers"]["accept"] = accept
    answer = handle_event(api.app, asked)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer["headers"]["ETag"]
    assert answer["headers"]["Content-Disposition"].startswith('inline; filename="EURUSD-')
    assert "\r" not in answer["body"]
    return pd.read_csv(io.StringIO(answer["body"]))


def test_the_forecast_is_a_row_a_day(api: LocalApi) -> None:
    found = table(api, "/api/predict", format="csv", horizon="21")
    days = api.get("/api/predict", horizon="21").json["forecast"]
    assert found["date"].tolist() == [day["date"] for day in days]
    assert found["horizon"].tolist() == list(range(1, 22))
    assert found["mean"].tolist() == [day["mean"] for day in days]
    for level in page_store.LEVELS:
        assert found[f"q{level:g}"].tolist() == [day["quantiles"][f"{level:g}"] for day in days]
    for coverage in ("50", "80", "90", "95", "98"):
        assert found[f"lo-{coverage}"].tolist() == [day["intervals"][coverage]["lower"] for day in days]
        assert found[f"hi-{coverage}"].tolist() == [day["intervals"][coverage]["upper"] for day in days]
    assert set(found["as_of"]) == {"2026-10-30"}
    assert found["volatility"].tolist() == pytest.approx([100 * day["volatility"] for day in days], abs=1e-9)


def test_accept_and_format_give_the_same(api: LocalApi) -> None:
    by_accept = table(api, "/api/predict", "text/csv", h="2", level="80")
    assert by_accept.equals(table(api, "/api/predict", format="csv", horizon="2", level="80"))
    bounds = ["lo-80", "hi-80"]
    ends = ["as_of", "volatility", "age_state"]
    assert list(by_accept) == ["date", "horizon", "mean", "q0.1", "q0.5", "q0.9", *bounds, *ends]


def test_quantiles_choose_the_columns(api: LocalApi) -> None:
    found = table(api, "/api/predict", format="csv", quantiles="0.05,0.95")
    ends = ["as_of", "volatility", "age_state"]
    assert list(found) == ["date", "horizon", "mean", "q0.05", "q0.5", "q0.95", *ends]


def test_the_history_is_a_row_a_day(api: LocalApi) -> None:
    found = table(api, "/api/history", format="csv", days="20")
    days = api.get("/api/history", days="20").json["days"]
    assert len(found) == len(days) == 20
    for name in ("target_date", "outcome", "pit", "kind"):
        assert found[name].tolist() == [day[name] for day in days]
    assert found["inside_80"].tolist() == [int(day["inside_80"]) for day in days]


def test_a_history_of_no_day_has_its_header(tmp_path: Path) -> None:
    api = local_api(tmp_path)
    api.promote(foreign.champion_bytes(), 1)
    text = handle_event(api.app, event("GET", "/api/history", {"format": "csv"}))["body"]
    assert list(csv.reader(io.StringIO(text))) == [list(HISTORY_COLUMNS)]
