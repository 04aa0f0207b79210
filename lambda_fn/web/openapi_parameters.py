"""The parameters of the OpenAPI document. Serving never imports this."""

from lambda_fn.prices.limits import HIGHEST, LOWEST
from lambda_fn.record.interpolation import MIN_PROBABILITY
from lambda_fn.web.openapi_types import JsonSchema
from lambda_fn.web.routing import FORMATS

_DAY: JsonSchema = {
    "name": "horizon",
    "in": "query",
    "description": "The business day after the last close: 1 is the next one, which is the default.",
    "schema": {"type": "integer", "minimum": 1},
    "example": 5,
}

# Repeated or separated by commas.
_NUMBERS: JsonSchema = {
    "style": "form",
    "explode": False,
    "schema": {"type": "array", "items": {"type": "number"}},
}

PARAMETERS: dict[str, JsonSchema] = {
    "model_name": {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "The champion's registered name: `model_name` of GET /api/champion.",
        "schema": {"type": "string", "minLength": 1},
        "example": "EURUSD_Calendar",
    },
    "model_version": {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "The champion's version.",
        "schema": {"type": "string", "minLength": 1},
        "example": "1",
    },
    "pair": {
        "name": "pair",
        "in": "query",
        "description": "One of the pairs of GET /api/pairs; the first of them unless told.",
        "schema": {"type": "string", "pattern": "^[A-Z]{6}$"},
        "example": "EURUSD",
    },
    "below": {
        "name": "below",
        "in": "query",
        "description": "A price: how likely is a close below it? One of below, above and probability is needed.",
        "schema": {"type": "number", "minimum": LOWEST, "maximum": HIGHEST},
        "example": 1.1,
    },
    "above": {
        "name": "above",
        "in": "query",
        "description": "A price: how likely is a close above it?",
        "schema": {"type": "number", "minimum": LOWEST, "maximum": HIGHEST},
        "example": 1.15,
    },
    "probability": {
        "name": "probability",
        "in": "query",
        "description": "Below which price is the close with this probability?",
        "schema": {"type": "number", "minimum": MIN_PROBABILITY, "maximum": 1 - MIN_PROBABILITY},
        "example": 0.05,
    },
    "date": {
        "name": "date",
        "in": "query",
        "description": "The business day that is asked of, instead of horizon.",
        "schema": {"type": "string", "format": "date"},
        "example": "2026-11-06",
    },
    "horizon_of_one": _DAY,
    "h_of_one": {**_DAY, "name": "h", "description": "The same as horizon."},
    "format": {
        "name": "format",
        "in": "query",
        "description": "The form of the answer, instead of Accept: json, and where the answer has them csv or html.",
        "schema": {"type": "string", "enum": list(FORMATS)},
        "example": "json",
    },
    "kind": {
        "name": "kind",
        "in": "query",
        "description": "live: forecasts that were kept before their outcome could be known. backtest: what the "
        "champion's family would have forecast, out of sample.",
        "schema": {"type": "string", "enum": ["live", "backtest"], "default": "live"},
        "example": "live",
    },
    "days": {
        "name": "days",
        "in": "query",
        "description": "How many of the newest days to give.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 250, "default": 250},
        "example": 60,
    },
    "horizon": {
        "name": "horizon",
        "in": "query",
        "description": "Business days to forecast: 1 to this one. Default: 5, or all of a shorter champion.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 5,
    },
    "h": {
        "name": "h",
        "in": "query",
        "description": "The same as horizon.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 5,
    },
    "quantiles": {
        "name": "quantiles",
        "in": "query",
        "description": "Levels of the quantiles to give, repeated or separated by commas, beside the median; intervals "
        "are then given as far as `level` asks. Default: all.",
        **_NUMBERS,
        "example": [0.1, 0.9],
    },
    "level": {
        "name": "level",
        "in": "query",
        "description": "Coverage in percent of the central intervals to give, repeated or separated by commas, with "
        "the quantiles that bound them and the median. Default: all. GET /api/champion lists them as `intervals`.",
        **_NUMBERS,
        "example": [80, 95],
    },
}
