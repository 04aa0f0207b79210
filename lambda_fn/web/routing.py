"""Routes: the handler, the forms and the documentation of each operation, and the lookup by method and path."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lambda_fn.web.errors import MAX_BODY, bad_query, shown
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.records import Record
from lambda_fn.web.request import Request, preferred
from lambda_fn.web.response import Text
from lambda_fn.web.state import PairState

Handler = Callable[[PairState, Request], JsonObject | Text]
FORMATS = {"json": "application/json", "csv": "text/csv", "html": "text/html"}
PATH_NAMES = ("model_name", "model_version")
# Reasons of problems that several routes have, for the OpenAPI document.
BAD_QUERY = (400, "A query parameter is wrong; `field` names it.")
NOTHING = (503, "Nothing can be served yet; ask again after Retry-After seconds.")
COMPRESSED = (415, "The body is compressed; send it without Content-Encoding.")
LARGE = (413, f"The body is larger than {MAX_BODY:,} bytes.")


class Form(NamedTuple):
    """One form of a response: its media type, the handler that makes it, and the record that it is made of.

    `query_names` are parameters of this form, beside those of the route.
    """

    media_type: str
    handler: Handler
    record: Record | None = None
    query_names: tuple[str, ...] = ()


class Route(NamedTuple):
    """One operation of the API.

    A response that is made of a `record` alone is cached, has an ETag, and may be kept by caches until the record is
    checked again.

    Attributes:
        handler: makes the JSON form, from the state of the pair and the request.
        summary, description, tag: for the OpenAPI document.
        answer: the schema of the JSON form in the OpenAPI document.
        parameters: names of parameters in the OpenAPI document.
        body: the schema of the request's body.
        problems: statuses beside 200, with their reasons.
        record: the record that the JSON form is made of.
        others: forms beside JSON, for callers that prefer them by Accept or name them by `format`.
        is_static: the response changes with a release only, whatever its form.
    """

    method: str
    path: str
    handler: Handler
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

    @property
    def operation_id(self) -> str:
        """The name of the operation in the OpenAPI document."""
        return f"{self.handler.__name__}{'_version' if '{version}' in self.path else ''}"

    @property
    def query_names(self) -> tuple[str, ...]:
        """The names that a query may have."""
        names = (parameter.removesuffix("_of_one") for parameter in self.parameters)
        return tuple(name for name in names if name not in PATH_NAMES)

    @property
    def forms(self) -> tuple[Form, ...]:
        """All forms; JSON is the first, for callers that prefer none."""
        return (Form("application/json", self.handler, self.record), *self.others)

    def form_for(self, request: Request) -> Form:
        """Return the form to respond in. `format` decides, and Accept where there is none.

        Raises Problem: 400 for a format that the route does not have.
        """
        forms = {form.media_type: form for form in self.forms}
        if len(forms) == 1 or "format" not in request.query:
            return forms[preferred(request.headers.get("accept"), list(forms))]
        formats = {name: forms[media_type] for name, media_type in FORMATS.items() if media_type in forms}
        name = request.query["format"]
        if name not in formats:
            raise bad_query("format", f"format={shown(name)} is not available here", f"give {' or '.join(formats)}")
        return formats[name]


class Router:
    """Finds routes by method and path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes
        self._templates = [route for route in routes if "{" in route.path]
        self._exact = {(route.method, route.path): route for route in routes if "{" not in route.path}

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """Return the route and the values for the {names} in its path. HEAD goes with GET."""
        method = "GET" if method == "HEAD" else method
        if route := self._exact.get((method, path)):
            return route, {}
        for route in self._templates:
            if route.method == method and (path_args := _match(route.path, path)) is not None:
                return route, path_args
        return None

    def methods(self, path: str) -> list[str]:
        """Return the methods that a path answers; empty for an unknown path. HEAD goes with GET."""
        methods = [route.method for route in self.routes if route.path == path or _match(route.path, path)]
        return [*methods, "HEAD"] if "GET" in methods else methods

    def index(self) -> dict[str, Any]:
        """Return the routes with their summaries."""
        return {"routes": {f"{route.method} {route.path}": route.summary for route in self.routes}}

    def route_path(self, path: str, base_path: str) -> str:
        """Return the path without repeated and final slashes, and without the base path of a custom domain.

        A path that is a route as it stands is kept: the same function answers on the gateway's own address.
        """
        while "//" in path:
            path = path.replace("//", "/")
        path = path.rstrip("/") or "/"
        if base_path and f"{path}/".startswith(f"{base_path}/") and not self.methods(path):
            return path.removeprefix(base_path) or "/"
        return path


def _match(template: str, path: str) -> dict[str, str] | None:
    """Return the values of `path` for the {names} of the template; None when it is another path."""
    names, values = template.split("/"), path.split("/")
    if len(names) != len(values):
        return None
    pairs = list(zip(names, values, strict=True))
    if not all(name[:1] == "{" or name == value for name, value in pairs):
        return None
    return {name[1:-1]: value for name, value in pairs if name[:1] == "{"}
