"""What the operations read of API Gateway's event, payload 2.0."""

from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]


def check_event(event: Event) -> None:
    """Check the members that the functions below read; raises TypeError or KeyError naming the one that is wrong."""
    context = event["requestContext"]
    for name, value in (
        ("requestContext.http.method", context["http"]["method"]),
        ("requestContext.stage", context.get("stage", "")),
        ("rawPath", event["rawPath"]),
    ):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be text")
    for name in ("headers", "queryStringParameters"):
        texts = event.get(name)
        if texts is not None and not all(isinstance(text, str) for pair in dict(texts).items() for text in pair):
            raise TypeError(f"{name} must be an object of texts")


def method_of(event: Event) -> str:
    """The HTTP method, in capitals."""
    return str(event["requestContext"]["http"]["method"]).upper()


def path_of(event: Event) -> str:
    """The path without the stage that API Gateway puts before it, and without a slash at its end. Several slashes in a
    row count as one."""
    stage = event["requestContext"].get("stage", "$default")
    path = str(event["rawPath"])
    while "//" in path:
        path = path.replace("//", "/")
    if stage != "$default" and f"{path}/".startswith(f"/{stage}/"):
        path = path.removeprefix(f"/{stage}")
    return path.rstrip("/") or "/"


def query_of(event: Event) -> Mapping[str, str]:
    """The query's parameters; values of a repeated one joined by commas. An event that was written by hand may have
    the query as text alone."""
    query: Mapping[str, str] = event.get("queryStringParameters") or {}
    text = event.get("rawQueryString")
    return query or (parsed_query(text) if isinstance(text, str) and text else {})


def parsed_query(text: str) -> dict[str, str]:
    """The parameters of a query as it was sent, as `query_of` gives them."""
    from urllib.parse import parse_qsl  # the gateway has parsed the query already

    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


def header_of(event: Event, name: str) -> str | None:
    """A header by its name in lower case. The gateway writes names so; a person who writes an event may not."""
    headers: Mapping[str, str] = event.get("headers") or {}
    if name in headers:
        return headers[name]
    return next((value for other, value in headers.items() if other.lower() == name), None)


def body_of(event: Event) -> bytes:
    """The request's body; raises ValueError when it is no text, or not the base64 that it claims to be."""
    import base64  # which only a POST needs

    text = event.get("body") or ""
    if not isinstance(text, str):
        raise ValueError("it is no text")  # noqa: TRY004  # an event that somebody wrote by hand, as JSON within JSON
    in_base64 = str(event.get("isBase64Encoded")).lower() == "true"  # some write it as text
    return base64.b64decode(text, validate=True) if in_base64 else text.encode()
