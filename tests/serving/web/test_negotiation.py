"""Which form a caller gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.web.errors import Problem
from lambda_fn.web.request import Request, accepts_gzip, choose_media_type
from lambda_fn.web.routes import ROUTES
from lambda_fn.web.routing import Route

OFFERED = ("application/json", "text/html", "text/csv")
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
[PREDICT] = [route for route in ROUTES if route.operation_id == "predict"]


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        (CHROMIUM, "text/html"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV ; Q=0.5", "text/csv"),
        ("text/*, application/json;q=0.9", "text/html"),
        ("text/html;q=0, */*", "application/json"),
        ("text/html;q=nan, text/csv;q=0.1", "text/csv"),
        ("text/html;q=2, text/csv;q=0.1", "text/csv"),
        ("image/png", "application/json"),
        ("application/json;q=0.2, text/html;q=0.1, text/csv;q=0.3", "text/csv"),
    ],
)
def test_the_form_that_is_preferred(accept: str | None, found: str) -> None:
    assert choose_media_type(accept, OFFERED) == found


@given(st.text())
def test_any_header_gets_a_form(accept: str) -> None:
    assert choose_media_type(accept, OFFERED) in OFFERED
    assert accepts_gzip(accept) in (True, False)


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        *((None, False), ("", False), ("br", False), ("identity", False), ("gzip;q=0", False), ("gzip;q=0, *", False)),
        *(("gzip", True), ("GZIP", True), ("*", True), ("br, gzip;q=0.5", True), ("*;q=0, gzip", True)),
    ],
)
def test_gzip_is_for_who_takes_it(header: str | None, takes: bool) -> None:
    assert accepts_gzip(header) is takes


def media_type(route: Route, accept: str, query: dict[str, str]) -> str:
    return route.form_for(Request("GET", route.path, query, {"accept": accept})).media_type


def test_format_decides_before_accept() -> None:
    assert media_type(PREDICT, CHROMIUM, {"format": "csv", "h": "2"}) == "text/csv"
    assert media_type(PREDICT, "text/csv", {"format": "json"}) == "application/json"
    with pytest.raises(Problem) as caught:
        media_type(PREDICT, "*/*", {"format": "html"})
    assert (caught.value.field, caught.value.cure) == ("format", "give json or csv")
