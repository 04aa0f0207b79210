"""A registry of MLflow in memory that answers the REST API as the locked server does; `recorder` serves it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lambda_fn.champion.candidate import FILE, write_candidate
from lambda_fn.contract import Pointer
from lambda_fn.registry.mlflow_client import MODEL_FILE
from tests.support.recorder import Asked, Reply, recording

CREATED_MS = 1_793_376_300_000
_API = "/api/2.0/mlflow/"
_FILES = "/api/2.0/mlflow-artifacts/artifacts/"


@dataclass
class RegistryFake:
    """`files` are those of each version, `aliases` the versions by model and alias, `tags` those of each version."""

    files: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    tags: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    is_down: bool = False
    fails_to_change: bool = False
    address: str = ""

    def register(self, pointer: Pointer, data: bytes, candidate: bytes | None = b"") -> tuple[str, str]:
        """Add a version with its candidate: that of the pointer, other bytes, or none."""
        key = (pointer.model_name, pointer.model_version)
        self.files[key] = {MODEL_FILE: data}
        if candidate is not None:
            self.files[key][FILE] = candidate or write_candidate(pointer)
        self.tags[key] = {"sha256": pointer.champion.sha256} if pointer.champion else {}
        return key

    def choose(self, model: str, version: str, alias: str = "champion") -> None:
        """What a click on MLflow's page does."""
        self.aliases[model, alias] = version

    def holders(self, alias: str = "champion") -> set[tuple[str, str]]:
        return {(model, version) for (model, name), version in self.aliases.items() if name == alias}

    def __call__(self, asked: Asked) -> Reply:
        if self.is_down:
            return Reply(503, b"")
        parts = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith(_FILES):
            return self._file(unquote(parts.path.removeprefix(_FILES)))
        if parts.path == _FILES.rstrip("/"):
            name, version = query["path"].split("/")
            return _json({"files": [{"path": path} for path in self.files[name, version]]})
        body = json.loads(asked.body) if asked.body else {}
        return self._answer(asked.method, parts.path.removeprefix(_API), query | body)

    def _file(self, path: str) -> Reply:
        name, version, file = path.split("/")
        data = self.files[name, version].get(file)
        return Reply(404, b"no such file") if data is None else Reply(200, data)

    def _answer(self, method: str, route: str, values: dict[str, Any]) -> Reply:
        if method != "GET" and self.fails_to_change:
            return Reply(500, b"")
        name, version = values.get("name", ""), values.get("version", "")
        if (method, route) == ("GET", "registered-models/alias"):
            version, route = self.aliases.get((name, values["alias"]), ""), "model-versions/get"
        match method, route:
            case "GET", "registered-models/search":
                names = sorted({model for model, _ in self.files})
                return _json({"registered_models": [self._model(model) for model in names]})
            case "GET", "model-versions/get" if (name, version) in self.files:
                tags = [{"key": key, "value": value} for key, value in self.tags[name, version].items()]
                found = {
                    "name": name,
                    "version": version,
                    "creation_timestamp": CREATED_MS,
                    "run_id": "r",
                    "tags": tags,
                }
                return _json({"model_version": found})
            case "GET", "model-versions/get-download-uri" if (name, version) in self.files:
                return _json({"artifact_uri": f"mlflow-artifacts:/{name}/{version}"})
            case "POST", "model-versions/set-tag" if (name, version) in self.files:
                self.tags[name, version][values["key"]] = values["value"]
            case "POST", "registered-models/alias" if (name, version) in self.files:
                self.aliases[name, values["alias"]] = version
            case "DELETE", "registered-models/alias":
                self.aliases.pop((name, values["alias"]), None)
            case _:
                return Reply(404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": route}).encode())
        return _json({})

    def _model(self, name: str) -> dict[str, Any]:
        aliases = [{"alias": a, "version": v} for (model, a), v in self.aliases.items() if model == name]
        return {"name": name} | ({"aliases": aliases} if aliases else {})


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode())


@contextmanager
def serving() -> Iterator[RegistryFake]:
    """An empty registry at its `address`."""
    registry = RegistryFake()
    with recording(registry) as recorder:
        registry.address = recorder.address
        yield registry
