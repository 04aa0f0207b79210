"""HTTP responses with ETag, Cache-Control and gzip, cached while their record is unchanged."""

import binascii
import json
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

from lambda_fn.web.errors import MAX_ANSWER_BYTES, PROBLEM_JSON, Problem, answer_too_large
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.request import Request, accepts_gzip

JSON = "application/json"
NO_STORE = "no-store"
VARY = "Accept, Accept-Encoding"  # a path can have several forms, each of them compressed or not
COMPRESSED_FROM = 1000  # bytes: below that compression saves nothing
MAX_CACHED_RESPONSES = 256
MAX_CACHED_CHARACTERS = 8_000_000  # of the responses and their queries; beyond either limit the cache starts anew


class Version(NamedTuple):
    """What a response was made of: equal versions give equal responses.

    `until` is when the store is checked again, seconds since 1970; None while it does not answer.
    """

    etag: str
    checked_at: float
    day: int
    until: float | None


class Text(NamedTuple):
    """The content of a response that is not JSON: a page or a table."""

    media_type: str
    text: str
    headers: Mapping[str, str] = {}


class Response(NamedTuple):
    """An HTTP response. The body is text, or bytes where it is compressed.

    `problem` is the error that it reports; `pair` and `generation` say what it was about, for metrics.
    """

    status: int
    headers: dict[str, str]
    body: str | bytes
    problem: Problem | None = None
    pair: str | None = None
    generation: int | None = None


class Representation:
    """The content of a response, from which the response to each request is made.

    `etag` names the content; a cache may keep it `until` then. Both are None for what must not be cached.
    """

    def __init__(
        self, status: int, text: str, headers: Mapping[str, str], etag: str | None = None, until: float | None = None
    ) -> None:
        self.status, self.text, self.headers, self.etag, self.until = status, text, headers, etag, until
        self._gzip: bytes | None = None

    @classmethod
    def of(cls, content: JsonObject | Text, version: Version | None = None, status: int = 200) -> "Representation":
        """Serialise the content. Without a version it must not be cached. Raises Problem when it is too large."""
        if isinstance(content, Text):
            text, headers = content.text, {"Content-Type": content.media_type, **content.headers}
        else:
            text, headers = json.dumps(content, allow_nan=False), {"Content-Type": JSON}
        if len(text) > MAX_ANSWER_BYTES:
            raise answer_too_large()
        if version is None:
            return cls(status, text, headers)
        if not isinstance(content, Text):  # `checked_at` changes although nothing else does
            named = json.dumps({name: value for name, value in content.items() if name != "checked_at"})
        else:
            named = text
        return cls(status, text, headers, _etag(named, version), version.until)

    @classmethod
    def of_problem(cls, problem: Problem) -> "Representation":
        return cls(problem.status, problem.body(), {"Content-Type": PROBLEM_JSON, **problem.headers})

    def respond(self, request: Request, now: float) -> Response:
        """Return the response to a request: without a body when the caller has it, and compressed if accepted."""
        cache_control = NO_STORE if self.until is None else f"max-age={max(int(self.until - now), 0)}"
        headers = {"Cache-Control": cache_control, "Vary": VARY, **self.headers}
        if self.etag is not None:
            headers["ETag"] = self.etag
            validator = request.headers.get("if-none-match")
            if validator is not None and _matches(self.etag, validator):
                del headers["Content-Type"]
                return Response(304, headers, "")
        if len(self.text) < COMPRESSED_FROM or not accepts_gzip(request.headers.get("accept-encoding")):
            return Response(self.status, headers, self.text)
        headers["Content-Encoding"] = "gzip"
        return Response(self.status, headers, self._compressed())

    def _compressed(self) -> bytes:
        if self._gzip is None:
            from zlib import MAX_WBITS, compressobj  # only for callers that accept gzip

            gzip = compressobj(wbits=MAX_WBITS | 16)  # zlib's way to gzip's format, without a time in it
            self._gzip = gzip.compress(self.text.encode()) + gzip.flush()
        return self._gzip


class ResponseCache:
    """Keeps representations: those of records as long as the version stays, and static ones for good."""

    def __init__(self) -> None:
        self._static: dict[Hashable, Representation] = {}
        self._characters = 0
        self._entries: dict[Hashable, tuple[Version, Representation]] = {}

    def get(
        self, key: Hashable, query: Mapping[str, str], version: Version, make: Callable[[], JsonObject | Text]
    ) -> Representation:
        """Return the representation of this version, and make it if it is not cached.

        Args:
            key: names the pair and the handler.
            query: the parameters on which the content depends.
            version: of the records that the content is made of.
            make: returns the content.
        """
        full_key = key, tuple(query.items())
        entry = self._entries.get(full_key)
        if entry is None or entry[0] != version:
            entry = version, Representation.of(make(), version)
            size = len(entry[1].text)
            self._characters += size + sum(map(len, (*query, *query.values())))
            if len(self._entries) >= MAX_CACHED_RESPONSES or self._characters > MAX_CACHED_CHARACTERS:
                self._entries.clear()
                self._characters = size
            self._entries[full_key] = entry
        return entry[1]

    def get_static(self, key: Hashable, make: Callable[[], JsonObject | Text]) -> Representation:
        """Return a representation that changes with a release only."""
        if key not in self._static:
            self._static[key] = Representation.of(make())
        return self._static[key]


def _etag(content: str, version: Version) -> str:
    """Return a weak ETag: what it names is not the same byte by byte.

    A checksum tells the responses from one record apart; a digest would need OpenSSL, which starts as slowly as the
    store.
    """
    record = "".join(letter for letter in version.etag if letter.isalnum())
    return f'W/"{record}-{binascii.crc32(content.encode()):08x}"'


def _matches(etag: str, validator: str) -> bool:
    """Compare weakly, as If-None-Match does (RFC 9110, section 13.1.2)."""
    validators = {part.strip().removeprefix("W/") for part in validator.split(",")}
    return "*" in validators or etag.removeprefix("W/") in validators
