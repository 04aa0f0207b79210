"""Who calls the function: every kind of event that carries an HTTP request, as payload 2.0, and its answer back.

API Gateway's HTTP APIs and function URLs send payload 2.0, which is read as it is. The others are known to Powertools'
data classes, which are imported when the first of such an event comes.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lambda_fn.web.event import Event, check_event
from lambda_fn.web.problem import Problem

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

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
