"""What a route is."""

from typing import Literal, NamedTuple

Record = Literal["forecast", "record", "both"]
PATH_NAMES = ("model_name", "model_version")


class Form(NamedTuple):
    """One form of an answer: its media type, the method of `Service` that makes it, and of which record.

    `query_names` are those of its own, beside the route's.
    """

    media_type: str
    operation: str
    record: Record | None
    query_names: tuple[str, ...] = ()


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
    is_static: bool = False
    """Whether the answer changes with a release only, whatever its form."""

    @property
    def query_names(self) -> tuple[str, ...]:
        """The names that a query may have."""
        names = (parameter.removesuffix("_of_one") for parameter in self.parameters)
        return tuple(name for name in names if name not in PATH_NAMES)

    @property
    def forms(self) -> tuple[Form, ...]:
        """JSON first: it is for who prefers none."""
        return (Form("application/json", self.operation, self.record), *self.others)
