"""The OpenAPI document: valid, as committed, true of the routes and of real answers."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from lambda_fn.api import handle_event
from lambda_fn.web import openapi
from lambda_fn.web.errors import PROBLEM_JSON
from lambda_fn.web.routes import ROUTES
from tests.support import foreign
from tests.support.events import event
from tests.support.local_api import LocalApi, local_api
from tests.support.project import ROOT

CLOSES: list[float] = foreign.closes(foreign.WINDOW).tolist()
SENT: dict[str, Any] = {"close": CLOSES, "as_of": "2026-10-30"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    found = local_api(tmp_path_factory.mktemp("openapi"))
    scores = ({"family": "foreign", "horizon": 1, "pinball": 0.08, "skill_ewma": 0.01, "skill_garch": None},)
    found.promote(foreign.champion_bytes(), 1, scores=scores)
    return found


def _check(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    """Against a schema of the document, whose references it resolves; formats such as dates too."""
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


def _content(operation: dict[str, Any], status: int) -> dict[str, Any]:
    contents = operation["responses"][str(status)]["content"]
    media_type = next(iter(contents)) if status < 400 else PROBLEM_JSON  # JSON, except for a file
    content: dict[str, Any] = contents[media_type]
    return content


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)


def test_the_committed_file_is_the_current_one_and_is_served(api: LocalApi) -> None:
    assert Path(openapi.__file__).with_name("openapi.json").read_text() == openapi.text(), (
        "lambda_fn.web.openapi renews the file"
    )
    assert api.get("/openapi.json").json == openapi.document()


def test_it_has_exactly_the_routes_of_the_app(document: dict[str, Any], api: LocalApi) -> None:
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in ROUTES}
    for method, path in described:
        named = path.replace("{name}", "EURUSD_Foreign").replace("{version}", "1")
        assert handle_event(api.app, event(method, named))["statusCode"] not in (404, 405)


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "/", {}, None),
        ("GET", "/health", {}, None),
        ("GET", "/sign-in", {}, None),
        ("GET", "/api/predict", {}, None),
        ("GET", "/api/predict", {"horizon": "1", "level": "50,95"}, None),
        ("GET", "/api/predict", {"h": "2", "quantiles": "0.25,0.75"}, None),
        ("GET", "/api/probability", {"below": "1.1", "horizon": "2"}, None),
        ("GET", "/api/probability", {"above": "1.1", "date": "2026-11-03"}, None),
        ("GET", "/api/probability", {"probability": "0.05"}, None),
        ("GET", "/api/probability", {"below": "0.5"}, None),
        ("GET", "/api/probability", {}, None),
        ("GET", "/", {"format": "csv"}, None),
        ("GET", "/api/champion", {}, None),
        ("GET", "/openapi.json", {}, None),
        ("POST", "/api/predict", {}, SENT),
        ("POST", "/api/predict", {"level": "50"}, {"series": [SENT, {"close": CLOSES}]}),
        ("GET", "/api/predict", {"horizon": "9"}, None),
        ("POST", "/api/predict", {}, {"close": []}),
        ("POST", "/api/predict", {}, {"close": CLOSES, "eurjpy": "x" * 2**20}),
    ],
)
def test_real_answers_are_as_described(
    document: dict[str, Any], api: LocalApi, method: str, path: str, query: dict[str, str], body: object
) -> None:
    operation = document["paths"][path][method.lower()]
    answer = api.call(event(method, path, query, body))
    _check(document, _content(operation, answer.status)["schema"], answer.json)
    if body is not None and answer.status == 200:
        _check(document, operation["requestBody"]["content"]["application/json"]["schema"], body)


@pytest.mark.parametrize("path", ["/health", "/api/predict", "/api/champion"])
def test_a_503_is_as_described(document: dict[str, Any], tmp_path: Path, path: str) -> None:
    answer = local_api(tmp_path).get(path)
    assert answer.status == 503
    _check(document, _content(document["paths"][path]["get"], 503)["schema"], answer.json)


@pytest.mark.parametrize(("path", "form"), [("/", "html"), ("/api/predict", "csv"), ("/api/history", "csv")])
def test_other_forms_are_as_described(
    document: dict[str, Any], api: LocalApi, tmp_path: Path, path: str, form: str
) -> None:
    responses = document["paths"][path]["get"]["responses"]
    for served, status in ((api, 200), (local_api(tmp_path), 503)):
        answer = handle_event(served.app, event("GET", path, {"format": form}))
        assert answer["statusCode"] == status
        assert answer["headers"]["Content-Type"].partition(";")[0] in responses[str(status)]["content"]


def test_its_examples_keep_its_schemas(document: dict[str, Any]) -> None:
    checked = 0
    for item in document["paths"].values():
        for operation in item.values():
            ours = [status for status, response in operation["responses"].items() if "content" in response]
            contents = [_content(operation, int(status)) for status in ours]
            if "requestBody" in operation:
                contents.append(operation["requestBody"]["content"]["application/json"])
            for content in contents:
                examples = [example["value"] for example in content.get("examples", {}).values()]
                for example in [*examples, *([content["example"]] if "example" in content else [])]:
                    _check(document, content["schema"], example)
                    checked += 1
    assert checked >= 6
    for parameter in document["components"]["parameters"].values():
        _check(document, parameter["schema"], parameter["example"])


def test_a_wrong_answer_would_be_noticed(document: dict[str, Any], api: LocalApi) -> None:
    answer = api.get("/api/predict").json
    schema = _content(document["paths"]["/api/predict"]["get"], 200)["schema"]
    for wrong in ({**answer, "more": 1}, {**answer, "as_of": "30.10.2026"}, {**answer, "stale": None}):
        with pytest.raises(jsonschema.ValidationError):
            _check(document, schema, json.loads(json.dumps(wrong)))


def test_every_example_of_a_body_runs(document: dict[str, Any], tmp_path: Path) -> None:
    """With a champion of the usual window."""
    api = local_api(tmp_path)
    api.promote(foreign.champion_bytes(window=513), 1)
    examples = document["paths"]["/api/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples
    for example in examples.values():
        assert api.post(example["value"]).status == 200


def test_who_may_call_is_what_the_template_asks_for(document: dict[str, Any]) -> None:
    """Signed, with a token, or openly; and every operation tells what the gateway may say."""
    named = {name for choice in document["security"] for name in choice}
    assert named == set(document["components"]["securitySchemes"]) == {"IAM", "JWT"}
    assert {} in document["security"]
    schemes = (ROOT / "template.yaml").read_text().partition("securitySchemes:")[2]
    assert all(f"{name}:" in schemes for name in named)
    for item in document["paths"].values():
        for operation in item.values():
            assert {"401", "403", "429"} <= operation["responses"].keys()
            assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}
