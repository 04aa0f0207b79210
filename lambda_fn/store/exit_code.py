"""Exit codes of commands (sysexits.h): 2 configuration, 75 temporary failure, 1 any other error."""

from lambda_fn.settings import SettingsError
from lambda_fn.store.object_store import Misconfigured, Unavailable

CONFIGURATION_ERROR = 2  # a retry would fail in the same way
TEMPORARY_FAILURE = 75  # EX_TEMPFAIL of sysexits.h: the store does not answer, or credentials have expired


def exit_code(error: Exception) -> int:
    """Return the exit code of a command that ends with this error."""
    if isinstance(error, Unavailable) and not isinstance(error, Misconfigured):
        return TEMPORARY_FAILURE
    return CONFIGURATION_ERROR if isinstance(error, SettingsError | Misconfigured) else 1
