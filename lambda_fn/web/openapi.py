"""The OpenAPI document of the routes: `python -m lambda_fn.web.openapi > lambda_fn/web/openapi.json`.

The schemas of answers are made from the return types of the handlers. A type whose name begins with an underscore has
no name in the document. Descriptions come from docstrings: the first paragraph is that of the type, `Attributes:` has
those of its members. Serving does not import this module.
"""

import inspect
import json
import math
import re
import sys
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from lambda_fn.web import model_protocols, price_body
from lambda_fn.web.endpoints import book, forecast, service
from lambda_fn.web.errors import PROBLEM_JSON, bad_body
from lambda_fn.web.params import Parameter
from lambda_fn.web.response import HTML, JSON, Text
from lambda_fn.web.routes import ROUTES, TAGS
from lambda_fn.web.routing import Route

JsonSchema = dict[str, Any]
VERSION = "1"  # of the API; only a change that breaks callers makes a new one
CLOSES = 513  # the window of this project's models
TYPES = {str: "string", float: "number", int: "integer", bool: "boolean"}
NAMED_UNIONS = {
    "OfficialOrStored": forecast.OfficialOrStored,
    "PredictionOrSeries": forecast.PredictionOrSeries,
    "Document": service.Document,
    "Invocation": model_protocols.Invocation,
}
# Types of objects with further members, and the schema of those; None for any.
OPEN_TYPES: dict[str, JsonSchema | None] = {
    **dict.fromkeys(("Champion", "Infer", "_InputTensor", "_OutputName"), None),
    **dict.fromkeys(("_Inputs", "_Instances", "_DataframeRecords", "_DataframeSplit", "_Split"), None),
    "RecordDay": {"type": ["boolean", "null"]},
    "_Score": {"type": ["number", "string", "null"]},
}

# One of these; the last is none, as on a server of your own. ApiAuth of the deployment decides.
SECURITY: list[dict[str, list[str]]] = [{"IAM": []}, {"JWT": []}, {}]
SECURITY_SCHEMES: dict[str, JsonSchema] = {
    "IAM": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "Request signed with AWS Signature Version 4 for the service execute-api (ApiAuth=AWS_IAM).",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "JWT": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Bearer token of JwtIssuer for one of JwtAudience (ApiAuth=JWT).",
    },
}


def _gateway_response(description: str, message: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    content = {"application/json": {"schema": schema, "example": {"message": message}}}
    return {"description": f"{description} Sent by API Gateway.", "content": content}


GATEWAY_RESPONSES: dict[str, dict[str, Any]] = {
    "401": _gateway_response("The token is missing, invalid or expired.", "Unauthorized"),
    "403": _gateway_response("The request is not signed, or the signer is not authorized.", "Forbidden"),
    "429": _gateway_response("ThrottleRate or ThrottleBurst is exceeded.", "Too Many Requests"),
}

BODY_EXAMPLES: dict[str, Any] = {
    "one": {
        "summary": f"One series of {CLOSES} synthetic closes; send several as {{series: [...]}} of such objects",
        "value": {
            "close": [round(1.1 + 0.02 * math.sin(i / 40) + 0.003 * math.sin(2.3 * i), 4) for i in range(CLOSES)],
            "as_of": "2026-10-30",
        },
    },
}
FORECAST_EXAMPLE: dict[str, Any] = {
    "pair": "EURUSD",
    "as_of": "2026-10-30",
    "last_close": 1.1021,
    "forecast": [
        {
            "date": "2026-11-02",
            "horizon": 1,
            "mean": 1.1021,
            "median": 1.1021,
            "quantiles": {"0.1": 1.097042, "0.5": 1.1021, "0.9": 1.107182},
            "intervals": {"80": {"lower": 1.097042, "upper": 1.107182}},
            "volatility": 0.067,
            "returns": {
                "mean": 0.0,
                "median": 0.0,
                "quantiles": {"0.1": -0.00458942, "0.5": 0.0, "0.9": 0.0046112},
                "intervals": {"80": {"lower": -0.00458942, "upper": 0.0046112}},
            },
        }
    ],
    "champion": {
        "name": "EURUSD_LSTM",
        "type": "LSTM",
        "version": "3",
        "generation": 3,
        "sha256": "0123456789abcdef" * 4,
        "family": "lstm",
        "trained_through": "2026-10-30",
        "features": ["Return", "MA_5"],
        "scores": [{"horizon": 1, "pinball": 0.0807, "skill_constant": 0.053, "skill_ewma": 0.005, "skill_garch": 0.0}],
        "run_id": "0123456789abcdef0123456789abcdef",
        "activated_at": "2026-10-30T16:10:00Z",
    },
    "prices": "ecb",
    "made_at": "2026-10-30T16:10:02Z",
    "age": {
        "business_days": 0,
        "state": "fresh",
        "sentence": "the latest price is from 2026-10-30, 0 business days ago",
        "next_day": "2026-11-02",
    },
    "checked_at": "2026-10-30T16:11:00Z",
    "stale": False,
    "stale_reason": None,
}
_TEXT = {"type": "string"}
PROBLEM: JsonSchema = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "properties": {
        "type": {**_TEXT, "description": "RFC 9457: about:blank, because the status says what kind of problem it is"},
        "title": {**_TEXT, "description": "name of the status"},
        "status": {"type": "integer"},
        "detail": {**_TEXT, "description": "what is wrong"},
        "code": {**_TEXT, "description": "for programs"},
        "field": {**_TEXT, "description": "place in the request, for example series[2].close[17]"},
        "cure": {**_TEXT, "description": "what to do about it"},
        "error": {
            "type": "object",
            "description": "the same in the older format, which the next version of the API drops",
            "properties": {name: _TEXT for name in ("code", "message", "field", "cure")},
            "required": ["code", "message", "cure"],
            "additionalProperties": False,
        },
    },
    "required": ["type", "title", "status", "detail", "code", "cure", "error"],
    "additionalProperties": False,
}
PROBLEM_EXAMPLE: dict[str, Any] = json.loads(
    bad_body("series[2].close[17]", "series[2].close[17] is null, not a number", "send a price").body()
)


class Schemas:
    """Makes the schemas of types; `components` has those that the document names."""

    def __init__(self) -> None:
        self.components: dict[str, JsonSchema] = {}

    def of(self, hint: Any) -> JsonSchema:
        """Return the schema of a type, or a reference to it."""
        for name, union in NAMED_UNIONS.items():
            if hint == union:
                self.components[name] = self._of(hint)
                return ref(name)
        return self._of(hint)

    def _of(self, hint: Any) -> JsonSchema:
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is Annotated:
            schema = dict(self._of(arguments[0]))
            for note in arguments[1:]:
                name, value = ("description", note) if isinstance(note, str) else note
                schema[name] = value
            return schema
        if origin is NotRequired:
            return self._of(arguments[0])
        if origin in (Union, UnionType):
            schemas = [self._of(part) for part in arguments if part is not NoneType]
            if NoneType not in arguments:
                return {"oneOf": schemas}
            [schema] = schemas
            if "$ref" in schema or schema["type"] == "object":
                return {"oneOf": [schema, {"type": "null"}]}
            return {**schema, "type": [schema["type"], "null"]}
        if origin is Literal:
            return {**({} if None in arguments else {"type": "string"}), "enum": list(arguments)}
        if origin is list:
            return {"type": "array", "items": self._of(arguments[0])}
        if origin is dict:
            return {
                "type": "object",
                **({} if arguments[1] is Any else {"additionalProperties": self._of(arguments[1])}),
            }
        if not is_typeddict(hint):
            return {"type": TYPES[hint]}
        if hint.__name__.startswith("_"):
            return self._object(hint)
        if hint.__name__ not in self.components:
            self.components[hint.__name__] = {}  # its place, before the types of its members
            self.components[hint.__name__] = self._object(hint)
        return ref(hint.__name__)

    def _object(self, hint: Any) -> JsonSchema:
        text = inspect.cleandoc(vars(hint).get("__doc__") or "")  # not that of dict
        summary, _, attributes = text.partition("Attributes:\n")
        entries = re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", attributes, re.MULTILINE)
        descriptions = {name: " ".join(description.split()).removesuffix(".") for name, description in entries}
        schema: JsonSchema = {"type": "object"}
        if summary.strip():
            schema["description"] = " ".join(summary.split())
        schema["properties"] = {
            name: self._of(Annotated[part, descriptions[name]] if name in descriptions else part)
            for name, part in get_type_hints(hint, include_extras=True).items()
        }
        schema["required"] = [name for name in schema["properties"] if name in hint.__required_keys__]
        schema["additionalProperties"] = False
        if hint.__name__ in OPEN_TYPES:
            schema["additionalProperties"] = OPEN_TYPES[hint.__name__]
        return {name: value for name, value in schema.items() if value not in ({}, [], None)}


def ref(name: str) -> JsonSchema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def document() -> dict[str, Any]:
    """Return the whole document, OpenAPI 3.1."""
    schemas = Schemas()
    parameters: dict[str, JsonSchema] = {}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
        parameters |= {_key(parameter): _describe(parameter, "path") for parameter in route.path_parameters}
        parameters |= {_key(parameter): _describe(parameter, "query") for parameter in route.parameters}
    result = {
        "openapi": "3.1.0",
        "info": {
            "title": "Exchange rate forecasts",
            "version": VERSION,
            "description": "Probability forecasts of exchange rates for the next business days. The active model is "
            "called the champion.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "security": SECURITY,
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, **price_body.BODY_SCHEMAS, "Problem": PROBLEM},
            "parameters": parameters,
            "responses": GATEWAY_RESPONSES,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }
    content: dict[str, Any] = json.loads(json.dumps(result))  # its tuples as lists
    return content


def _key(parameter: Parameter) -> str:
    return parameter.key or parameter.name


def _describe(parameter: Parameter, place: str) -> JsonSchema:
    return {
        "name": parameter.name,
        "in": place,
        **({"required": True} if place == "path" else {}),
        "description": parameter.description,
        **({"style": "form", "explode": False} if parameter.schema["type"] == "array" else {}),
        "schema": parameter.schema,
        "example": parameter.example,
    }


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    hints = get_type_hints(route.handler, localns=vars(model_protocols), include_extras=True)
    content: dict[str, Any] = {"schema": _TEXT if hints["return"] is Text else schemas.of(hints["return"])}
    if hints["return"] == forecast.OfficialOrStored:
        content["example"] = FORECAST_EXAMPLE
    if hints["return"] == forecast.PredictionOrSeries:
        content["example"] = {name: value for name, value in FORECAST_EXAMPLE.items() if name not in ("made_at", "age")}
    others = {form.media_type: {"schema": {"type": "string"}} for form in route.others}
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": route.description,
        "tags": [route.tag],
        "responses": {"200": {"description": route.summary, "content": {route.media_type: content, **others}}},
    }
    pages = {name: content for name, content in others.items() if name == HTML}
    for status, description in route.problems:
        content = {"schema": ref("Problem"), **({"example": PROBLEM_EXAMPLE} if status == 400 else {})}
        problem = {"description": description, "content": {PROBLEM_JSON: content, **pages}}
        if status == 503:
            seconds = {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}
            problem["headers"] = {"Retry-After": seconds}
        operation["responses"][str(status)] = problem
    for name in GATEWAY_RESPONSES:
        operation["responses"][name] = {"$ref": f"#/components/responses/{name}"}
    if parameters := (*route.path_parameters, *route.parameters):
        operation["parameters"] = [{"$ref": f"#/components/parameters/{_key(parameter)}"} for parameter in parameters]
    if route.body:
        if route.body in price_body.BODY_SCHEMAS:
            content = {"schema": ref(route.body), "examples": BODY_EXAMPLES}
        else:
            content = {"schema": schemas.of(getattr(model_protocols, route.body, None) or getattr(book, route.body))}
        operation["requestBody"] = {"required": True, "content": {JSON: content}}
    return operation


def text() -> str:
    """Return the document as the text of openapi.json."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
