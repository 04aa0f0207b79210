"""Base classes of the errors that end a command; each package derives its own, so that nothing has to list them."""


class NamedError(Exception):
    """An error whose message names what is wrong and the cure. A command prints it and exits with code 2."""


class TemporaryError(NamedError):
    """A temporary failure, so a retry may succeed: a command prints it and exits with code 75."""
