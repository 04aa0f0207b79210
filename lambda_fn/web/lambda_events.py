"""Conversion of Lambda's HTTP events to requests, and of responses to results.

The events are those of API Gateway (payload 1.0 and 2.0), function URLs, ALB and VPC Lattice. Payload 2.0 is read as in
"Create AWS Lambda proxy integrations for HTTP APIs in API Gateway"; Powertools for AWS Lambda reads the others.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lambda_fn.web.errors import Problem
from lambda_fn.web.request import Request, parse_query_string
from lambda_fn.web.response import Response

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

Event = Mapping[str, Any]
Result = dict[str, Any]
SUPPORTED_EVENTS = (
    "an HTTP request from API Gateway (payload 1.0 or 2.0), a function URL, a load balancer or VPC Lattice; or a "
    'ping, for example {"source": "warm-up"}'
)
WARM_RESULT: Result = {
    "statusCode": 200,
    "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
    "body": '{"status": "warm"}',
    "isBase64Encoded": False,
}


class EventKind(NamedTuple):
    """A kind of event that is not payload 2.0.

    Attributes:
        data_class: name of the Powertools class that reads it.
        matches: True for the event and its request context if they are of this kind.
        has_description: results contain `statusDescription`. A REST API answers 502 for a key that it does not know.
        decodes_base64: a base64 body is always decoded. A REST API decodes only the media types that it was
            configured with.
    """

    data_class: str
    matches: Callable[[Event, Mapping[str, Any]], bool]
    has_description: bool = False
    decodes_base64: bool = True


KINDS = (
    EventKind("ALBEvent", lambda event, context: "elb" in context, has_description=True),
    EventKind("VPCLatticeEventV2", lambda event, context: "serviceNetworkArn" in context, has_description=True),
    EventKind("VPCLatticeEvent", lambda event, context: "raw_path" in event and "method" in event, True),
    EventKind("APIGatewayProxyEvent", lambda event, context: _is_proxy(event) and event.get("version") == "1.0"),
    EventKind("APIGatewayProxyEvent", lambda event, context: _is_proxy(event), decodes_base64=False),
)


def is_ping(event: object) -> bool:
    """Return True if the event only keeps the function warm.

    A ping names its source, as EventBridge and warm-up plug-ins do, and contains no request.
    """
    if not isinstance(event, Mapping) or "requestContext" in event or "httpMethod" in event:
        return False
    return isinstance(event.get("source"), str) or event.get("warmer") is True


def read_event(event: object) -> tuple[Request, Callable[[Response], Result]]:
    """Return the request of an event, and the function that turns the response into the event's result.

    Raises Problem: 400 `bad_event` if the event is not a complete HTTP request.
    """
    try:
        if isinstance(event, Mapping):
            context = event.get("requestContext") or {}
            if "http" in context:
                return _read_payload_2(event), write_result
            for kind in KINDS:
                if kind.matches(event, context):
                    return _read_other(event, kind)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"the event is not a complete HTTP request ({type(error).__name__}: {error})"
        raise Problem(400, "bad_event", message, f"send {SUPPORTED_EVENTS}") from error
    raise Problem(400, "bad_event", "the event is not an HTTP request", f"send {SUPPORTED_EVENTS}")


def write_result(response: Response) -> Result:
    """Return the payload 2.0 result. A compressed body is base64, because results contain only text."""
    body, is_binary = response.body, isinstance(response.body, bytes)
    if isinstance(body, bytes):
        from base64 import b64encode  # only for callers that accept gzip

        body = b64encode(body).decode()
    return {"statusCode": response.status, "headers": response.headers, "body": body, "isBase64Encoded": is_binary}


def _read_payload_2(event: Event) -> Request:
    """Read a payload 2.0 event. Raises TypeError or KeyError with the name of the invalid member.

    A handwritten event may have the query only as text, and header names in any case.
    """
    context = event["requestContext"]
    method, stage, path = context["http"]["method"], context.get("stage", "$default"), event["rawPath"]
    for name, value in (("requestContext.http.method", method), ("requestContext.stage", stage), ("rawPath", path)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a string")
    for name in ("headers", "queryStringParameters"):
        texts = event.get(name)
        if texts is not None and not all(isinstance(text, str) for pair in dict(texts).items() for text in pair):
            raise TypeError(f"{name} must be an object of strings")
    query: Mapping[str, str] = event.get("queryStringParameters") or {}
    text = event.get("rawQueryString")
    if not query and isinstance(text, str) and text:
        query = parse_query_string(text)
    while "//" in path:
        path = path.replace("//", "/")
    if stage != "$default" and f"{path}/".startswith(f"/{stage}/"):
        path = path.removeprefix(f"/{stage}")
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    return Request(method.upper(), path, query, headers, lambda: _body(event), sent_path=event["rawPath"])


def _body(event: Event) -> bytes:
    """Return the body. Raises ValueError if it is not text, or not base64 although the event says so."""
    import base64  # only for a POST

    text = event.get("body") or ""
    if not isinstance(text, str):
        raise ValueError("it is not text")  # noqa: TRY004  # a handwritten event with JSON instead of a string
    in_base64 = str(event.get("isBase64Encoded")).lower() == "true"  # some write it as text
    return base64.b64decode(text, validate=True) if in_base64 else text.encode()


def _is_proxy(event: Event) -> bool:
    return "httpMethod" in event and "path" in event


def _read_other(event: Event, kind: EventKind) -> tuple[Request, Callable[[Response], Result]]:
    """Read an event that is not payload 2.0 with Powertools' data class."""
    from http import HTTPStatus

    from aws_lambda_powertools.utilities import data_classes

    proxy: BaseProxyEvent = getattr(data_classes, kind.data_class)(dict(event))
    if isinstance(proxy, data_classes.ALBEvent):
        proxy.decode_query_parameters = True  # a load balancer leaves them encoded
    query = {name: _join(values) for name, values in proxy.resolved_query_string_parameters.items()}
    headers = {name.lower(): _join(values) for name, values in proxy.resolved_headers_field.items()}
    if not kind.decodes_base64:
        headers.pop("accept-encoding", None)  # a REST API compresses responses itself if it was configured to
    # Checks the members like those of payload 2.0.
    request = _read_payload_2(
        {
            "rawPath": proxy.path.partition("?")[0],
            "headers": headers,
            "queryStringParameters": query,
            "requestContext": {"http": {"method": proxy.http_method}},
            "body": event.get("body"),
            "isBase64Encoded": proxy.is_base64_encoded,
        }
    )

    def write(response: Response) -> Result:
        result = write_result(response)
        members = proxy.header_serializer().serialize(result.pop("headers"), [])
        members.pop("cookies", None)  # the serializer's empty list: only payload 2.0 has this key
        if kind.has_description:
            members["statusDescription"] = f"{response.status} {HTTPStatus(response.status).phrase}"
        return {**result, **members}

    return request, write


def _join(values: str | list[str]) -> str:
    """Join repeated values by commas, as payload 2.0 does."""
    return values if isinstance(values, str) else ",".join(values)
