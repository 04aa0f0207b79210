"""One HTTP request, whichever front it came through, and what it accepts.

Content negotiation is that of RFC 9110, sections 12.5.1 (Accept) and 12.5.3 (Accept-Encoding).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from lambda_fn.web.errors import bad_body, compressed_body

# A name that is no compression, such as the common mistake utf-8, says nothing about the bytes.
COMPRESSIONS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}


class Request(NamedTuple):
    """An HTTP request.

    Attributes:
        method: in capitals.
        path: decoded, without the stage of API Gateway.
        query: values by name; those of a repeated name are joined by commas.
        headers: by name in lower case.
        read_body: returns the bytes of the body, or raises ValueError when they cannot be decoded.
        path_args: values for the {names} in the path of the route.
        sent_path: the path as it arrived, for messages; that of `path` where it is None.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    read_body: Callable[[], bytes] = bytes
    path_args: Mapping[str, str] = {}
    sent_path: str | None = None

    def body(self) -> bytes:
        """Return the body. Raises Problem: 415 when it is compressed, 400 when it cannot be decoded."""
        encoding = self.headers.get("content-encoding", "")
        if {part.strip() for part in encoding.lower().split(",")} & COMPRESSIONS:
            raise compressed_body(encoding)
        try:
            return self.read_body()
        except ValueError as error:
            raise bad_body("body", f"the body cannot be read: {error}", "send JSON in UTF-8") from error


def parse_query_string(text: str) -> dict[str, str]:
    """Return the parameters of a query string; values of a repeated name are joined by commas."""
    from urllib.parse import parse_qsl  # API Gateway has parsed the query already

    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """Return the offered media type that the caller prefers; the first of equals, and where it accepts none."""
    weights = _parse(accept or "*/*")
    return max(offered, key=lambda name: _weight_of(weights, name))


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Return True when the body may be compressed by gzip."""
    weights = _parse(accept_encoding or "")
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _weight_of(weights: Mapping[str, float], name: str) -> float:
    """Return the weight of a media type; the most specific range decides."""
    for range_name in (name, f"{name.partition('/')[0]}/*", "*/*"):
        if range_name in weights:
            return weights[range_name]
    return 0.0


@lru_cache(64)  # callers send few different ones, again and again
def _parse(header: str) -> Mapping[str, float]:
    """Return the weight of each name in a header, in lower case. What is not a weight counts as 0."""
    weights = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        qualities = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
        weights[name] = _weight(qualities[0]) if qualities else 1.0
    return weights


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
