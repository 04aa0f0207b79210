"""HTTP responses with ETag, Cache-Control and gzip, cached while their record is unchanged."""

import binascii
import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from lambda_fn.web.errors import MAX_ANSWER_BYTES, PROBLEM_JSON, Problem, answer_too_large
from lambda_fn.web.request import Request, accepts_gzip

JSON, CSV, HTML, SVG = "application/json", "text/csv", "text/html", "image/svg+xml"
NO_STORE = "no-store"
VARY = "Accept, Accept-Encoding"  # a path can have several media types, each compressed or not
COMPRESSED_FROM = 1000  # bytes: below that compression saves nothing
JsonObject = dict[str, Any]
# Members of several answers. In `Annotated` a text is a description, and a pair is a keyword of JSON Schema, both for
# the OpenAPI document (`web.openapi`).
DateText = Annotated[str, ("format", "date")]
TimeText = Annotated[str, "UTC, ISO 8601", ("format", "date-time")]
PairCode = Annotated[str, "currency pair, for example EURUSD", ("pattern", "^[A-Z]{6}$")]
MAX_CACHED_RESPONSES = 256
MAX_CACHED_CHARACTERS = 8_000_000  # of the responses and their queries; beyond either limit the cache is cleared


class Version(NamedTuple):
    """The version of a response's source: equal versions give equal responses.

    Attributes:
        etag: ETag of the source in the store.
        checked_at: last successful check of the store, seconds since 1970.
        day: ordinal of the UTC day, on which ages depend.
        until: next check of the store, seconds since 1970; None while the store fails.
        is_final: the source will not change any more, so caches need not ask before `until`.
    """

    etag: str
    checked_at: float
    day: int
    until: float | None
    is_final: bool = False


class Text(NamedTuple):
    """Content that is not JSON: a page or a table."""

    media_type: str
    text: str
    headers: Mapping[str, str] = {}

    @classmethod
    def of_table(cls, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]], decimal: str = ".") -> "Text":
        """Return a table as CSV for pandas and spreadsheets.

        Args:
            name: that of the file in which it may be saved.
            header: the titles.
            rows: the cells.
            decimal: the decimal mark; with a comma, semicolons separate the cells.
        """
        import csv  # only for CSV
        import io

        text = io.StringIO()
        if decimal == ",":
            rows = ([str(cell).replace(".", ",") if isinstance(cell, float) else cell for cell in row] for row in rows)
        writer = csv.writer(text, lineterminator="\n", delimiter=";" if decimal == "," else ",")
        writer.writerow(header)
        writer.writerows(rows)
        return cls(f"{CSV}; charset=utf-8", text.getvalue(), {"Content-Disposition": f'inline; filename="{name}"'})


Content = Mapping[str, Any] | Text  # a JSON object, or something else


class Response(NamedTuple):
    """An HTTP response.

    Attributes:
        status: the HTTP status.
        headers: HTTP headers by name.
        body: text; bytes if it is compressed.
        problem: the error that it reports.
        pair: the pair that was requested, for metrics.
        generation: the generation that was served, for metrics.
    """

    status: int
    headers: dict[str, str]
    body: str | bytes
    problem: Problem | None = None
    pair: str | None = None
    generation: int | None = None


class Representation:
    """Content from which the response to each request is made."""

    def __init__(
        self,
        status: int,
        text: str,
        headers: Mapping[str, str],
        etag: str | None = None,
        until: float | None = None,
        is_final: bool = False,
    ) -> None:
        """Create a representation.

        Args:
            status: the HTTP status.
            text: the body.
            headers: those of the content.
            etag: identifies the content; None if it must not be cached.
            until: the time up to which a cache may keep it, seconds since 1970; None if it must not.
            is_final: as in Version.
        """
        self.status, self.text, self.headers, self.etag, self.until = status, text, headers, etag, until
        self._is_final = is_final
        self._gzip: bytes | None = None

    @classmethod
    def of(cls, content: Content, version: Version | None = None, status: int = 200) -> "Representation":
        """Serialise the content. Without a version it must not be cached. Raises Problem (400) if it is too large."""
        if isinstance(content, Text):
            text, headers = content.text, {"Content-Type": content.media_type, **content.headers}
        else:
            text, headers = json.dumps(content, allow_nan=False), {"Content-Type": JSON}
        if len(text) > MAX_ANSWER_BYTES:
            raise answer_too_large()
        if version is None:
            return cls(status, text, headers)
        stable_text = text
        if not isinstance(content, Text):  # `checked_at` changes even if nothing else does
            stable = {**content}
            stable.pop("checked_at", None)
            stable_text = json.dumps(stable)
        # A checksum tells the responses from one record apart. A digest would need OpenSSL, which takes as long to
        # start as the store. The ETag is weak because `checked_at` is not part of it.
        record = "".join(filter(str.isalnum, version.etag))
        etag = f'W/"{record}-{binascii.crc32(stable_text.encode()):08x}"'
        return cls(status, text, headers, etag, version.until, version.is_final)

    @classmethod
    def of_problem(cls, problem: Problem) -> "Representation":
        """Return the error response of a problem."""
        return cls(problem.status, problem.body(), {"Content-Type": PROBLEM_JSON, **problem.headers})

    def respond(self, request: Request, now: float) -> Response:
        """Return the response to a request: 304 if the caller has this content, compressed if the caller accepts it.

        `now` is in seconds since 1970.
        """
        cache_control = NO_STORE if self.until is None else f"max-age={max(int(self.until - now), 0)}"
        if self.until is not None and self._is_final:
            cache_control += ", immutable"  # RFC 8246
        headers = {"Cache-Control": cache_control, "Vary": VARY, **self.headers}
        if self.etag is not None:
            headers["ETag"] = self.etag
            if (validator := request.headers.get("if-none-match")) is not None:
                # compared weakly: RFC 9110, section 13.1.2
                validators = {part.strip().removeprefix("W/") for part in validator.split(",")}
                if "*" in validators or self.etag.removeprefix("W/") in validators:
                    del headers["Content-Type"]
                    return Response(304, headers, "")
        if len(self.text) < COMPRESSED_FROM or not accepts_gzip(request.headers.get("accept-encoding")):
            return Response(self.status, headers, self.text)
        headers["Content-Encoding"] = "gzip"
        if self._gzip is None:
            from zlib import MAX_WBITS, compressobj  # only for callers that accept gzip

            gzip = compressobj(wbits=MAX_WBITS | 16)  # the gzip format without a timestamp
            self._gzip = gzip.compress(self.text.encode()) + gzip.flush()
        return Response(self.status, headers, self._gzip)


class ResponseCache:
    """Caches representations: those of a record while its version is unchanged, static ones for good."""

    def __init__(self) -> None:
        self._static: dict[Hashable, Representation] = {}
        self._characters = 0
        self._entries: dict[Hashable, tuple[Version, Representation]] = {}

    def get(
        self, key: Hashable, query: Mapping[str, str], version: Version, make: Callable[[], Content]
    ) -> Representation:
        """Return the representation of this version. Make it if it is not cached.

        Args:
            key: identifies the pair and the handler.
            query: the parameters on which the content depends.
            version: the version of the content's source.
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

    def get_static(self, key: Hashable, make: Callable[[], Content]) -> Representation:
        """Return a representation that changes only with a release. Make it if it is not cached."""
        if key not in self._static:
            self._static[key] = Representation.of(make())
        return self._static[key]
