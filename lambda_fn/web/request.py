"""Adapters between Lambda's HTTP events (API Gateway 1.0 and 2.0, ALB, VPC Lattice) and payload 2.0, and its parts."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lambda_fn.web.errors import Problem

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

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


Answer = dict[str, Any]
TAKEN = (
    "an HTTP request of API Gateway (payload 1.0 or 2.0), a function URL, a load balancer or VPC Lattice; or a ping "
    'such as {"source": "warm-up"}'
)
PONG: Answer = {
    "statusCode": 200,
    "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
    "body": '{"status": "warm"}',
    "isBase64Encoded": False,
}


class Call(NamedTuple):
    """A request as an event of payload 2.0, and what makes its answer the caller's."""

    event: Event
    answer: Callable[[Answer], Answer]


class _Caller(NamedTuple):
    """A kind of event: the data class that reads it, what is characteristic of it, and the form of its answers.

    `described`: an answer has `statusDescription`. A REST API answers 502 for a key that it does not know.
    `binary`: a body in base64 is always decoded. A REST API decodes only the media types that it was configured with.
    """

    data_class: str
    sends: Callable[[Event, Mapping[str, Any]], bool]
    described: bool = False
    binary: bool = True


_CALLERS = (
    _Caller("ALBEvent", lambda event, context: "elb" in context, described=True),
    _Caller("VPCLatticeEventV2", lambda event, context: "serviceNetworkArn" in context, described=True),
    _Caller("VPCLatticeEvent", lambda event, context: "raw_path" in event and "method" in event, described=True),
    _Caller("APIGatewayProxyEvent", lambda event, context: _is_proxy(event) and event.get("version") == "1.0"),
    _Caller("APIGatewayProxyEvent", lambda event, context: _is_proxy(event), binary=False),
)


def is_ping(event: object) -> bool:
    """Whether the event only keeps the function warm: it names its source, as those of EventBridge and of warm-up
    plug-ins do, and carries no request."""
    if not isinstance(event, Mapping) or "requestContext" in event or "httpMethod" in event:
        return False
    return isinstance(event.get("source"), str) or event.get("warmer") is True


def call_of(event: object) -> Call:
    """The request that an event carries; raises Problem, a 400 that says what is taken, where it carries none."""
    try:
        if isinstance(event, Mapping):
            context = event.get("requestContext") or {}
            if "http" in context:
                return _as_it_is(event)
            for caller in _CALLERS:
                if caller.sends(event, context):
                    return _translated(event, caller)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _no_request(f"the event is no whole HTTP request ({type(error).__name__}: {error})") from error
    raise _no_request("the event carries no HTTP request")


def _no_request(message: str) -> Problem:
    return Problem(400, "bad_event", message, f"send {TAKEN}")


def _as_it_is(event: Event) -> Call:
    check_event(event)
    return Call(event, lambda answer: answer)


def _is_proxy(event: Event) -> bool:
    return "httpMethod" in event and "path" in event


def _translated(event: Event, caller: _Caller) -> Call:
    from http import HTTPStatus

    from aws_lambda_powertools.utilities import data_classes

    proxy: BaseProxyEvent = getattr(data_classes, caller.data_class)(dict(event))
    if isinstance(proxy, data_classes.ALBEvent):
        proxy.decode_query_parameters = True  # a load balancer leaves them as they are in the address
    query = {name: _joined(values) for name, values in proxy.resolved_query_string_parameters.items()}
    headers = {name.lower(): _joined(values) for name, values in proxy.resolved_headers_field.items()}
    if not caller.binary:
        headers.pop("accept-encoding", None)  # a REST API compresses by itself where it was told to
    request = {
        "version": "2.0",
        "rawPath": proxy.path.partition("?")[0],
        "headers": headers,
        "queryStringParameters": query,
        "requestContext": {"stage": "$default", "http": {"method": proxy.http_method}},
        "body": event.get("body"),
        "isBase64Encoded": proxy.is_base64_encoded,
    }
    check_event(request)

    def answer(found: Answer) -> Answer:
        status = found["statusCode"]
        written = proxy.header_serializer().serialize(found["headers"], [])
        written.pop("cookies", None)  # the serializer's empty list: only payload 2.0 has this key
        if caller.described:
            written["statusDescription"] = f"{status} {HTTPStatus(status).phrase}"
        return {**{name: value for name, value in found.items() if name != "headers"}, **written}

    return Call(request, answer)


def _joined(values: str | list[str]) -> str:
    """As payload 2.0 has what is repeated."""
    return values if isinstance(values, str) else ",".join(values)
