"""API Gateway's HTTP API in miniature: an HTTP request as its event, payload 2.0, and its answer as HTTP.

Source: "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway", section on payload format version 2.0.
"""

import base64
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from lambda_fn.web.request import parse_query_string

Event = dict[str, Any]
_TEXT = ("text/", "application/json", "application/javascript", "application/xml", "application/x-www-form-urlencoded")


class HttpRequest(NamedTuple):
    """One HTTP request; header names in any case, the path decoded, the query as it was sent."""

    method: str
    path: str
    query: str
    headers: Iterable[tuple[str, str]]
    body: bytes = b""
    client: str = "127.0.0.1"


class HttpAnswer(NamedTuple):
    """One HTTP answer; lower-case header names."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class LambdaContext:
    """What Lambda tells a handler about an invocation, as far as handlers and Powertools read it."""

    function_name: str = "local"
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:local:000000000000:function:local"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        """A local server sets no limit; Lambda's usual one."""
        return 30_000


def to_event(request: HttpRequest, now: datetime, request_id: str) -> Event:
    """The event that API Gateway would send for this request; absent parts are left out, as there."""
    headers, cookies = _headers(request.headers)
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": headers.get("host", "localhost"),
            "domainPrefix": "local",
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": _clf_time(int(now.timestamp())),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = parse_query_string(request.query)
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request.body, headers.get("content-type", ""))
    return event


def to_answer(result: Mapping[str, Any]) -> HttpAnswer:
    """What API Gateway would send to the client for a handler's result."""
    text = result.get("body") or ""
    body = base64.b64decode(text) if result.get("isBase64Encoded") else text.encode()
    headers = [(name.lower(), str(value)) for name, value in (result.get("headers") or {}).items()]
    headers += [("set-cookie", cookie) for cookie in result.get("cookies") or ()]
    return HttpAnswer(int(result.get("statusCode", 200)), headers, body)


@lru_cache(1)
def _clf_time(second: int) -> str:
    """In the common log format; most requests of a second share it."""
    return datetime.fromtimestamp(second, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def _headers(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in ((name.lower(), value) for name, value in pairs):
        if name == "cookie":
            cookies += [part.strip() for part in value.split(";")]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers, cookies


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    if content_type.startswith(_TEXT):
        try:
            return body.decode(), False
        except UnicodeDecodeError:  # then the bytes go through as they are, and the handler says what is wrong
            return base64.b64encode(body).decode(), True
    return base64.b64encode(body).decode(), True
