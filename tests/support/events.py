"""API Gateway HTTP API events, payload 2.0, as the gateway sends them."""

import base64
import json
from typing import Any
from urllib.parse import urlencode


def event(
    method: str,
    path: str,
    query: dict[str, str] | None = None,
    body: object = None,
    *,
    raw: str | bytes | None = None,
) -> dict[str, Any]:
    """An event for one request.

    Args:
        query: parameters, decoded; values of a repeated one joined by commas, as the gateway does.
        body: sent as JSON unless None.
        raw: sent as it is instead of `body`, bytes as base64.
    """
    text = raw if raw is not None else (None if body is None else json.dumps(body))
    found: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {"host": "abc.execute-api.us-east-1.amazonaws.com", "content-type": "application/json"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "domainName": "abc.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abc",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "30/Oct/2026:16:00:00 +0000",
            "timeEpoch": 1793376000000,
        },
        "isBase64Encoded": isinstance(text, bytes),
    }
    if query:
        found["queryStringParameters"] = query
    if text is not None:
        found["body"] = base64.b64encode(text).decode() if isinstance(text, bytes) else text
    return found
