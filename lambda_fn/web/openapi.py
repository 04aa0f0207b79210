"""The OpenAPI document of the routes: `python -m lambda_fn.web.openapi > lambda_fn/web/openapi.json`."""

import json
import sys
from typing import Any

from lambda_fn.web.errors import PROBLEM_JSON
from lambda_fn.web.openapi_examples import ANSWER_EXAMPLE, PROBLEM_EXAMPLE, SENT_EXAMPLES
from lambda_fn.web.openapi_parameters import PARAMETERS
from lambda_fn.web.openapi_schemas import SCHEMAS
from lambda_fn.web.openapi_security import GATEWAY_RESPONSES, SECURITY, SECURITY_SCHEMES
from lambda_fn.web.openapi_types import JsonSchema
from lambda_fn.web.routes import ROUTES, TAGS
from lambda_fn.web.routing import Route

PAGE = "text/html"
VERSION = "1"  # of the API; a change that breaks a caller makes a new one


def document() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Exchange rate forecasts",
            "version": VERSION,
            "description": "The distribution of the next business days' closes, from the active champion.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "security": SECURITY,
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "parameters": PARAMETERS,
            "responses": GATEWAY_RESPONSES,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": route.description,
        "tags": [route.tag],
        "responses": {"200": _answer(route)}
        | {str(status): _problem(route, why, status) for status, why in route.problems}
        | {status: {"$ref": f"#/components/responses/{status}"} for status in GATEWAY_RESPONSES},
    }
    if route.parameters:
        found["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in route.parameters]
    if route.body:
        content = {"schema": _ref(route.body), **({"examples": SENT_EXAMPLES} if route.body == "Sent" else {})}
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    return found


def _answer(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _ref(route.answer)}
    if route.answer == "Official":
        content["example"] = ANSWER_EXAMPLE
    if route.answer.startswith("Prediction"):
        content["example"] = {name: value for name, value in ANSWER_EXAMPLE.items() if name not in ("made_at", "age")}
    others = {form.media_type: {"schema": {"type": "string"}} for form in route.others}
    return {"description": route.summary, "content": {"application/json": content, **others}}


def _problem(route: Route, why: str, status: int) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _ref("Problem")}
    if status == 400:
        content["example"] = PROBLEM_EXAMPLE
    pages = {form.media_type: {"schema": {"type": "string"}} for form in route.others if form.media_type == PAGE}
    found: dict[str, Any] = {"description": why, "content": {PROBLEM_JSON: content, **pages}}
    if status == 503:
        found["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}
    return found


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
