"""The API reference as plain data: the operations of the OpenAPI document, by tag."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

Object = dict[str, Any]
EXAMPLE_CHARACTERS = 1_200  # longer examples are cut; the document has them whole


class Operation(NamedTuple):
    """An operation. Parameters: name, description, example; responses: status, description; bodies: title, JSON."""

    method: str
    path: str
    summary: str
    description: str
    parameters: Sequence[tuple[str, str, str]]
    responses: Sequence[tuple[str, str]]
    bodies: Sequence[tuple[str, str]]


class Section(NamedTuple):
    """The operations of a tag."""

    name: str
    description: str
    operations: Sequence[Operation]


class Reference(NamedTuple):
    """The whole document; `schemes` are the ways to authenticate: name, description."""

    title: str
    description: str
    schemes: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def reference(document: Object) -> Reference:
    """Return the reference that an OpenAPI document describes."""
    schemes = document["components"]["securitySchemes"].items()
    return Reference(
        document["info"]["title"],
        document["info"]["description"],
        [(name, scheme["description"]) for name, scheme in schemes],
        [Section(tag["name"], tag["description"], _operations(document, tag["name"])) for tag in document["tags"]],
    )


def _operations(document: Object, tag: str) -> list[Operation]:
    return [
        _operation(document, method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag in operation["tags"]
    ]


def _operation(document: Object, method: str, path: str, operation: Object) -> Operation:
    parameters = [_resolve(document, part) for part in operation.get("parameters", ())]
    responses = {status: _resolve(document, part) for status, part in sorted(operation["responses"].items())}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        method,
        path,
        operation["summary"],
        operation["description"],
        [(part["name"], part["description"], _example(part["example"])) for part in parameters],
        [(status, part["description"]) for status, part in responses.items()],
        [(part["summary"], _cut(json.dumps(part["value"]))) for part in body.get("examples", {}).values()],
    )


def _example(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cut(text: str) -> str:
    return text if len(text) <= EXAMPLE_CHARACTERS else text[:EXAMPLE_CHARACTERS] + " ..."


def _resolve(document: Object, part: Object) -> Object:
    """Follow a $ref within the document."""
    if "$ref" not in part:
        return part
    for name in part["$ref"].removeprefix("#/").split("/"):
        document = document[name]
    return document
