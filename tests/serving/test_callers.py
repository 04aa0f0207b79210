"""Whoever calls: the same request gets the same answer in every form of event, pings are quiet, the rest is a 400."""

import copy
import gzip
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_fn import api as module
from lambda_fn.api import handle_event
from tests.e2e.test_conformance import REQUESTS
from tests.support import foreign
from tests.support.api_gateway import HttpRequest, LambdaContext, to_event
from tests.support.callers import ANSWER_KEYS, CALLERS, answer_of
from tests.support.events import event
from tests.support.local_api import LocalApi, local_api


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    api = local_api(tmp_path_factory.mktemp("store"))
    api.promote(foreign.champion_bytes(), 1)
    return api


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_is_answered_alike_in_every_form(served: LocalApi, caller: str, name: str) -> None:
    status, request = REQUESTS[name]
    plain = to_event(request, datetime.now(UTC), "request-id")
    expected = answer_of(handle_event(served.app, plain))
    found = handle_event(served.app, CALLERS[caller](plain))
    if caller == "a stage":  # a 404 names the path that arrived
        found = {**found, "body": found["body"].replace("/prod/", "/")}
    assert answer_of(found) == expected
    assert expected[0] == status
    assert found.keys() <= ANSWER_KEYS[caller]
    if "statusDescription" in ANSWER_KEYS[caller]:
        assert found["statusDescription"].startswith(f"{status} ")


def test_every_form_has_its_keys() -> None:
    assert ANSWER_KEYS.keys() == CALLERS.keys()
    assert {name for name, keys in ANSWER_KEYS.items() if "statusDescription" in keys} == {
        name for name in CALLERS if "load balancer" in name or "Lattice" in name
    }


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("path", ["/", "/health", "/docs?format=html", "/api/predict?format=csv", "/nowhere"])
def test_a_page_a_table_and_an_error_have_no_other_keys(served: LocalApi, caller: str, path: str) -> None:
    where, _, query = path.partition("?")
    request = HttpRequest("GET", where, query, [("host", "localhost")])
    found = handle_event(served.app, CALLERS[caller](to_event(request, datetime.now(UTC), "request-id")))
    assert found.keys() <= ANSWER_KEYS[caller]


@pytest.mark.parametrize("caller", CALLERS)
def test_what_is_no_whole_request_is_answered_with_keys_that_every_form_has(served: LocalApi, caller: str) -> None:
    broken = CALLERS[caller](event("GET", "/health")) | {"path": None, "raw_path": None, "rawPath": None}
    found = handle_event(served.app, broken)
    assert found["statusCode"] == 400
    assert found.keys() <= frozenset.intersection(*ANSWER_KEYS.values()) | {"headers"}


@pytest.mark.parametrize("caller", CALLERS)
def test_only_a_rest_api_gets_no_body_in_base64(served: LocalApi, caller: str) -> None:
    """It decodes the media types that it was configured with, which its events do not tell."""
    request = HttpRequest("GET", "/openapi.json", "", [("host", "localhost"), ("accept-encoding", "gzip")])
    found = handle_event(served.app, CALLERS[caller](to_event(request, datetime.now(UTC), "request-id")))
    assert found["statusCode"] == 200
    assert found["isBase64Encoded"] == (caller != "REST API")


@pytest.mark.parametrize("flag", [True, "true", "True"])
@pytest.mark.parametrize("caller", CALLERS)
def test_a_body_in_base64_may_say_so_as_text(served: LocalApi, caller: str, flag: object) -> None:
    body = json.dumps({"close": foreign.closes(foreign.WINDOW).tolist()}).encode()
    found = CALLERS[caller](event("POST", "/api/predict", raw=body))
    found["is_base64_encoded" if "is_base64_encoded" in found else "isBase64Encoded"] = flag
    assert handle_event(served.app, found)["statusCode"] == 200


def test_an_event_that_a_person_wrote_may_have_capitals_and_the_query_as_text(served: LocalApi) -> None:
    found = event("GET", "/api/predict")
    found |= {"headers": {"Accept": "text/csv"}, "rawQueryString": "h=1&level=50&level=95"}
    answer = handle_event(served.app, found)
    assert answer["headers"]["Content-Type"].startswith("text/csv")
    assert answer["body"].count("\n") == 2 and "lo-95" in answer["body"] and "lo-50" in answer["body"]


def test_header_names_of_sam_local_are_read_in_any_case(served: LocalApi) -> None:
    """`sam local start-api` passes on what a browser or curl sent: page, CSV, 304 and gzip depend on it."""

    def ask(path: str, **headers: str) -> dict[str, Any]:
        found = event("GET", path)
        return handle_event(
            served.app, found | {"headers": {name.replace("_", "-"): headers[name] for name in headers}}
        )

    assert ask("/", Accept="text/html,*/*;q=0.8")["headers"]["Content-Type"].startswith("text/html")
    assert ask("/api/predict", ACCEPT="text/csv")["headers"]["Content-Type"].startswith("text/csv")
    packed = ask("/api/predict", Accept_Encoding="gzip")
    assert packed["headers"]["Content-Encoding"] == "gzip" and packed["isBase64Encoded"] is True
    assert ask("/api/predict", If_None_Match=packed["headers"]["ETag"])["statusCode"] == 304


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "identity, gzip", "br", "deflate", "zstd", "x-gzip"])
@pytest.mark.parametrize("path", ["/api/predict", "/invocations", "/v2/models/EURUSD_Foreign/infer"])
@pytest.mark.parametrize("caller", CALLERS)
def test_a_compressed_body_is_a_415(served: LocalApi, caller: str, path: str, encoding: str) -> None:
    found = event("POST", path, raw=gzip.compress(b'{"close": []}'))
    found["headers"]["content-encoding"] = encoding
    status, headers, body = answer_of(handle_event(served.app, CALLERS[caller](found)))
    assert (status, body["code"], body["field"]) == (415, "compressed_body", "body")
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["", "identity", "utf-8", "UTF-8"])
def test_an_encoding_that_does_not_compress_is_no_fault(served: LocalApi, encoding: str) -> None:
    found = event("POST", "/api/predict", body={"close": foreign.closes(foreign.WINDOW).tolist()})
    found["headers"]["content-encoding"] = encoding
    assert served.call(found).status == 200
    reading = event("GET", "/api/predict")
    reading["headers"]["content-encoding"] = "gzip"
    assert served.call(reading).status == 200


@pytest.mark.parametrize(
    "ping",
    [
        {"source": "serverless-plugin-warmup"},
        {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
        {"warmer": True, "concurrency": 3},
    ],
)
def test_pings_are_answered_without_a_word(
    served: LocalApi, ping: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = handle_event(served.app, ping)
        assert answer["statusCode"] == 200
        assert answer["headers"] == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert not caplog.records


@pytest.mark.parametrize(
    "other",
    [
        {},
        [],
        None,
        "text",
        {"Records": [{"eventSource": "aws:s3"}]},
        {"requestContext": {"http": {}}},
        {"requestContext": {"http": {"method": "GET"}}},
        {"requestContext": {"http": {"method": "GET"}}, "rawPath": 7},
        {"requestContext": "x", "httpMethod": "GET", "path": None},
        {"requestContext": {"elb": {}}},
        {"raw_path": "/health", "method": "GET"},
    ],
)
def test_what_is_no_request_is_a_400_that_names_what_is_taken(
    served: LocalApi, other: object, caplog: pytest.LogCaptureFixture
) -> None:
    status, _, body = answer_of(handle_event(served.app, other))
    assert (status, body["error"]["code"]) == (400, "bad_event")
    assert "API Gateway (payload 1.0 or 2.0)" in body["error"]["cure"]
    assert not caplog.records


@pytest.mark.parametrize(
    ("path", "stage"),
    [("/health/", "$default"), ("", "$default"), ("/prod", "prod"), ("/prod/", "prod"), ("/prod/health", "prod")],
)
def test_slashes_and_stages_are_not_part_of_the_path(served: LocalApi, path: str, stage: str) -> None:
    found = event("GET", path)
    found["requestContext"]["stage"] = stage
    assert served.call(found).status == 200


def test_options_tells_the_methods_of_a_path(served: LocalApi) -> None:
    for path, allow in (("/health", "GET, HEAD, OPTIONS"), ("/api/predict/", "GET, POST, HEAD, OPTIONS")):
        answer = served.call(event("OPTIONS", path))
        assert (answer.status, answer.headers["Allow"], answer.json) == (204, allow, None)
    assert served.call(event("OPTIONS", "/nowhere")).status == 404


@pytest.mark.parametrize("body", [{"close": [1.1]}, [1.1], 7, b"x"])
def test_a_body_that_is_no_text_is_a_400(served: LocalApi, body: object) -> None:
    answer = served.call({**event("POST", "/api/predict"), "body": body})
    assert (answer.status, answer.error["field"]) == (400, "body")
    assert "not text" in answer.error["message"]


ODD: tuple[object, ...] = (None, "x", [], ["x"], -1, 1e308, {}, {"x": 1}, {"x": None}, {"x": ["y"]}, True)


LEFT_OUT = object()


def members(value: object, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*place, name)
            yield from members(inner, (*place, name))


@pytest.mark.parametrize("caller", CALLERS)
def test_an_event_that_aws_never_sends_is_answered(caller: str, served: LocalApi) -> None:
    """Each member of an event is replaced by what it cannot be, or left out."""
    good = CALLERS[caller](to_event(REQUESTS["one day, two intervals"][1], datetime.now(UTC), "request-id"))
    for place in members(good):
        for value in (*ODD, LEFT_OUT):
            odd = copy.deepcopy(good)
            inner = odd
            for step in place[:-1]:
                inner = inner[step]
            if value is LEFT_OUT:
                del inner[place[-1]]
            else:
                inner[place[-1]] = value
            answer = handle_event(served.app, odd)
            assert answer["statusCode"] < 500, (place, value)


def test_a_ping_is_not_measured_in_lambda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"STORE_DIR": str(tmp_path), "AWS_LAMBDA_FUNCTION_NAME": "api"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    function = module.LambdaFunction(environ)
    assert function({"source": "aws.events"}, LambdaContext())["statusCode"] == 200
    assert capsys.readouterr().out == ""
    assert function(event("GET", "/health"), LambdaContext())["statusCode"] == 503
    assert '"ServerErrors"' in capsys.readouterr().out
