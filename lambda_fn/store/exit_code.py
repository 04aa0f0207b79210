"""With which code a command ends, so that a job knows whether another try helps."""

from lambda_fn.settings import SettingsError
from lambda_fn.store.object_store import Misconfigured, Unavailable

MISTAKE = 2  # wrong by configuration: another try would be the same
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: a store that does not answer, and credentials that have expired


def code_of(error: Exception) -> int:
    """Of a command that ends with this error."""
    if isinstance(error, Unavailable) and not isinstance(error, Misconfigured):
        return TRY_AGAIN
    return MISTAKE if isinstance(error, SettingsError | Misconfigured) else 1
