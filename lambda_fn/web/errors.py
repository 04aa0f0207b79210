"""What a caller is told when there is no answer: one form for every error, here and in the server (RFC 9457)."""

import json
from collections.abc import Mapping

PROBLEM_JSON = "application/problem+json"

NOTHING_YET = "nothing_to_serve"
"""The code of a service that was never trained: 503, as nothing can be served, and no error of its own."""

MAX_BODY = 1024 * 1024
"""Bytes of a request body that are read; 513 closes take about 4 KB, so 100 series fit."""

MAX_SERIES = 100
"""Series of one request."""


MAX_ANSWER_BYTES = 4_500_000
"""Bytes of an answer's body; Lambda's own limit is 6 MB with everything around it."""


class Problem(Exception):
    """An answer other than 200, as HTTP knows it.

    Args:
        status: the HTTP status, 4xx for what the caller can cure, 5xx otherwise.
        code: a short name that programs can compare.
        message: what is wrong, one sentence that names the value.
        cure: what to do about it, one sentence.
        field: where in the request, such as `series[2].close[17]`; None when no field is to blame.
        headers: further HTTP headers, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        cure: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.cure = status, code, message, cure
        self.field = field
        self.headers = dict(headers or {})

    def body(self) -> str:
        """The JSON text of PROBLEM_JSON: `type`, `title`, `status` and `detail`, then `code`, `field` (if any) and
        `cure`. `error` holds the same in the form before this one, for as long as this version of the API."""
        from http import HTTPStatus  # only where there is a problem

        place = {} if self.field is None else {"field": self.field}
        found = {
            "type": "about:blank",  # the status says what kind of problem it is
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            **place,
            "cure": self.cure,
            "error": {"code": self.code, "message": self.message, **place, "cure": self.cure},
        }
        return json.dumps(found)


def bad_query(field: str, message: str, cure: str) -> Problem:
    """400 for a query parameter."""
    return Problem(400, "bad_query", message, cure, field=field)


def bad_body(field: str, message: str, cure: str) -> Problem:
    """400 for a place in the request's body."""
    return Problem(400, "bad_body", message, cure, field=field)


def too_large() -> Problem:
    """413 for a body over MAX_BODY."""
    return Problem(
        413,
        "too_large",
        f"the body is larger than {MAX_BODY:,} bytes",
        "send fewer series at once, or only the last closes of each",
        field="body",
    )


def compressed_body(encoding: str) -> Problem:
    """415 for a body that is compressed (RFC 9110, section 15.5.16)."""
    return Problem(
        415,
        "compressed_body",
        f"the body is compressed: Content-Encoding is {shown(encoding)}",
        "send it as it is, without Content-Encoding",
        field="body",
        headers={"Accept-Encoding": "identity"},
    )


def answer_too_large() -> Problem:
    """400 for an answer over MAX_ANSWER_BYTES."""
    message = f"the answer would be larger than {MAX_ANSWER_BYTES:,} bytes"
    return Problem(400, "answer_too_large", message, "ask for fewer days, levels or series")


def shown(value: object, width: int = 40) -> str:
    """The value, as JSON would write it, as a short text for a message, whatever it is and however long."""
    if isinstance(value, list):
        return f"a list of {len(value)} values"
    # never the inside of an object: it may be nested deeper than Python can walk
    text = "an object" if isinstance(value, dict) else json.dumps(value)
    return text if len(text) <= width else text[: width - 3] + "..."


def shown_name(name: str) -> str:
    """A name from the request as the `field` of a Problem: escaped and cut, without quotes."""
    text = json.dumps(name)[1:-1]
    return text if len(text) <= 40 else text[:37] + "..."
