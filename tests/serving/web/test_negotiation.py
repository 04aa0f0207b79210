"""Which form a caller gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fn.web.errors import Problem
from lambda_fn.web.negotiation import form_of, preferred, takes_gzip
from lambda_fn.web.routing import ROUTES

OFFERED = ("application/json", "text/html", "text/csv")
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
[PREDICT] = [route for route in ROUTES if route.operation == "predict"]
[HEALTH] = [route for route in ROUTES if route.operation == "health"]


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
    assert preferred(accept, OFFERED) == found


@given(st.text())
def test_any_header_gets_a_form(accept: str) -> None:
    assert preferred(accept, OFFERED) in OFFERED
    assert takes_gzip(accept) in (True, False)


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        *((None, False), ("", False), ("br", False), ("identity", False), ("gzip;q=0", False), ("gzip;q=0, *", False)),
        *(("gzip", True), ("GZIP", True), ("*", True), ("br, gzip;q=0.5", True), ("*;q=0, gzip", True)),
    ],
)
def test_gzip_is_for_who_takes_it(header: str | None, takes: bool) -> None:
    assert takes_gzip(header) is takes


def test_format_goes_before_accept_and_is_no_question_of_the_operation() -> None:
    form, query = form_of(PREDICT, CHROMIUM, {"format": "csv", "h": "2"})
    assert (form.media_type, query) == ("text/csv", {"h": "2"})
    assert form_of(PREDICT, "text/csv", {"format": "json"})[0].media_type == "application/json"
    with pytest.raises(Problem) as caught:
        form_of(PREDICT, None, {"format": "html"})
    assert (caught.value.field, caught.value.cure) == ("format", "give json or csv")


def test_a_route_of_one_form_leaves_format_to_its_operation() -> None:
    assert form_of(HEALTH, "text/csv", {"format": "csv"})[1] == {"format": "csv"}
