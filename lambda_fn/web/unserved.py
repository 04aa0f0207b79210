"""Error responses for the reasons why nothing can be served.

They name no endpoint, bucket, folder or account: where the store is, and what it answered, is in the log alone.
"""

from lambda_fn.store.cache import NothingToServe, Unavailability
from lambda_fn.web.errors import NOTHING_YET, Problem

_SEE_LOG = "the operator finds the reason in the log"
# Code, message and cure (besides a retry) by reason. An expired forecast brings its own message.
_PROBLEMS: dict[Unavailability, tuple[str, str, str]] = {
    "nothing yet": (
        NOTHING_YET,
        "no forecast yet: no model has been deployed",
        "the operator deploys the first one with python -m training run",
    ),
    "missing": (
        "record_missing",
        "the stored forecast or record is missing, although a model was deployed",
        "the operator rebuilds it with python -m lambda_fn.refresh",
    ),
    "damaged": (
        "record_damaged",
        "the stored forecast or record is damaged, or its format is unknown to this version",
        f"{_SEE_LOG}; python -m lambda_fn.refresh rebuilds it",
    ),
    "expired": (
        "forecast_expired",
        "",
        "no new prices arrive: the operator runs python -m lambda_fn.ingest, then python -m lambda_fn.refresh",
    ),
    "store": ("store_unavailable", "the store does not respond, and nothing is cached yet", _SEE_LOG),
    "unexpected": ("unexpected_error", "the stored forecast or record cannot be read: unexpected error", _SEE_LOG),
}


def to_problem(error: NothingToServe) -> Problem:
    """Return the 503 with Retry-After for this reason."""
    headers = {"Retry-After": str(error.retry_after_s)}
    code, message, cure = _PROBLEMS[error.reason]
    return Problem(503, code, message or str(error), f"retry after {error.retry_after_s} s; {cure}", headers=headers)
