"""The query parameters of the OpenAPI document. Serving never imports this."""

from lambda_fn.web.openapi_schemas import JsonSchema

PARAMETERS: dict[str, JsonSchema] = {
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
    "level": {
        "name": "level",
        "in": "query",
        "description": "Coverage in percent of the central intervals to give, repeated or separated by commas, with "
        "the quantiles that bound them and the median. Default: all. GET /api/champion lists them as `intervals`.",
        "style": "form",
        "explode": False,
        "schema": {"type": "array", "items": {"type": "number"}},
        "example": [80, 95],
    },
}
