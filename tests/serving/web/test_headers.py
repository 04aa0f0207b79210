"""Headers of answers and pages, and the statuses that routes announce."""

import base64
import hashlib
import json
import re
from http import HTTPStatus

import pytest

from lambda_fn.web.errors import Problem, bad_query
from lambda_fn.web.page import render
from lambda_fn.web.request import Request
from lambda_fn.web.response import Representation, Text, Version
from lambda_fn.web.routes import ROUTES

NOW = 1_000.0
VERSION = Version("e1", NOW, 1, NOW + 60)
PAGE = render.error(Problem(400, "code", "message", "cure", headers={"X-More": "1"}))


def part(name: str) -> str:
    """The hash that allows this element of the page alone."""
    [text] = re.findall(f"<{name}>(.*?)</{name}>", PAGE.text, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_a_page_runs_and_loads_nothing_but_its_parts() -> None:
    policy = dict(rule.split(" ", 1) for rule in PAGE.headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "style-src": part("style"),
        "script-src": part("script"),
        "connect-src": "'self'",
        "img-src": "data:",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


def test_a_page_is_what_its_type_says_and_tells_nobody_where_a_link_was() -> None:
    headers = {name: value for name, value in PAGE.headers.items() if name != "Content-Security-Policy"}
    assert headers == {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-More": "1"}


ANSWERS: dict[str, tuple[Representation, str, str]] = {
    "a record": (Representation.of({"a": 1}, VERSION), "application/json", "max-age=50"),
    "a record of a store that is down": (
        Representation.of({"a": 1}, VERSION._replace(until=None)),
        "application/json",
        "no-store",
    ),
    "a record to be looked at": (
        Representation.of({"a": 1}, VERSION._replace(until=NOW)),
        "application/json",
        "max-age=0",
    ),
    "no record": (Representation.of({"a": 1}), "application/json", "no-store"),
    "a table": (Representation.of(Text("text/csv", "a\n1\n"), VERSION), "text/csv", "max-age=50"),
    "a problem": (Representation.of_problem(bad_query("a", "b", "c")), "application/problem+json", "no-store"),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("gzip", [False, True])
def test_an_answer_says_its_type_and_how_long_it_holds(name: str, gzip: bool) -> None:
    answer, media_type, keeping = ANSWERS[name]
    request = Request("GET", "/", headers={"accept-encoding": "gzip"} if gzip else {})
    headers = answer.respond(request, NOW + 10).headers
    assert (headers["Content-Type"], headers["Cache-Control"]) == (media_type, keeping)
    assert headers["Vary"] == "Accept, Accept-Encoding"


def test_what_a_caller_has_is_not_sent_again() -> None:
    answer = Representation.of({"a": 1}, VERSION)
    again = answer.respond(Request("GET", "/", headers={"if-none-match": str(answer.etag)}), NOW)
    assert (again.status, again.body) == (304, "")
    assert again.headers["Cache-Control"] == "max-age=60"
    other = answer.respond(Request("GET", "/", headers={"if-none-match": 'W/"another"'}), NOW)
    assert json.loads(other.body) == {"a": 1}


def test_routes_announce_statuses_that_there_are() -> None:
    statuses = {route.operation_id: {status for status, _ in route.problems} for route in ROUTES}
    for status in set().union(*statuses.values()):
        assert HTTPStatus(status) >= 400
    posts = {route.operation_id for route in ROUTES if route.method == "POST"}
    assert posts == {operation for operation, problems in statuses.items() if problems >= {400, 413, 415, 503}}
