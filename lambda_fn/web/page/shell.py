"""The document around what is shown: one file, no request to anybody, and a policy that allows no more than that."""

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from lambda_fn.web.page.markup import Child, Markup, element, joined
from lambda_fn.web.response import Text

HTML = "text/html; charset=utf-8"
_HERE = Path(__file__).parent
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath fill='%2396bfe0' "
    "d='M4 16 28 4v24z'/%3E%3Cpath fill='%231c5d99' d='M4 16 28 11v10z'/%3E%3C/svg%3E"
)


def text_of(title: str, body: Child, data: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> Text:
    """The whole document with its headers; `data` is what its script calculates with."""
    style, script = _part("style.css"), _part("script.js")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("link", rel="icon", href=_ICON),
        element("style", style),
    )
    numbers = element("script", _json(data), type="application/json", id="data") if data else None
    document = element("html", head, element("body", body, numbers, element("script", script)), lang="en")
    return Text(HTML, joined([Markup("<!doctype html>\n"), document, Markup("\n")]), {**_policy(), **(headers or {})})


def header(name: str, sections: tuple[tuple[str, str], ...] = (), home: str = "/", choice: Child = None) -> Markup:
    """The top of every page: its name, which leads home, a choice where there is one, and its sections."""
    links = [element("a", words, href=f"#{anchor}") for anchor, words in sections]
    brand = element("a", name, href=home, class_="brand")
    return element("header", brand, choice, element("nav", links, aria_label="Sections") if links else None)


def linked(page: Text, base_path: str) -> Text:
    """The page with its links below `base_path`. Values of attributes are escaped, so that no other text is a link."""
    text = re.sub(r'( (?:href|action)="|https://HOST)(?=/)', rf"\g<1>{base_path}", page.text)
    return page._replace(text=text)


@cache
def _part(name: str) -> Markup:
    return Markup((_HERE / name).read_text())


@cache
def _policy() -> dict[str, str]:
    """Style and script by their hashes alone: nothing that slipped into the text would run."""
    rules = {
        "default-src": "'none'",
        "style-src": _source("style.css"),
        "script-src": _source("script.js"),
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


def _source(name: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(_part(name).encode()).digest()).decode()}'"


def _json(data: dict[str, Any] | None) -> Markup:
    """JSON that ends no script element."""
    return Markup(json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))
