"""The two kinds of errors that end a command: the rooms' own are of these, so that nobody lists them."""


class NamedError(Exception):
    """Something cannot be done as asked; the message names what and the cure. A command prints it, exit code 2."""


class TemporaryError(NamedError):
    """The same of what a later try may not meet: exit code 75, by which a job knows that it is worth another try."""
