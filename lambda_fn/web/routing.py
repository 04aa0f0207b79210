"""Routes: handlers, media types and documentation of each operation, and the lookup by method and path."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lambda_fn.web.errors import MAX_BODY, bad_query, format_value
from lambda_fn.web.params import FORMAT, Parameter
from lambda_fn.web.records import Record
from lambda_fn.web.request import Request, choose_media_type
from lambda_fn.web.response import CSV, HTML, JSON, Content
from lambda_fn.web.state import PairState

Handler = Callable[[PairState, Request], Content]
FORMATS = {"json": JSON, "csv": CSV, "html": HTML}
# Problems that several routes have, for the OpenAPI document.
BAD_QUERY = (400, "A query parameter is invalid; `field` names it.")
NOTHING = (503, "No forecast is available; retry after `Retry-After` seconds.")
COMPRESSED = (415, "The body is compressed; send it without Content-Encoding.")
LARGE = (413, f"The body is larger than {MAX_BODY:,} bytes.")


class Form(NamedTuple):
    """One media type of a response.

    Attributes:
        media_type: the media type.
        handler: makes the content.
        record: the record that the content is made of; None if it is not made of one alone.
        query_names: query parameters of this form, in addition to those of the route; None if it ignores the query.
    """

    media_type: str
    handler: Handler
    record: Record | None = None
    query_names: tuple[str, ...] | None = ()


class Route(NamedTuple):
    """One operation of the API.

    A response that is made of a `record` alone is cached, has an ETag, and may be kept by caches until the record is
    checked again.

    Attributes:
        method: the HTTP method.
        path: the path, with {names} for its variable parts.
        handler: makes the content from the state of the pair and the request; its return type is the schema of the
            content in the OpenAPI document.
        summary: for the OpenAPI document, as `description` and `tag`.
        description: the long text; text between backquotes is code.
        tag: a key of `routes.TAGS`.
        parameters: those of the query.
        path_parameters: those of the path.
        body: name of the request body's schema.
        problems: statuses other than 200 with their descriptions.
        record: the record that the content of `handler` is made of.
        media_type: that of the content of `handler`.
        others: further media types, for callers that prefer them by Accept or select them by `format`.
        is_static: the response changes only with a release, whatever its media type.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    description: str
    tag: str
    parameters: tuple[Parameter, ...] = ()
    path_parameters: tuple[Parameter, ...] = ()
    body: str | None = None
    problems: tuple[tuple[int, str], ...] = ()
    record: Record | None = None
    media_type: str = JSON
    others: tuple[Form, ...] = ()
    is_static: bool = False

    @property
    def operation_id(self) -> str:
        """Name of the operation in the OpenAPI document."""
        return f"{self.handler.__name__}{'_version' if '{version}' in self.path else ''}"

    @property
    def query_names(self) -> tuple[str, ...]:
        """Names of the query parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    def form_for(self, request: Request) -> Form:
        """Return the form of the response, selected by `format` or else by Accept; that of `handler` by default.

        Raises Problem: 400 for a format that the route does not have.
        """
        own_form, accept = Form(self.media_type, self.handler, self.record), request.headers.get("accept")
        name = request.query.get(FORMAT.name)
        if not self.others or (name is None and accept in (None, "*/*")):
            return own_form
        forms = {form.media_type: form for form in (own_form, *self.others)}
        if name is None:
            return forms[choose_media_type(accept, list(forms))]
        formats = {name: forms[media_type] for name, media_type in FORMATS.items() if media_type in forms}
        if name not in formats:
            message = f"format={format_value(name)} is not available here"
            raise bad_query(FORMAT.name, message, f"give {' or '.join(formats)}")
        return formats[name]


class Router:
    """Finds routes by method and path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes
        self._templates: list[Route] = []
        self._exact: dict[tuple[str, str], Route] = {}
        for route in routes:
            if "{" in route.path:
                self._templates.append(route)
            else:
                self._exact[route.method, route.path] = route

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """Return the route and the values of the {names} in its path; None for no route. HEAD is treated as GET."""
        method = "GET" if method == "HEAD" else method
        if route := self._exact.get((method, path)):
            return route, {}
        for route in self._templates:
            if route.method == method and (path_args := _match(route.path, path)) is not None:
                return route, path_args
        return None

    def methods(self, path: str) -> list[str]:
        """Return the methods of a path, HEAD together with GET; empty for an unknown path."""
        methods = [route.method for route in self.routes if route.path == path or _match(route.path, path)]
        return [*methods, "HEAD"] if "GET" in methods else methods

    def route_path(self, path: str, base_path: str) -> str:
        """Return the path without repeated and trailing slashes, and without the base path of a custom domain.

        A path that already is a route is kept: the same function also serves the gateway's own address.
        """
        while "//" in path:
            path = path.replace("//", "/")
        path = path.rstrip("/") or "/"
        if base_path and f"{path}/".startswith(f"{base_path}/") and not self.methods(path):
            return path.removeprefix(base_path) or "/"
        return path


def _match(template: str, path: str) -> dict[str, str] | None:
    """Return the values of the {names} of the template; None if the path does not match."""
    names, values = template.split("/"), path.split("/")
    if len(names) != len(values):
        return None
    pairs = list(zip(names, values, strict=True))
    if not all(name[:1] == "{" or name == value for name, value in pairs):
        return None
    return {name[1:-1]: value for name, value in pairs if name[:1] == "{"}
