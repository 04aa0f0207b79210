"""What callers are told when nothing can be served: why, and what helps. Where the store is and what it said is for the
log alone."""

from lambda_fn.store.cache import NothingToServe, Unavailability
from lambda_fn.web.errors import NOTHING_YET, Problem

_LOG = "the operator finds the reason in the log"
# By what is lacking: code, message and what helps beside asking again; an expired forecast brings its own message.
_WORDS: dict[Unavailability, tuple[str, str, str]] = {
    "nothing yet": (
        NOTHING_YET,
        "there is no forecast yet: no champion was ever active",
        "the operator publishes the first one with python -m training run",
    ),
    "missing": (
        "record_missing",
        "what would be served is missing, though there was a champion",
        "the operator makes it again with python -m lambda_fn.refresh",
    ),
    "damaged": (
        "record_damaged",
        "what would be served is stored damaged or in a form that is not known here",
        f"{_LOG}; python -m lambda_fn.refresh makes it again",
    ),
    "expired": (
        "forecast_expired",
        "",
        "prices are not coming in: the operator runs python -m lambda_fn.ingest, then python -m lambda_fn.refresh",
    ),
    "store": ("store_unavailable", "the store does not answer, and nothing is in memory yet", _LOG),
    "unexpected": ("unexpected_error", "what would be served cannot be read: an unexpected error", _LOG),
}


def problem_of(error: NothingToServe) -> Problem:
    """503 with Retry-After, in words that name no endpoint, bucket, folder or account."""
    headers = {"Retry-After": str(error.retry_after_s)}
    code, message, helps = _WORDS[error.reason]
    cure = f"ask again after {error.retry_after_s} s; {helps}"
    return Problem(503, code, message or str(error), cure, headers=headers)
