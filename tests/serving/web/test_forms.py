"""What every answer has: problem details, compression where it is asked for, and what a cache must know."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.api import handle_event
from lambda_fn.web.errors import format_name
from lambda_fn.web.response import COMPRESSED_FROM
from lambda_fn.web.routes import ROUTES
from lambda_fn.web.routing import Route
from tests.support import foreign
from tests.support.api_gateway import to_answer
from tests.support.events import event
from tests.support.local_api import LocalApi, local_api


@pytest.fixture
def api(tmp_path: Path) -> LocalApi:
    found = local_api(tmp_path)
    found.promote(foreign.champion_bytes(), 1)
    return found


def asked(path: str, query: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    found = event("GET", path, query)
    found["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    return found


def test_an_error_is_a_problem_as_rfc_9457_has_it(api: LocalApi) -> None:
    answer = api.get("/api/predict", horizon="9")
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = dict(answer.json)
    assert problem.pop("error") == {
        "code": problem["code"],
        "message": problem["detail"],
        "field": problem["field"],
        "cure": problem["cure"],
    }
    assert problem.pop("detail").startswith('horizon="9" ')
    assert re.search(r"\b1 to 3; .*\b3$", problem.pop("cure"))
    assert problem == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "code": "bad_query",
        "field": "horizon",
    }


def test_a_problem_of_no_field_names_none(api: LocalApi) -> None:
    found = api.get("/nowhere").json
    assert (found["status"], found["title"]) == (404, "Not Found")
    assert "field" not in found
    assert "field" not in found["error"]


def test_a_body_is_compressed_where_that_is_asked_for(api: LocalApi) -> None:
    plain = handle_event(api.app, asked("/api/predict"))
    packed = handle_event(api.app, asked("/api/predict", accept_encoding="br, gzip"))
    assert packed["isBase64Encoded"]
    assert packed["headers"]["Content-Encoding"] == "gzip"
    assert gzip.decompress(base64.b64decode(packed["body"])).decode() == plain["body"]
    assert packed["headers"]["ETag"] == plain["headers"]["ETag"]
    assert "Content-Encoding" not in plain["headers"]
    for answer in (plain, packed):
        assert answer["headers"]["Vary"] == "Accept, Accept-Encoding"
    assert gzip.decompress(to_answer(packed).body).decode() == plain["body"]


def test_a_short_body_is_sent_as_it_is(api: LocalApi) -> None:
    answer = handle_event(api.app, asked("/api/history", accept_encoding="gzip"))
    assert len(answer["body"]) < COMPRESSED_FROM
    assert "Content-Encoding" not in answer["headers"]
    assert json.loads(answer["body"])["days"] == []


def test_each_form_has_an_etag_of_its_own(api: LocalApi) -> None:
    tags = [
        handle_event(api.app, asked("/api/predict", {"format": name}))["headers"]["ETag"] for name in ("json", "csv")
    ]
    assert tags[0] != tags[1]
    again = handle_event(
        api.app, asked("/api/predict", {"format": "csv"}, if_none_match=tags[1], accept_encoding="gzip")
    )
    assert (again["statusCode"], again["body"], again["isBase64Encoded"]) == (304, "", False)


@pytest.mark.parametrize(
    ("query", "names", "intervals"),
    [
        ({"quantiles": "0.25,0.75"}, ["0.25", "0.5", "0.75"], []),
        ({"quantiles": ".975"}, ["0.5", "0.975"], []),
        ({"quantiles": "0.025", "level": "50"}, ["0.025", "0.25", "0.5", "0.75"], ["50"]),
    ],
)
def test_quantiles_narrow_the_forecast(
    api: LocalApi, query: dict[str, str], names: list[str], intervals: list[str]
) -> None:
    [day] = api.get("/api/predict", h="1", **query).json["forecast"]
    assert (list(day["quantiles"]), list(day["intervals"])) == (names, intervals)


@pytest.mark.parametrize("text", ["0.1", "0.5,", "x", "1", "50", "0.50000000001"])
def test_a_level_that_is_not_forecast_is_refused_with_those_that_are(api: LocalApi, text: str) -> None:
    answer = api.get("/api/predict", quantiles=text)
    assert (answer.status, answer.error["field"]) == (400, "quantiles")
    assert "levels are 0.025, 0.25, 0.5, 0.75, 0.975" in answer.error["cure"]


@pytest.mark.parametrize("name", ["horizons", "", " ", "\x00"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_refuses_a_parameter_that_it_does_not_know(route: Route, name: str, api: LocalApi) -> None:
    path = route.path.replace("{name}", "EURUSD_Foreign").replace("{version}", "1")
    result = handle_event(api.app, event(route.method, path, {name: "1"}, {"close": [1.1]}))
    error = json.loads(result["body"])
    assert (result["statusCode"], error["code"], error["field"]) == (400, "bad_query", format_name(name))
