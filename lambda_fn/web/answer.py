"""Answers as bytes that are ready: the same question of the same records is asked again and again."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.problem import Problem

JSON = "application/json"
NO_STORE = "no-store"
MOST = 256  # answers that are kept ready; with more different questions than that they are made anew


class Version(NamedTuple):
    """What an answer was made of: equal versions give equal answers. `until` is when the store is looked at again,
    seconds since 1970, None while it does not answer."""

    etag: str
    checked_at: float
    day: int
    until: float | None


@dataclass(frozen=True)
class Answer:
    """One answer. `etag` is of its content, None where there is none; a cache may keep it `until` then."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    until: float | None = None

    @classmethod
    def of(cls, found: JsonObject, version: Version | None = None) -> "Answer":
        """A 200; without a version nobody may keep it."""
        if version is None:
            return cls(200, _text(found))
        return cls(200, _text(found), etag=_etag(found), until=version.until)

    @classmethod
    def of_problem(cls, problem: Problem) -> "Answer":
        return cls(problem.status, problem.body(), problem.headers)

    @classmethod
    def of_options(cls, methods: Sequence[str]) -> "Answer":
        """What OPTIONS asks: the methods that a path answers. Who may call from another origin is the gateway's say."""
        return cls(204, "", {"Allow": ", ".join([*methods, "OPTIONS"])})

    def to_gateway(self, validator: str | None, now: float) -> dict[str, Any]:
        """As API Gateway wants it; without its body when `validator`, the caller's If-None-Match, has the ETag."""
        keep = NO_STORE if self.until is None else f"max-age={max(int(self.until - now), 0)}"
        headers = {"Content-Type": JSON, "Cache-Control": keep, **self.headers}
        if self.etag is not None:
            headers["ETag"] = self.etag
            if validator is not None and _matches(self.etag, validator):
                del headers["Content-Type"]
                return {"statusCode": 304, "headers": headers, "body": "", "isBase64Encoded": False}
        return {"statusCode": self.status, "headers": headers, "body": self.body, "isBase64Encoded": False}


class Answers:
    """Keeps answers ready as long as their version stays."""

    def __init__(self) -> None:
        self._ready: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[Version, Answer]] = {}

    def get(self, operation: str, query: Mapping[str, str], version: Version, make: Callable[[], JsonObject]) -> Answer:
        """The answer of this version, made when it is not ready."""
        key = operation, tuple(query.items())
        found = self._ready.get(key)
        if found is None or found[0] != version:
            if len(self._ready) >= MOST:
                self._ready.clear()
            found = self._ready[key] = version, Answer.of(make(), version)
        return found[1]


def _text(found: JsonObject) -> str:
    return json.dumps(found, allow_nan=False)


def _etag(found: JsonObject) -> str:
    """Weak, as `checked_at` is left out of it: the store was looked at again, and nothing else changed."""
    content = {name: value for name, value in found.items() if name != "checked_at"}
    return f'W/"{hashlib.sha256(_text(content).encode()).hexdigest()[:32]}"'


def _matches(etag: str, validator: str) -> bool:
    """If-None-Match compares weakly (RFC 9110, section 13.1.2)."""
    given = {part.strip().removeprefix("W/") for part in validator.split(",")}
    return "*" in given or etag.removeprefix("W/") in given
