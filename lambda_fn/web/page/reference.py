"""The API reference as plain data: the members of an answer, an example of it, and the errors of several routes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

MAX_DEPTH = 4  # of the members that are listed; deeper ones are in openapi.json
SAMPLES = {"date": "2026-11-02", "date-time": "2026-10-30T16:10:00Z"}  # by format
PATTERNS = {"^[A-Z]{6}$": "EURUSD", "^[0-9a-f]{64}$": "0123456789abcdef" * 4}
Schema = Mapping[str, Any]


class Member(NamedTuple):
    """A member of an answer; its name has the path to it, for example `forecast[].mean`."""

    name: str
    type: str
    description: str


class Document(NamedTuple):
    """An OpenAPI document."""

    content: Mapping[str, Any]

    def resolve(self, part: Schema) -> Schema:
        """Return what a part refers to, or the part itself; its own description wins."""
        if "$ref" not in part:
            return part
        target: Any = self.content
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        resolved = self.resolve(target)
        return {**resolved, "description": part["description"]} if "description" in part else resolved

    def common_errors(self) -> list[tuple[str, str]]:
        """Return (status, description) of each error that several operations have."""
        counts = Counter(
            (status, str(self.resolve(answer)["description"]))
            for methods in self.content["paths"].values()
            for operation in methods.values()
            for status, answer in operation["responses"].items()
            if status != "200"
        )
        return sorted(error for error, count in counts.items() if count > 1)

    def members(self, schema: Schema, prefix: str = "", depth: int = 0) -> Iterator[Member]:
        """Yield the members of an object, and those of the objects in it."""
        schema = self.resolve(schema)
        for choice in schema.get("anyOf", schema.get("oneOf", ())):
            yield from self.members(choice, prefix, depth)
        if schema.get("type") == "array":
            yield from self.members(schema["items"], f"{prefix}[]", depth)
        for name, part in schema.get("properties", {}).items():
            path = f"{prefix}.{name}" if prefix else name
            member = self.resolve(part)
            yield Member(path, self.type_of(member), str(member.get("description", "")))
            if depth + 1 < MAX_DEPTH:
                yield from self.members(member, path, depth + 1)

    def type_of(self, schema: Schema) -> str:
        """Return the type of a value as text, for example "array of numbers or null"."""
        schema = self.resolve(schema)
        if choices := schema.get("anyOf", schema.get("oneOf")):
            return " or ".join(dict.fromkeys(self.type_of(choice) for choice in choices))
        if "enum" in schema:
            return " | ".join("null" if value is None else str(value) for value in schema["enum"])
        kind = schema.get("type", "any")
        if kind == "array":
            return f"array of {self.type_of(schema['items'])}"
        return kind if isinstance(kind, str) else " or ".join(kind)

    def sample(self, schema: Schema, depth: int = 0) -> Any:
        """Return an example of a value: the one in the schema, or one made from its type."""
        schema = self.resolve(schema)
        if "example" in schema:
            return schema["example"]
        if choices := schema.get("anyOf", schema.get("oneOf")):
            return self.sample(choices[0], depth)
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type", "object")
        kind = kind if isinstance(kind, str) else kind[0]
        if kind == "object":
            if "properties" in schema:
                parts = schema["properties"].items()
                return {name: self.sample(part, depth + 1) for name, part in parts}
            values = schema.get("additionalProperties")
            return {"name": self.sample(values, depth + 1)} if isinstance(values, Mapping) and values else {}
        if kind == "array":
            return [self.sample(schema["items"], depth + 1)]
        if kind == "string":
            return PATTERNS.get(schema.get("pattern", ""), SAMPLES.get(schema.get("format", ""), "text"))
        return {"integer": schema.get("minimum", 1), "number": 1.1, "boolean": False}.get(kind)
