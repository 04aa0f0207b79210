"""Whoever calls: the same request gets the same answer in every form of event, pings are quiet, the rest is a 400."""

import copy
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_fn import api as module
from lambda_fn.server.gateway import LambdaContext, to_event
from tests.e2e.test_conformance import REQUESTS
from tests.support import foreign
from tests.support.callers import CALLERS, answer_of
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
    expected = answer_of(served.app.resolve(plain))
    found = served.app.resolve(CALLERS[caller](plain))
    assert answer_of(found) == expected
    assert expected[0] == status
    if "load balancer" in caller:
        assert found["statusDescription"].startswith(f"{status} ")
        assert ("multiValueHeaders" in found) == ("many" in caller)


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
        answer = served.app.resolve(ping)
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
    status, _, body = answer_of(served.app.resolve(other))
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
    assert "it is no text" in answer.error["message"]


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
            answer = served.app.resolve(odd)
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
