"""HTTP requests as API Gateway events, and handlers' results as HTTP."""

import base64
from urllib.parse import parse_qsl, quote, urlencode

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.web.lambda_events import read_event
from tests.support import events
from tests.support.api_gateway import Event, HttpRequest, to_answer, to_event
from tests.support.local_api import START

HEADERS = [("Host", "localhost:8080"), ("Accept", "a/b"), ("accept", "c/d"), ("Cookie", "a=1; b=2"), ("cookie", "c=3")]


def _event(method: str = "GET", query: str = "", body: bytes = b"", content_type: str | None = None) -> Event:
    headers = HEADERS + ([("Content-Type", content_type)] if content_type else [])
    return to_event(HttpRequest(method, "/api/predict", query, headers, body, "192.0.2.7"), START, "r-1")


def test_an_event_has_what_the_gateway_sends() -> None:
    found = _event(query="horizon=2&level=80&level=95&empty=")
    assert found["headers"] == {"host": "localhost:8080", "accept": "a/b,c/d"}
    assert found["cookies"] == ["a=1", "b=2", "c=3"]
    assert found["queryStringParameters"] == {"horizon": "2", "level": "80,95", "empty": ""}
    assert found["rawQueryString"] == "horizon=2&level=80&level=95&empty="
    assert found["requestContext"]["http"]["sourceIp"] == "192.0.2.7"
    assert found["requestContext"]["time"] == "30/Oct/2026:17:00:00 +0000"
    assert found["requestContext"]["timeEpoch"] == 1000 * START.timestamp()
    assert "body" not in found
    read = APIGatewayProxyEventV2(found)
    assert (read.path, read.http_method, read.request_context.request_id) == ("/api/predict", "GET", "r-1")


def test_it_has_the_same_parts_as_a_real_one() -> None:
    real = events.event("POST", "/api/predict", {"horizon": "1"}, {"close": []})
    made = _event("POST", "horizon=1", b'{"close": []}', "application/json")
    assert made.keys() - {"cookies"} == real.keys()
    assert made["requestContext"].keys() == real["requestContext"].keys()
    assert made["requestContext"]["http"].keys() == real["requestContext"]["http"].keys()
    assert (made["body"], made["queryStringParameters"]) == (real["body"], real["queryStringParameters"])


def test_absent_parts_are_left_out() -> None:
    found = to_event(HttpRequest("GET", "/", "", []), START, "r-1")
    assert not {"cookies", "queryStringParameters", "body"} & found.keys()


@given(pairs=st.lists(st.tuples(st.text(), st.text())))
def test_any_query_comes_through_with_repeated_values_joined(pairs: list[tuple[str, str]]) -> None:
    query = urlencode(pairs, errors="replace")
    expected: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        expected.setdefault(name, []).append(value)
    found = _event(query=query)
    assert found["rawQueryString"] == query
    assert found.get("queryStringParameters", {}) == {name: ",".join(values) for name, values in expected.items()}


@given(query=st.text(max_size=50) | st.binary(max_size=50).map(lambda raw: quote(raw)))
def test_no_query_breaks_an_event(query: str) -> None:
    values = _event(query=query).get("queryStringParameters", {})
    assert all(isinstance(value, str) for value in values.values())


@given(body=st.binary(), content_type=st.sampled_from([None, "application/json", "text/plain", "image/png"]))
def test_any_body_comes_through(body: bytes, content_type: str | None) -> None:
    assert read_event(_event("POST", body=body, content_type=content_type))[0].body() == body


def test_text_is_sent_as_text_and_bytes_as_base64() -> None:
    assert _event("POST", body=b"{}", content_type="application/json; charset=utf-8")["isBase64Encoded"] is False
    assert _event("POST", body=b"{}", content_type="image/png")["isBase64Encoded"] is True
    assert _event("POST", body=b"\xff", content_type="application/json")["isBase64Encoded"] is True


@given(body=st.binary(), cookies=st.lists(st.sampled_from(["a=1", "b=2"])))
def test_a_result_becomes_http(body: bytes, cookies: list[str]) -> None:
    text = base64.b64encode(body).decode()
    result = {"statusCode": 201, "headers": {"X-A": 1}, "cookies": cookies, "body": text, "isBase64Encoded": True}
    answer = to_answer(result)
    assert (answer.status, answer.body) == (201, body)
    assert answer.headers == [("x-a", "1"), *(("set-cookie", cookie) for cookie in cookies)]


def test_a_result_without_parts_is_an_empty_200() -> None:
    assert to_answer({}) == (200, [], b"")
