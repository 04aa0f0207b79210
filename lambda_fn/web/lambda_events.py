"""Lambda's HTTP events (API Gateway payload 1.0 and 2.0, function URLs, ALB, VPC Lattice) as requests, and responses.

Sources: "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway" for payload 2.0; Powertools for AWS Lambda
reads the others.
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
    "an HTTP request of API Gateway (payload 1.0 or 2.0), a function URL, a load balancer or VPC Lattice; or a ping "
    'such as {"source": "warm-up"}'
)
WARM_RESULT: Result = {
    "statusCode": 200,
    "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
    "body": '{"status": "warm"}',
    "isBase64Encoded": False,
}


class EventKind(NamedTuple):
    """A kind of event: the data class that reads it, how it is recognised, and the form of its results.

    `described`: a result has `statusDescription`. A REST API answers 502 for a key that it does not know.
    `binary`: a body in base64 is always decoded. A REST API decodes only the media types that it was configured with.
    """

    data_class: str
    matches: Callable[[Event, Mapping[str, Any]], bool]
    described: bool = False
    binary: bool = True


KINDS = (
    EventKind("ALBEvent", lambda event, context: "elb" in context, described=True),
    EventKind("VPCLatticeEventV2", lambda event, context: "serviceNetworkArn" in context, described=True),
    EventKind("VPCLatticeEvent", lambda event, context: "raw_path" in event and "method" in event, described=True),
    EventKind("APIGatewayProxyEvent", lambda event, context: _is_proxy(event) and event.get("version") == "1.0"),
    EventKind("APIGatewayProxyEvent", lambda event, context: _is_proxy(event), binary=False),
)


def is_ping(event: object) -> bool:
    """Return True when the event only keeps the function warm.

    A ping names its source, as those of EventBridge and of warm-up plug-ins do, and carries no request.
    """
    if not isinstance(event, Mapping) or "requestContext" in event or "httpMethod" in event:
        return False
    return isinstance(event.get("source"), str) or event.get("warmer") is True


def read_event(event: object) -> tuple[Request, Callable[[Response], Result]]:
    """Return the request that an event carries, and the function that turns its response into the result.

    Raises Problem: 400 `bad_event` where the event carries no complete HTTP request.
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
    raise Problem(400, "bad_event", "the event carries no HTTP request", f"send {SUPPORTED_EVENTS}")


def write_result(response: Response) -> Result:
    """Return the result of payload 2.0. A compressed body is in base64, as results hold text only."""
    body, is_binary = response.body, isinstance(response.body, bytes)
    if isinstance(body, bytes):
        from base64 import b64encode  # only for callers that accept gzip

        body = b64encode(body).decode()
    return {"statusCode": response.status, "headers": response.headers, "body": body, "isBase64Encoded": is_binary}


def _read_payload_2(event: Event) -> Request:
    """Read an event of payload 2.0. Raises TypeError or KeyError that names the member that is wrong.

    An event that was written by hand may have the query as text only, and names of headers in any case.
    """
    context = event["requestContext"]
    method, stage, path = context["http"]["method"], context.get("stage", "$default"), event["rawPath"]
    for name, value in (("requestContext.http.method", method), ("requestContext.stage", stage), ("rawPath", path)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be text")
    for name in ("headers", "queryStringParameters"):
        texts = event.get(name)
        if texts is not None and not all(isinstance(text, str) for pair in dict(texts).items() for text in pair):
            raise TypeError(f"{name} must be an object of texts")
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
    """Return the body. Raises ValueError when it is not text, or not the base64 that the event says."""
    import base64  # only for a POST

    text = event.get("body") or ""
    if not isinstance(text, str):
        raise ValueError("it is no text")  # noqa: TRY004  # an event that was written by hand, as JSON within JSON
    in_base64 = str(event.get("isBase64Encoded")).lower() == "true"  # some write it as text
    return base64.b64decode(text, validate=True) if in_base64 else text.encode()


def _is_proxy(event: Event) -> bool:
    return "httpMethod" in event and "path" in event


def _read_other(event: Event, kind: EventKind) -> tuple[Request, Callable[[Response], Result]]:
    """Read an event that is not of payload 2.0, by Powertools' data classes."""
    from http import HTTPStatus

    from aws_lambda_powertools.utilities import data_classes

    proxy: BaseProxyEvent = getattr(data_classes, kind.data_class)(dict(event))
    if isinstance(proxy, data_classes.ALBEvent):
        proxy.decode_query_parameters = True  # a load balancer leaves them as they are in the address
    query = {name: _joined(values) for name, values in proxy.resolved_query_string_parameters.items()}
    headers = {name.lower(): _joined(values) for name, values in proxy.resolved_headers_field.items()}
    if not kind.binary:
        headers.pop("accept-encoding", None)  # a REST API compresses by itself where it was configured to
    # The members are checked as those of payload 2.0.
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
        written = proxy.header_serializer().serialize(result.pop("headers"), [])
        written.pop("cookies", None)  # the serializer's empty list: only payload 2.0 has this key
        if kind.described:
            written["statusDescription"] = f"{response.status} {HTTPStatus(response.status).phrase}"
        return {**result, **written}

    return request, write


def _joined(values: str | list[str]) -> str:
    """Join repeated values by commas, as payload 2.0 does."""
    return values if isinstance(values, str) else ",".join(values)
