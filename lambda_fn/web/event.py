"""What the operations read of API Gateway's event, payload 2.0."""

from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]


def method_of(event: Event) -> str:
    """The HTTP method, in capitals."""
    return str(event["requestContext"]["http"]["method"]).upper()


def path_of(event: Event) -> str:
    """The path without the stage that API Gateway puts before it."""
    stage = event["requestContext"].get("stage", "$default")
    path = str(event["rawPath"])
    return path.removeprefix(f"/{stage}") or "/" if stage != "$default" and path.startswith(f"/{stage}/") else path


def query_of(event: Event) -> Mapping[str, str]:
    """The query's parameters; values of a repeated one joined by commas."""
    return event.get("queryStringParameters") or {}


def header_of(event: Event, name: str) -> str | None:
    """A header by its name in lower case, as names are there."""
    found: str | None = (event.get("headers") or {}).get(name)
    return found


def body_of(event: Event) -> bytes:
    """The request's body; raises ValueError when it is not the base64 that it claims to be."""
    import base64  # which only a POST needs

    text = event.get("body") or ""
    return base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
