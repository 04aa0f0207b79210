"""The pages as HTML: templates, their environment, and the headers that protect a page.

A page is one file that loads nothing else. Text is escaped wherever it is printed.
"""

import base64
import hashlib
import marshal
import os
import re
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from lambda_fn import __version__
from lambda_fn.variables import SignIn
from lambda_fn.web.errors import Problem
from lambda_fn.web.page import charts, formats
from lambda_fn.web.page.reference import Document
from lambda_fn.web.page.view_model import forecast_page, pairs_page
from lambda_fn.web.response import JsonObject, Text
from lambda_fn.web.state import PairState

HTML = "text/html; charset=utf-8"
FILTERS = (
    *(formats.number, formats.price, formats.price_range, formats.percent, formats.signed),
    *(
        formats.day,
        formats.day_text,
        formats.time_text,
        formats.sentence,
        formats.backquoted,
        formats.breakable,
        formats.example,
    ),
)
CHARTS = (
    *(charts.fan_chart, charts.outcome_chart, charts.range_bars, charts.signed_bars),
    *(charts.reliability_diagram, charts.whiskers),
)
_FOLDER = Path(__file__).parent


def forecast(pair: PairState, query: Mapping[str, str]) -> Text:
    """Return the page of the official forecast and its record; raises NothingToServe when there is no forecast."""
    return render("forecast.html", page=forecast_page(pair, query))


def all_pairs(answer: Mapping[str, Any]) -> Text:
    """Return the page of what GET /api/pairs answers."""
    return render("pairs.html", page=pairs_page(answer))


def api_reference(document: JsonObject) -> Text:
    """Return the OpenAPI document as a page."""
    return render("reference.html", document=document, reference=Document(document))


def sign_in(client: SignIn) -> Text:
    """Return the page on which people sign in; its script then shows the other pages in its place."""
    page = render("sign_in.html", client=client)
    return page._replace(headers=headers(client.token_source))


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
def headers(token_source: str | None = None) -> dict[str, str]:
    """Return the headers of a page. Style and scripts are allowed by their hashes, so injected text cannot run.

    The sign-in page may also connect to `token_source`, the provider's token endpoint.
    """
    scripts = ("script.js",) if token_source is None else ("script.js", "sign_in.js")
    rules = {
        "default-src": "'none'",
        "style-src": _hash("style.css"),
        "script-src": " ".join(map(_hash, scripts)),
        "connect-src": "'self'" if token_source is None else f"'self' {token_source}",
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


def _hash(name: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(_part(name).encode()).digest()).decode()}'"


class CompiledTemplates(BytecodeCache):
    """The compiled templates, beside the byte code of this folder: compiling them takes longer than rendering a page.

    A file begins with a digest of all that it was made from, so a stale one is never used.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take the code from its file, if that is there and made from the same."""
        path, digest = self._file(bucket)
        with suppress(OSError, EOFError, ValueError, TypeError):
            if (data := path.read_bytes()).startswith(digest):
                bucket.code = marshal.loads(data.removeprefix(digest))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write the file where Python would write its own. A folder that is read-only stays as it is."""
        path, digest = self._file(bucket)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        with suppress(OSError):
            if not sys.dont_write_bytecode:
                path.parent.mkdir(exist_ok=True)
                temporary.write_bytes(digest + marshal.dumps(bucket.code))
                temporary.replace(path)

    def _file(self, bucket: Bucket) -> tuple[Path, bytes]:
        """Return the path of a template's file, and the digest of its source, its filters and its compiler."""
        path = _FOLDER / "__pycache__" / f"{bucket.key}.{sys.implementation.cache_tag}.template"
        return path, hashlib.sha256(f"{bucket.checksum} {_compiler()}".encode()).digest()


@cache
def _compiler() -> str:
    """Return a text that changes with the compiler, its options or the filters, which it runs on constants."""
    sources = "".join(_part(path.name) for path in sorted(_FOLDER.glob("*.py")))
    return f"{sys.version} {jinja2.__version__} {sources}"


def compile_templates() -> None:
    """Compile every template: an image is read-only later."""
    for name in _environment().list_templates():
        _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        bytecode_cache=CompiledTemplates(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {function.__name__: function for function in FILTERS}
    environment.globals |= {function.__name__: function for function in CHARTS}
    environment.globals["version"] = __version__
    environment.globals |= {"style": Markup(_part("style.css")), "script": Markup(_part("script.js"))}
    environment.globals["sign_in_script"] = Markup(_part("sign_in.js"))
    return environment


@cache
def _part(name: str) -> str:
    return (_FOLDER / name).read_text()
