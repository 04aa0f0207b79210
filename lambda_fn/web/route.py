"""What a route is."""

from typing import Literal, NamedTuple

Record = Literal["forecast", "record", "both"]


class Form(NamedTuple):
    """One form of an answer: its media type, the method of `Service` that makes it, and of which record."""

    media_type: str
    operation: str
    record: Record | None


class Route(NamedTuple):
    """One operation: `operation` is the method of `Service` that answers; `parameters`, `body` and `answer` name parts
    of the OpenAPI document; `problems` are the statuses beside 200 with their reasons. An answer that comes from a
    `record` alone is kept ready, has an ETag, and may be kept by a cache until the record is looked at again.
    `others` are the forms that it has beside JSON, for who prefers them by Accept or names them by `format`."""

    method: str
    path: str
    operation: str
    summary: str
    description: str
    answer: str
    tag: str
    parameters: tuple[str, ...] = ()
    body: str | None = None
    problems: tuple[tuple[int, str], ...] = ()
    record: Record | None = None
    others: tuple[Form, ...] = ()

    @property
    def forms(self) -> tuple[Form, ...]:
        """JSON first: it is for who prefers none."""
        return (Form("application/json", self.operation, self.record), *self.others)
