"""The events in which other services than API Gateway's HTTP APIs send a request, made of one of payload 2.0."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote

Event = dict[str, Any]


def _query(event: Event) -> list[tuple[str, str]]:
    return parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True)


def _many(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _method(event: Event) -> str:
    return str(event["requestContext"]["http"]["method"])


def _titled(event: Event) -> dict[str, str]:
    """Header names as callers write them; REST APIs and load balancers leave their case alone."""
    return {name.title(): value for name, value in event["headers"].items()}


def rest(event: Event) -> Event:
    """API Gateway's REST API, payload 1.0, below a stage that its path does not have."""
    many = _many(_query(event))
    return {
        "resource": "/{proxy+}",
        "path": event["rawPath"],
        "httpMethod": _method(event),
        "headers": _titled(event),
        "multiValueHeaders": {name: [value] for name, value in _titled(event).items()},
        "queryStringParameters": {name: values[-1] for name, values in many.items()} or None,
        "multiValueQueryStringParameters": many or None,
        "pathParameters": {"proxy": event["rawPath"].lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": _method(event),
            "path": f"/prod{event['rawPath']}",
            "stage": "prod",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": event.get("body"),
        "isBase64Encoded": event["isBase64Encoded"],
    }


def payload_1(event: Event) -> Event:
    """API Gateway's HTTP API with payload 1.0."""
    return {**rest(event), "version": "1.0"}


def load_balancer(event: Event) -> Event:
    """Parameters as they are in the address, and only the last of several values."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/1"}},
        "httpMethod": _method(event),
        "path": event["rawPath"],
        "queryStringParameters": {quote(name): quote(",".join(v)) for name, v in _many(_query(event)).items()},
        "headers": event["headers"],
        "body": event.get("body") or "",
        "isBase64Encoded": event["isBase64Encoded"],
    }


def load_balancer_of_many(event: Event) -> Event:
    """A target group with multi-value headers switched on."""
    found = load_balancer(event)
    del found["queryStringParameters"], found["headers"]
    many = {quote(name): [quote(value) for value in values] for name, values in _many(_query(event)).items()}
    headers = {name: [value] for name, value in event["headers"].items()}
    return {**found, "multiValueQueryStringParameters": many, "multiValueHeaders": headers}


def lattice(event: Event) -> Event:
    """VPC Lattice's first form, whose path has the query."""
    query = event.get("rawQueryString") or ""
    return {
        "raw_path": event["rawPath"] + (f"?{query}" if query else ""),
        "method": _method(event),
        "headers": event["headers"],
        "query_string_parameters": {name: ",".join(values) for name, values in _many(_query(event)).items()},
        "body": event.get("body") or "",
        "is_base64_encoded": event["isBase64Encoded"],
    }


def lattice_2(event: Event) -> Event:
    """VPC Lattice's second form."""
    query = event.get("rawQueryString") or ""
    return {
        "version": "2.0",
        "path": event["rawPath"] + (f"?{query}" if query else ""),
        "method": _method(event),
        "headers": {name: [value] for name, value in event["headers"].items()},
        "queryStringParameters": _many(_query(event)),
        "body": event.get("body") or "",
        "isBase64Encoded": event["isBase64Encoded"],
        "requestContext": {"serviceNetworkArn": "arn:aws:vpc-lattice:us-east-1:1:servicenetwork/sn-1", "region": "x"},
    }


def staged(event: Event) -> Event:
    """Payload 2.0 of a stage that is not $default."""
    context = {**event["requestContext"], "stage": "prod"}
    return {**event, "rawPath": f"/prod{event['rawPath']}", "requestContext": context}


CALLERS: dict[str, Callable[[Event], Event]] = {
    "REST API": rest,
    "payload 1.0": payload_1,
    "load balancer": load_balancer,
    "load balancer, many values": load_balancer_of_many,
    "VPC Lattice": lattice,
    "VPC Lattice 2": lattice_2,
    "a stage": staged,
}


_PROXY = frozenset(("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"))
_ONE_HEADER_EACH = _PROXY - {"multiValueHeaders"}
ANSWER_KEYS: dict[str, frozenset[str]] = {
    "REST API": _PROXY,
    "payload 1.0": _PROXY,
    "load balancer": _ONE_HEADER_EACH | {"statusDescription"},
    "load balancer, many values": _PROXY - {"headers"} | {"statusDescription"},
    "VPC Lattice": _ONE_HEADER_EACH | {"statusDescription"},
    "VPC Lattice 2": _ONE_HEADER_EACH | {"statusDescription"},
    "a stage": _ONE_HEADER_EACH | {"cookies"},
}
"""The keys that an answer in each form may have, as AWS documents them. A REST API answers 502 for any other."""


def answer_of(found: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
    """Status, headers by lower-case name, and body of an answer in any form."""
    headers = {name: values[-1] for name, values in found.get("multiValueHeaders", {}).items()} | found.get(
        "headers", {}
    )
    body = json.loads(found["body"]) if found["body"] else None
    return found["statusCode"], {name.lower(): value for name, value in headers.items()}, body
