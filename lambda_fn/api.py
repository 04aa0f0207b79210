"""The HTTP API: App handles a request, and `handler` is Lambda's entry point around it."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from lambda_fn.fields import ContractError
from lambda_fn.jobs.telemetry import Metric, log_as_json, write_metrics
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from lambda_fn.web.errors import NOTHING_YET, Problem, bad_query, format_name, format_value, to_problem
from lambda_fn.web.lambda_events import WARM_RESULT, is_ping, read_event, write_result
from lambda_fn.web.params import FORMAT, PAIR
from lambda_fn.web.records import Record
from lambda_fn.web.request import Request
from lambda_fn.web.response import HTML, Content, Representation, Response, ResponseCache, Text, Version
from lambda_fn.web.routes import ROUTES
from lambda_fn.web.routing import Router
from lambda_fn.web.state import PairState, State

SERVICE = "api"  # in logs and metrics
MAX_PATH = 100  # characters of a path in a message
_log = logging.getLogger(__name__)


class App:
    """Handles requests, in Lambda and in a server. Thread-safe."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        background_refresh: bool = False,
    ) -> None:
        """Create the application; it reads nothing before the first request.

        Args:
            store: the store that everything is read from.
            settings: those of the service.
            clock: returns seconds since 1970.
            background_refresh: as in `store.cache`.
        """
        self.base_path = settings.base_path
        self.router = Router(ROUTES)
        summaries = {f"{route.method} {route.path}": route.summary for route in ROUTES}
        self._state = State(store, settings, clock, background_refresh, summaries)
        self._cache = ResponseCache()
        self._clock = clock

    @property
    def evicted_pairs(self) -> int:
        """Number of pairs evicted from memory so far."""
        return self._state.evicted_pairs

    def handle(self, request: Request) -> Response:
        """Return the response to a request. Exceptions become HTTP errors only here."""
        path = self.router.route_path(request.path, self.base_path)
        match = self.router.find(request.method, path)
        pair: PairState | None = None
        try:
            if match is None:
                return self._respond_without_route(request, path)
            route, path_args = match
            form = route.form_for(request)
            query: Mapping[str, str] = {} if form.query_names is None else request.query
            if query:
                names = (*route.query_names, *(form.query_names or ()))
                if (unknown := next((name for name in query if name not in names), None)) is not None:
                    field = format_name(unknown)
                    cure = f"valid names are {', '.join(names)}" if names else "omit the query"
                    raise bad_query(field, f"unknown query parameter {field}", cure)
            pair = self._state.pair(query, path_args)
            if query:
                query = {name: value for name, value in query.items() if name not in (FORMAT.name, PAIR.name)}
            handler_request = request._replace(query=query, path_args=path_args)

            def make() -> Content:
                content = form.handler(pair, handler_request)
                return self._with_base_path(content) if self.base_path else content

            if route.is_static:
                representation = self._cache.get_static(form.handler, make)
            elif form.record is None:
                representation = Representation.of(make())
            else:
                key = pair.pair, form.handler
                version = self._find_version(pair, form.record, query)
                representation = self._cache.get(key, query, version, make)
            response = representation.respond(request, self._clock())
        except Exception as error:  # noqa: BLE001
            problem = to_problem(error, pair.pair if pair else self._state.settings.pair)
            if isinstance(error, ContractError):
                _log.warning("%s", error)
            elif problem.status == 500:
                _log.error("unexpected error at %s %s", request.method, path, exc_info=error)
            representation = Representation.of_problem(problem)
            try:
                wants_page = match is not None and match[0].form_for(request).media_type == HTML
            except Problem:
                wants_page = False
            if wants_page:
                from lambda_fn.web.page import render  # only for a browser

                page = self._with_base_path(render.error(problem))
                representation = Representation.of(page, status=problem.status)
            response = representation.respond(Request(request.method, path), 0)._replace(problem=problem)
        if pair is None:
            return response
        return response._replace(pair=pair.pair, generation=pair.records.generation)

    def _find_version(self, pair: PairState, record: Record, query: Mapping[str, str]) -> Version:
        """Return the version of the source of a response. Raises NothingToServe, and Problem for a past day."""
        if record == "book":
            from lambda_fn.web.book import find_version  # only for a book

            return find_version(self._state, query)
        if record == "page":
            from lambda_fn.web.page.book_view import page_version  # only for a browser

            return page_version(pair, query)
        if record == "record" and query.get("kind") == "book":  # which belongs to no pair
            return pair.records.version_of(self._state.book_record())
        return pair.records.version(record, query)

    def _with_base_path(self, content: Content) -> Content:
        """Return the content. The links of a page get the base path."""
        if not self.base_path or not isinstance(content, Text) or not content.media_type.startswith(HTML):
            return content
        from lambda_fn.web.page.render import with_base_path  # only for a browser

        return with_base_path(content, self.base_path)

    def _respond_without_route(self, request: Request, path: str) -> Response:
        """Respond to OPTIONS, which API Gateway completes for other origins. Raises Problem (404, 405) otherwise."""
        methods = self.router.methods(path)
        if not methods:
            endings = [route.path for route in ROUTES if route.path != "/" and path.endswith(route.path)]
            if endings:  # probably below the base path of a custom domain
                ending = max(endings, key=len)
                prefix = format_value(path.removesuffix(ending))
                cure = f"use {ending}; if a custom domain adds {prefix}, the operator has to set BASE_PATH to it"
            else:
                cure = f"the routes are {', '.join(self._state.summaries)}"
            message = f"there is no path {format_value(request.sent_path or request.path, MAX_PATH)}"
            raise Problem(404, "not_found", message, cure)
        allow = ", ".join(methods)
        if request.method == "OPTIONS":
            headers = {"Allow": f"{allow}, OPTIONS"}
            return Representation(204, "", headers).respond(Request("OPTIONS", path), self._clock())
        message = f"{path} does not support {request.method}"
        raise Problem(405, "method_not_allowed", message, f"use {allow}", headers={"Allow": allow})


class LambdaFunction:
    """State of one Lambda environment between invocations: the application, its log and its metrics."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        settings = Settings.from_env(environ)
        self.app = App(open_store(settings), settings)
        self._cold = True
        self._in_lambda = "AWS_LAMBDA_FUNCTION_NAME" in environ  # elsewhere metrics would only be noise
        self._stack, self._pair = settings.stack, settings.pair
        if self._in_lambda:
            # the logger of the package, through which all its modules write
            self._logger = log_as_json("lambda_fn", SERVICE, environ)

    def __call__(self, event: object, context: Any) -> dict[str, Any]:
        """Return the result of an event, in the form of its sender. Pings are neither logged nor measured."""
        if is_ping(event):
            self._cold = False
            return WARM_RESULT
        if not self._in_lambda:
            return _handle(self.app, event)[1]
        self._logger.keys["request_id"] = context.aws_request_id
        start = time.perf_counter()
        response, result = _handle(self.app, event)
        milliseconds = 1000 * (time.perf_counter() - start)
        # the 503 of a service without a first champion is not counted as an error
        undeployed = response.problem is not None and response.problem.code == NOTHING_YET
        metrics = [
            Metric("ServerErrors", "Count", response.status >= 500 and not undeployed),
            Metric("Latency", "Milliseconds", milliseconds),
            Metric("ColdStart", "Count", self._cold),
        ]
        if undeployed:
            metrics.append(Metric("NothingPublished", "Count", 1))
        if response.generation is not None:
            metrics.append(Metric("ChampionGeneration", "None", response.generation))
        write_metrics(SERVICE, self._stack, response.pair or self._pair, metrics)
        self._cold = False
        return result


_function: LambdaFunction | None = None


def handler(event: object, context: Any) -> dict[str, Any]:
    """Lambda's entry point. The first call opens the store of the environment's settings.

    Raises SettingsError with the variable if a setting is wrong: every call fails until it is corrected.
    """
    global _function
    if _function is None:
        _function = LambdaFunction(os.environ)
    return _function(event, context)


def handle_event(app: App, event: object) -> dict[str, Any]:
    """Return the result of a Lambda event, in the form of its sender."""
    return WARM_RESULT if is_ping(event) else _handle(app, event)[1]


def _handle(app: App, event: object) -> tuple[Response, dict[str, Any]]:
    try:
        request, write = read_event(event)
    except Problem as problem:
        response = Representation.of_problem(problem).respond(Request("GET", "/"), 0)._replace(problem=problem)
        return response, write_result(response)
    response = app.handle(request)
    return response, write(response)
