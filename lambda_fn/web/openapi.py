"""The OpenAPI document of the routes: `python -m lambda_fn.web.openapi > lambda_fn/web/openapi.json`.

Serving imports none of the openapi modules.
"""

import json
import math
import sys
from typing import Any

from lambda_fn.prices.plausibility import HIGHEST, LOWEST
from lambda_fn.record.interpolation import MIN_PROBABILITY
from lambda_fn.web.errors import PROBLEM_JSON, bad_body
from lambda_fn.web.openapi_record import RECORD_SCHEMAS
from lambda_fn.web.openapi_schemas import BODY_SCHEMAS, FORECAST_SCHEMAS, PROTOCOL_SCHEMAS, JsonSchema, ref
from lambda_fn.web.routes import ROUTES, TAGS
from lambda_fn.web.routing import FORMATS, Route

PAGE = "text/html"
VERSION = "1"  # of the API; only a change that breaks callers makes a new one
CLOSES = 513  # the window of this project's models

_DAY: JsonSchema = {
    "name": "horizon",
    "in": "query",
    "description": "Business day after the last close. Default: 1, the next one.",
    "schema": {"type": "integer", "minimum": 1},
    "example": 5,
}
_HORIZON: JsonSchema = {
    "name": "horizon",
    "in": "query",
    "description": "Number of business days to forecast. Default: 5, or all that the champion forecasts if fewer.",
    "schema": {"type": "integer", "minimum": 1},
    "example": 5,
}
_NUMBERS: JsonSchema = {  # repeated, or separated by commas
    "style": "form",
    "explode": False,
    "schema": {"type": "array", "items": {"type": "number"}},
}
PARAMETERS: dict[str, JsonSchema] = {
    "model_name": {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "Registered name of the champion: `model_name` of GET /api/champion.",
        "schema": {"type": "string", "minLength": 1},
        "example": "EURUSD_Calendar",
    },
    "model_version": {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "Version of the champion.",
        "schema": {"type": "string", "minLength": 1},
        "example": "1",
    },
    "pair": {
        "name": "pair",
        "in": "query",
        "description": "Currency pair, one of GET /api/pairs. Default: the first of them.",
        "schema": {"type": "string", "pattern": "^[A-Z]{6}$"},
        "example": "EURUSD",
    },
    "below": {
        "name": "below",
        "in": "query",
        "description": "Price: returns the probability of a rate below it. Exactly one of below, above and "
        "probability is required.",
        "schema": {"type": "number", "minimum": LOWEST, "maximum": HIGHEST},
        "example": 1.1,
    },
    "above": {
        "name": "above",
        "in": "query",
        "description": "Price: returns the probability of a rate above it.",
        "schema": {"type": "number", "minimum": LOWEST, "maximum": HIGHEST},
        "example": 1.15,
    },
    "probability": {
        "name": "probability",
        "in": "query",
        "description": "Probability: returns the price below which the rate is with this probability.",
        "schema": {"type": "number", "minimum": MIN_PROBABILITY, "maximum": 1 - MIN_PROBABILITY},
        "example": 0.05,
    },
    "date": {
        "name": "date",
        "in": "query",
        "description": "Business day of the forecast, instead of horizon.",
        "schema": {"type": "string", "format": "date"},
        "example": "2026-11-06",
    },
    "horizon_of_one": _DAY,
    "h_of_one": {**_DAY, "name": "h", "description": "Short form of horizon."},
    "format": {
        "name": "format",
        "in": "query",
        "description": "Format of the response, instead of Accept: json; csv or html if the route has it.",
        "schema": {"type": "string", "enum": list(FORMATS)},
        "example": "json",
    },
    "kind": {
        "name": "kind",
        "in": "query",
        "description": "live: forecasts that were stored before their outcome could be known. backtest: out-of-sample "
        "forecasts of the champion's model.",
        "schema": {"type": "string", "enum": ["live", "backtest"], "default": "live"},
        "example": "live",
    },
    "days": {
        "name": "days",
        "in": "query",
        "description": "Number of days to return, counted back from the latest.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 250, "default": 250},
        "example": 60,
    },
    "horizon": _HORIZON,
    "h": {**_HORIZON, "name": "h", "description": "Short form of horizon."},
    "quantiles": {
        "name": "quantiles",
        "in": "query",
        "description": "Quantile levels to return, repeated or separated by commas; the median is always included. "
        "Intervals are then returned only for `level`. Default: all levels.",
        **_NUMBERS,
        "example": [0.1, 0.9],
    },
    "level": {
        "name": "level",
        "in": "query",
        "description": "Coverage in percent of the central intervals to return, repeated or separated by commas. Their "
        "bounds and the median are returned as quantiles. Default: all intervals, which GET /api/champion lists as "
        "`intervals`.",
        **_NUMBERS,
        "example": [80, 95],
    },
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
    },
    "checked_at": "2026-10-30T16:11:00Z",
    "stale": False,
    "stale_reason": None,
}
PROBLEM_EXAMPLE: dict[str, Any] = json.loads(
    bad_body("series[2].close[17]", "series[2].close[17] is null, not a number", "send a price").body()
)


def document() -> dict[str, Any]:
    """Return the whole document, OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
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
            "schemas": {**FORECAST_SCHEMAS, **RECORD_SCHEMAS, **PROTOCOL_SCHEMAS, **BODY_SCHEMAS},
            "parameters": PARAMETERS,
            "responses": GATEWAY_RESPONSES,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": ref(route.schema)}
    if route.schema == "Official":
        content["example"] = FORECAST_EXAMPLE
    if route.schema.startswith("Prediction"):
        content["example"] = {name: value for name, value in FORECAST_EXAMPLE.items() if name not in ("made_at", "age")}
    others = {form.media_type: {"schema": {"type": "string"}} for form in route.others}
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": route.description,
        "tags": [route.tag],
        "responses": {"200": {"description": route.summary, "content": {"application/json": content, **others}}}
        | {str(status): _problem(route, status, description) for status, description in route.problems}
        | {status: {"$ref": f"#/components/responses/{status}"} for status in GATEWAY_RESPONSES},
    }
    if route.parameters:
        operation["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in route.parameters]
    if route.body:
        content = {"schema": ref(route.body), **({"examples": BODY_EXAMPLES} if route.body == "Sent" else {})}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _problem(route: Route, status: int, description: str) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": ref("Problem")}
    if status == 400:
        content["example"] = PROBLEM_EXAMPLE
    pages = {form.media_type: {"schema": {"type": "string"}} for form in route.others if form.media_type == PAGE}
    problem: dict[str, Any] = {"description": description, "content": {PROBLEM_JSON: content, **pages}}
    if status == 503:
        problem["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
    return problem


def text() -> str:
    """Return the document as the text of openapi.json."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
