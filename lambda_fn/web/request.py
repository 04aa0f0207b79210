"""One HTTP request, whichever front it came through."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lambda_fn.web.errors import bad_body, compressed_body

# A name that is no compression, such as the common mistake utf-8, says nothing about the bytes.
COMPRESSIONS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}


class Request(NamedTuple):
    """An HTTP request.

    Attributes:
        method: in capitals.
        path: decoded, as it was sent but for the stage of API Gateway.
        query: values by name; those of a repeated name are joined by commas.
        headers: by name in lower case.
        read_body: returns the bytes of the body, or raises ValueError when they cannot be decoded.
        path_args: values for the {names} in the path of the route.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    read_body: Callable[[], bytes] = bytes
    path_args: Mapping[str, str] = {}

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
