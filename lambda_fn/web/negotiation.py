"""What a caller takes, by its Accept and Accept-Encoding headers (RFC 9110, sections 12.5.1 and 12.5.3)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from lambda_fn.web.errors import bad_query, shown
from lambda_fn.web.route import Form, Route
from lambda_fn.web.routing import FORMATS


def form_of(route: Route, accept: str | None, query: Mapping[str, str]) -> tuple[Form, dict[str, str]]:
    """The form to answer in, and the query without `format`, which goes before Accept where the route has several.

    Raises:
        Problem: 400 for a format that the route does not have.
    """
    forms = {form.media_type: form for form in route.forms}
    if len(forms) == 1 or "format" not in query:
        return forms[preferred(accept, list(forms))], dict(query)
    known = {name: forms[media_type] for name, media_type in FORMATS.items() if media_type in forms}
    asked = query["format"]
    if asked not in known:
        raise bad_query("format", f"format={shown(asked)} is no form of this answer", f"give {' or '.join(known)}")
    return known[asked], {name: value for name, value in query.items() if name != "format"}


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """The media type of `offered` that the caller likes best; of equals, and where it takes none, the first."""
    asked = _asked(accept or "*/*")
    return max(offered, key=lambda name: _quality(asked, name))


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether the body may be sent compressed by gzip."""
    asked = _asked(accept_encoding or "")
    return asked.get("gzip", asked.get("*", 0.0)) > 0


def _quality(asked: Mapping[str, float], name: str) -> float:
    """The most specific range decides."""
    for known in (name, f"{name.partition('/')[0]}/*", "*/*"):
        if known in asked:
            return asked[known]
    return 0.0


@lru_cache(64)  # callers send few different ones, again and again
def _asked(header: str) -> Mapping[str, float]:
    """What the header names, in lower case, to its weight; one that is no weight is 0."""
    found = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
        found[name] = _weight(weights[0]) if weights else 1.0
    return found


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
