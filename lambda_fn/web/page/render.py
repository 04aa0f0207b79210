"""The pages as HTML: templates, their environment, and the headers that protect a page.

A page is one file that loads nothing else. Text is escaped wherever it is printed.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lambda_fn.web.errors import Problem
from lambda_fn.web.page import charts, formats
from lambda_fn.web.page.view_model import forecast_page, pairs_page
from lambda_fn.web.records import Records
from lambda_fn.web.response import JsonObject, Text

HTML = "text/html; charset=utf-8"
FILTERS = (
    *(formats.number, formats.price, formats.price_range, formats.percent, formats.signed),
    *(formats.day, formats.day_text, formats.sentence, formats.backquoted, formats.example),
)
CHARTS = (charts.fan_chart, charts.outcome_chart, charts.range_bars, charts.reliability_diagram, charts.whiskers)
_FOLDER = Path(__file__).parent


def forecast(records: Records, query: Mapping[str, str], pairs: Sequence[str]) -> Text:
    """Return the page of the official forecast and its record; raises NothingToServe when there is no forecast."""
    return render("forecast.html", page=forecast_page(records, query, pairs))


def all_pairs(answer: Mapping[str, Any]) -> Text:
    """Return the page of what GET /api/pairs answers."""
    return render("pairs.html", page=pairs_page(answer))


def api_reference(document: JsonObject) -> Text:
    """Return the OpenAPI document as a page."""

    def resolve(part: JsonObject) -> JsonObject:
        if "$ref" not in part:
            return part
        target: JsonObject = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return target

    return render("reference.html", document=document, resolve=resolve)


def error(problem: Problem) -> Text:
    """Return the page that shows a problem, with its headers."""
    page = render("error.html", problem=problem)
    return page._replace(headers={**page.headers, **problem.headers})


def with_base_path(page: Text, base_path: str) -> Text:
    """Return the page with its links below `base_path`. Quotes in text are escaped, so only attributes match."""
    text = re.sub(r'( (?:href|action)="|https://HOST)(?=/)', rf"\g<1>{base_path}", page.text)
    return page._replace(text=text)


def render(template: str, **context: Any) -> Text:
    """Return a template as a page with its headers; what the template names must be in the context."""
    return Text(HTML, _environment().get_template(template).render(context), headers())


@cache
def headers() -> dict[str, str]:
    """Return the headers of every page. Style and script are allowed by their hashes, so injected text cannot run."""
    rules = {
        "default-src": "'none'",
        "style-src": _source("style.css"),
        "script-src": _source("script.js"),
        "connect-src": "'self'",
        "img-src": "data:",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {function.__name__: function for function in FILTERS}
    environment.globals |= {function.__name__: function for function in CHARTS}
    environment.globals |= {"style": Markup(_part("style.css")), "script": Markup(_part("script.js"))}
    return environment


def _source(name: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(_part(name).encode()).digest()).decode()}'"


@cache
def _part(name: str) -> str:
    return (_FOLDER / name).read_text()
