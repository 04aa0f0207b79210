"""What everything is compared with: a Lambda handler and an ASGI application that do nothing."""

from typing import Any

BODY = '{"constant": true}'


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway's answer without a look at the event."""
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": BODY}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The same as ASGI."""
    body = BODY.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
