"""Error responses: one form for every error, in Lambda and in the server (problem details, RFC 9457)."""

import json
from collections.abc import Mapping

from lambda_fn.fields import ContractError
from lambda_fn.store.cache import NothingToServe, Unavailability

PROBLEM_JSON = "application/problem+json"

NOTHING_YET = "nothing_to_serve"
"""Code of a service without a first champion: 503, because nothing can be served, but not counted as a failure."""

MAX_BODY = 1024 * 1024
"""Bytes of a request body that are read. 513 closes take about 4 KB, so 100 series fit."""

MAX_SERIES = 100
"""Series of one request."""

MAX_ANSWER_BYTES = 4_500_000
"""Bytes of a response body. Lambda's own limit is 6 MB for the whole result."""

RETRY_AFTER_S = 60
"""Seconds, for errors that only new prices or a new champion end."""

_SEE_LOG = "the operator finds the reason in the log"
# Code, message and cure (besides a retry) by reason. An expired forecast brings its own message. They name no endpoint,
# bucket, folder or account: where the store is, and what it answered, is in the log alone.
_NOTHING_TO_SERVE: dict[Unavailability, tuple[str, str, str]] = {
    "nothing yet": (
        NOTHING_YET,
        "no forecast of {pair} yet: no model has been deployed",
        "the operator deploys the first one with eurusd run --pairs {pair}",
    ),
    "missing": (
        "record_missing",
        "the stored forecast or record of {pair} is missing, although a model was deployed",
        "the operator rebuilds it with eurusd refresh --pair {pair}",
    ),
    "damaged": (
        "record_damaged",
        "the stored forecast or record of {pair} is damaged, or its format is unknown to this version",
        f"{_SEE_LOG}; eurusd refresh --pair {{pair}} rebuilds it",
    ),
    "expired": (
        "forecast_expired",
        "",
        "no new prices arrive: the operator finds the command in the log",
    ),
    "store": ("store_unavailable", "the store does not respond, and nothing is cached yet", _SEE_LOG),
    "unexpected": ("unexpected_error", "the stored forecast or record cannot be read: unexpected error", _SEE_LOG),
}


class Problem(Exception):
    """An HTTP error response.

    Args:
        status: the HTTP status: 4xx if the caller can correct it, 5xx otherwise.
        code: a short name for programs.
        message: what is wrong, in one sentence that contains the value.
        cure: what to do about it, in one sentence.
        field: the place in the request, for example `series[2].close[17]`; None if no field is wrong.
        headers: further HTTP headers, for example Retry-After.
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
        """Return the JSON text of the response: the members of RFC 9457, then `code`, `field` (if any) and `cure`.

        `error` repeats them in the format that preceded RFC 9457 here; it stays for this version of the API.
        """
        from http import HTTPStatus  # only for an error

        field = {} if self.field is None else {"field": self.field}
        members = {
            "type": "about:blank",  # the status says what kind of problem it is
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            **field,
            "cure": self.cure,
            "error": {"code": self.code, "message": self.message, **field, "cure": self.cure},
        }
        return json.dumps(members)


def to_problem(error: Exception, pair: str) -> Problem:
    """Return the HTTP error for an exception of a handler: the problem itself, 503 with Retry-After, or else 500.

    A 503 names the pair that was requested.
    """
    match error:
        case Problem():
            return error
        case NothingToServe():
            reason, retry_after_s = error.reason, error.retry_after_s
        case ContractError():
            reason, retry_after_s = "damaged", RETRY_AFTER_S
        case _:
            return Problem(500, "internal_error", "unexpected error; it has been logged", "retry, or report it")
    code, *sentences = _NOTHING_TO_SERVE[reason]
    message, cure = (sentence.format(pair=pair) for sentence in sentences)
    headers = {"Retry-After": str(retry_after_s)}
    return Problem(503, code, message or str(error), f"retry after {retry_after_s} s; {cure}", headers=headers)


def bad_query(field: str, message: str, cure: str) -> Problem:
    """Return a 400 for a query parameter."""
    return Problem(400, "bad_query", message, cure, field=field)


def bad_body(field: str, message: str, cure: str) -> Problem:
    """Return a 400 for a place in the request body."""
    return Problem(400, "bad_body", message, cure, field=field)


def too_large() -> Problem:
    """Return a 413 for a body over MAX_BODY."""
    return Problem(
        413,
        "too_large",
        f"the body is larger than {MAX_BODY:,} bytes",
        "send fewer series per request, or only the most recent closes of each",
        field="body",
    )


def compressed_body(encoding: str) -> Problem:
    """Return a 415 for a compressed body (RFC 9110, section 15.5.16)."""
    return Problem(
        415,
        "compressed_body",
        f"the body is compressed: Content-Encoding is {format_value(encoding)}",
        "send it uncompressed, without Content-Encoding",
        field="body",
        headers={"Accept-Encoding": "identity"},
    )


def answer_too_large() -> Problem:
    """Return a 400 for a response over MAX_ANSWER_BYTES."""
    message = f"the response would be larger than {MAX_ANSWER_BYTES:,} bytes"
    return Problem(400, "answer_too_large", message, "request fewer days, quantiles or series")


def format_value(value: object, width: int = 40) -> str:
    """Format any value for a message, as JSON of at most `width` characters."""
    if isinstance(value, list):
        return f"a list of {len(value)} values"
    # never the inside of an object, which may be nested deeper than Python can recurse
    text = "an object" if isinstance(value, dict) else json.dumps(value)
    return text if len(text) <= width else text[: width - 3] + "..."


def format_name(name: str) -> str:
    """Format a name from the request as the `field` of a Problem: escaped and cut; quotes only if empty."""
    text = json.dumps(name)[1:-1] or '""'
    return text if len(text) <= 40 else text[:37] + "..."
