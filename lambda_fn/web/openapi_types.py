"""The types that the schemas of the OpenAPI document are made of. Serving never imports this."""

from typing import Any

JsonSchema = dict[str, Any]


def closed(properties: dict[str, JsonSchema], optional: tuple[str, ...] = (), description: str = "") -> JsonSchema:
    """A closed object; what is not optional is required."""
    return {
        "type": "object",
        **({"description": description} if description else {}),
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", **more: Any) -> JsonSchema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def list_of(items: JsonSchema, **more: Any) -> JsonSchema:
    return {"type": "array", "items": items, **more}


def by_name(values: JsonSchema, description: str) -> JsonSchema:
    return {"type": "object", "description": description, "additionalProperties": values}


NUMBER: JsonSchema = {"type": "number"}
WHOLE: JsonSchema = {"type": "integer"}
YES_NO: JsonSchema = {"type": "boolean"}
DATE = text(format="date")
TIME = text("UTC, ISO 8601", format="date-time")
SHA256 = text(pattern="^[0-9a-f]{64}$")
MAYBE_TEXT: JsonSchema = {"type": ["string", "null"]}
PAIR = text("such as EURUSD", pattern="^[A-Z]{6}$")
FRESHNESS: dict[str, JsonSchema] = {
    "checked_at": {**TIME, "description": "when the store was last asked for a newer forecast, champion or record"},
    "stale": {
        **YES_NO,
        "description": "the store could not be asked since, no newer forecast could be made, or it is late or expired",
    },
    "stale_reason": MAYBE_TEXT,
}
