"""HTTP requests, independent of Lambda and the server, and content negotiation.

Negotiation follows RFC 9110, sections 12.5.1 (Accept) and 12.5.3 (Accept-Encoding).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from lambda_fn.web.errors import bad_body, compressed_body

# Other names, for example the common mistake utf-8, say nothing about the bytes.
COMPRESSIONS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}


class Request(NamedTuple):
    """An HTTP request.

    Attributes:
        method: the HTTP method, in capitals.
        path: the decoded path, without the stage of API Gateway.
        query: query parameters by name; values of a repeated name are joined by commas.
        headers: HTTP headers by name in lower case.
        read_body: returns the bytes of the body, or raises ValueError if they cannot be decoded.
        path_args: values of the {names} in the path of the route.
        sent_path: the path as it arrived, for messages; None if that is `path`.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    read_body: Callable[[], bytes] = bytes
    path_args: Mapping[str, str] = {}
    sent_path: str | None = None

    def body(self) -> bytes:
        """Return the body. Raises Problem: 415 if it is compressed, 400 if it cannot be decoded."""
        encoding = self.headers.get("content-encoding", "")
        if {part.strip() for part in encoding.lower().split(",")} & COMPRESSIONS:
            raise compressed_body(encoding)
        try:
            return self.read_body()
        except ValueError as error:
            raise bad_body("body", f"the body cannot be read: {error}", "send JSON in UTF-8") from error


def parse_query_string(text: str) -> dict[str, str]:
    """Return the parameters of a query string; values of a repeated name are joined by commas."""
    from urllib.parse import parse_qsl  # not needed in Lambda: API Gateway parses the query

    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


def choose_media_type(accept: str | None, offered: Sequence[str]) -> str:
    """Return the offered media type with the highest weight in Accept; the first of equals, or if none is accepted."""
    weights = _parse_weights(accept or "*/*")

    def weight(media_type: str) -> float:
        ranges = media_type, f"{media_type.partition('/')[0]}/*", "*/*"  # the most specific one decides
        return next((weights[name] for name in ranges if name in weights), 0.0)

    return max(offered, key=weight)


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Return True if Accept-Encoding allows gzip."""
    if not accept_encoding:
        return False
    weights = _parse_weights(accept_encoding)
    return weights.get("gzip", weights.get("*", 0.0)) > 0


@lru_cache(64)  # callers send few different headers
def _parse_weights(header: str) -> Mapping[str, float]:
    """Return the weight of each name in a header, in lower case. An invalid weight counts as 0."""
    weights = {}
    for part in header.lower().split(","):
        name, *parameters = map(str.strip, part.split(";"))
        weight = 1.0
        for text in parameters:
            if text.startswith("q="):
                try:
                    weight = float(text.removeprefix("q="))
                except ValueError:
                    weight = 0.0
                break
        weights[name] = weight if 0 <= weight <= 1 else 0.0
    return weights
