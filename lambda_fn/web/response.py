"""Answers as bytes that are ready: the same question of the same records is asked again and again."""

import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lambda_fn.web.errors import MAX_ANSWER_BYTES, PROBLEM_JSON, Problem, answer_too_large
from lambda_fn.web.forecast import JsonObject

JSON = "application/json"
NO_STORE = "no-store"
VARY = "Accept, Accept-Encoding"  # a path can have several forms, each of them compressed or not
COMPRESSED_FROM = 1000  # bytes: below that compression saves nothing
MAX_ANSWERS = 256  # that are cached, and
MAX_CACHED_CHARACTERS = 8_000_000  # of them and their queries together; beyond either the cache starts anew


class Version(NamedTuple):
    """What an answer was made of: equal versions give equal answers. `until` is when the store is looked at again,
    seconds since 1970, None while it does not answer."""

    etag: str
    checked_at: float
    day: int
    until: float | None


class Caller(NamedTuple):
    """What the caller has and takes: its If-None-Match, and whether a body may be compressed by gzip."""

    validator: str | None = None
    gzip: bool = False


class Text(NamedTuple):
    """What an operation gives that is no JSON: a page or a table."""

    media_type: str
    text: str
    headers: Mapping[str, str] = {}


class Answer:
    """One answer. `etag` is of its content, None where there is none; a cache may keep it `until` then."""

    def __init__(
        self, status: int, body: str, headers: Mapping[str, str], etag: str | None = None, until: float | None = None
    ) -> None:
        self.status, self.body, self.headers, self.etag, self.until = status, body, headers, etag, until
        self._packed: str | None = None

    @classmethod
    def of(cls, found: JsonObject | Text, version: Version | None = None, status: int = 200) -> "Answer":
        """Without a version no cache may keep it. Raises Problem when it is too large."""
        text, headers = _parts(found)
        if len(text) > MAX_ANSWER_BYTES:
            raise answer_too_large()
        if version is None:
            return cls(status, text, headers)
        return cls(status, text, headers, _etag(_content(found, text), version), version.until)

    @classmethod
    def of_problem(cls, problem: Problem) -> "Answer":
        return cls(problem.status, problem.body(), {"Content-Type": PROBLEM_JSON, **problem.headers})

    @classmethod
    def of_options(cls, methods: Sequence[str]) -> "Answer":
        """What OPTIONS asks: the methods that a path answers. Who may call from another origin is the gateway's say."""
        return cls(204, "", {"Allow": ", ".join([*methods, "OPTIONS"])})

    def to_gateway(self, caller: Caller, now: float) -> dict[str, Any]:
        """As API Gateway wants it; without its body when the caller has what the ETag names."""
        keep = NO_STORE if self.until is None else f"max-age={max(int(self.until - now), 0)}"
        headers = {"Cache-Control": keep, "Vary": VARY, **self.headers}
        if self.etag is not None:
            headers["ETag"] = self.etag
            if caller.validator is not None and _matches(self.etag, caller.validator):
                del headers["Content-Type"]
                return {"statusCode": 304, "headers": headers, "body": "", "isBase64Encoded": False}
        if not caller.gzip or len(self.body) < COMPRESSED_FROM:
            return {"statusCode": self.status, "headers": headers, "body": self.body, "isBase64Encoded": False}
        headers["Content-Encoding"] = "gzip"
        return {"statusCode": self.status, "headers": headers, "body": self._compressed(), "isBase64Encoded": True}

    def _compressed(self) -> str:
        """Once for all callers, in base64: the gateway's events hold text alone."""
        if self._packed is None:
            from base64 import b64encode  # these only for who takes it compressed
            from zlib import MAX_WBITS, compressobj

            packing = compressobj(wbits=MAX_WBITS | 16)  # zlib's way to gzip's form, without a time in it
            self._packed = b64encode(packing.compress(self.body.encode()) + packing.flush()).decode()
        return self._packed


class Answers:
    """Caches answers: those of records as long as the version stays, and static ones for good."""

    def __init__(self) -> None:
        self._static: dict[str, Answer] = {}
        self._characters = 0
        self._ready: dict[tuple[tuple[str, str], tuple[tuple[str, str], ...]], tuple[Version, Answer]] = {}

    def get(
        self,
        operation: tuple[str, str],
        query: Mapping[str, str],
        version: Version,
        make: Callable[[], JsonObject | Text],
    ) -> Answer:
        """The answer of this version, made when it is not ready. `operation` is the pair's and the name of its own."""
        key = operation, tuple(query.items())
        found = self._ready.get(key)
        if found is None or found[0] != version:
            found = version, Answer.of(make(), version)
            self._characters += len(found[1].body) + sum(map(len, (*query, *query.values())))
            if len(self._ready) >= MAX_ANSWERS or self._characters > MAX_CACHED_CHARACTERS:
                self._ready.clear()
                self._characters = len(found[1].body)
            self._ready[key] = found
        return found[1]

    def get_static(self, operation: str, make: Callable[[], JsonObject | Text]) -> Answer:
        """Return the answer of an operation that changes with a release only."""
        if operation not in self._static:
            self._static[operation] = Answer.of(make())
        return self._static[operation]


def _parts(found: JsonObject | Text) -> tuple[str, dict[str, str]]:
    """The body and its headers."""
    if isinstance(found, Text):
        return found.text, {"Content-Type": found.media_type, **found.headers}
    return _text(found), {"Content-Type": JSON}


def _content(found: JsonObject | Text, text: str) -> str:
    """What the ETag is of: without `checked_at`, as the store was looked at again and nothing else changed."""
    if isinstance(found, Text):
        return text
    return _text({name: value for name, value in found.items() if name != "checked_at"})


def _text(found: JsonObject) -> str:
    return json.dumps(found, allow_nan=False)


def _etag(content: str, version: Version) -> str:
    """Weak, as what it names is not the same byte by byte.

    A sum tells apart what is answered of one record; a digest would need OpenSSL, which starts as slowly as the store.
    """
    record = "".join(letter for letter in version.etag if letter.isalnum())
    return f'W/"{record}-{binascii.crc32(content.encode()):08x}"'


def _matches(etag: str, validator: str) -> bool:
    """If-None-Match compares weakly (RFC 9110, section 13.1.2)."""
    given = {part.strip().removeprefix("W/") for part in validator.split(",")}
    return "*" in given or etag.removeprefix("W/") in given
