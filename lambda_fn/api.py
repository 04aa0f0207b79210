"""The HTTP API behind API Gateway: Lambda's handler, its dispatch, and the one place where errors become HTTP."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lambda_fn.fields import ContractError
from lambda_fn.jobs.telemetry import Metric, log_as_json, write_metrics
from lambda_fn.settings import Settings
from lambda_fn.store.cache import NothingToServe
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from lambda_fn.web.errors import NOTHING_YET, Problem, bad_query, compressed_body, shown, shown_name
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.negotiation import form_of, takes_gzip
from lambda_fn.web.request import PONG, body_of, call_of, header_of, is_ping, method_of, query_of
from lambda_fn.web.response import Answer, Answers, Caller, Text
from lambda_fn.web.route import Route
from lambda_fn.web.routing import Found, find, index, methods_of, route_path
from lambda_fn.web.service import Request, Service
from lambda_fn.web.services import PAIR, Services

SERVICE = "api"  # in logs and metrics
RETRY_AFTER_S = 60  # for what only new prices or a new champion cure
MAX_PATH = 100  # characters of a path in a message
# Others, such as the common mistake utf-8, say nothing of the bytes.
COMPRESSIONS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}
_log = logging.getLogger(__name__)
Event = Mapping[str, Any]


class App:
    """The API without Lambda around it: an event to its answer. `clock` gives seconds since 1970; `beside` is
    LastKnownGood's. `problem` is that of the last event, None when it was answered; `asked` is the service of the
    pair that it was about, None when it was about none."""

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], float] = time.time, beside: bool = False
    ) -> None:
        self.problem: Problem | None = None
        self.asked: Service | None = None
        self._base_path = settings.base_path
        self._services = Services(store, settings, clock, beside)
        self._answers = Answers()
        self._clock = clock

    @property
    def forgotten(self) -> int:
        """How many pairs went out of memory for others so far."""
        return self._services.forgotten

    def resolve(self, event: object) -> dict[str, Any]:
        """The answer to one event, in the form of who sent it."""
        self.problem = self.asked = None
        if is_ping(event):
            return PONG
        try:
            call = call_of(event)
        except Problem as error:
            self.problem = error
            return Answer.of_problem(error).to_gateway(Caller(), 0)
        return call.answer(self._resolve(call.event))

    def _resolve(self, event: Event) -> dict[str, Any]:
        """API Gateway's answer to one event, payload 2.0."""
        method, path = method_of(event), route_path(event, self._base_path)
        found = find(method, path)
        try:
            if found is None and method == "OPTIONS" and methods_of(path):
                return Answer.of_options(methods_of(path)).to_gateway(Caller(), 0)
            if found is None:
                raise _no_route(str(event["rawPath"]), path, method)
            caller = Caller(header_of(event, "if-none-match"), takes_gzip(header_of(event, "accept-encoding")))
            return self._answer(found, event).to_gateway(caller, self._clock())
        except Exception as error:  # noqa: BLE001  # the one place where errors become HTTP
            self.problem = problem = _problem(error, path, method)
            wants_page = found is not None and _wants_page(found.route, event)
            answer = _page_of(problem, self._base_path) if wants_page else Answer.of_problem(problem)
            return answer.to_gateway(Caller(), 0)

    def _answer(self, found: Found, event: Event) -> Answer:
        form, query = form_of(found.route, header_of(event, "accept"), query_of(event))
        _check_names((*found.route.query_names, *form.query_names), query)
        named = PAIR in found.route.parameters
        service = self.asked = self._services.of(query if named else {}, found.names)
        own = {name: value for name, value in query.items() if not (named and name == PAIR)}
        request = Request(own, lambda: _body(event), found.names)
        operation = getattr(service, form.operation)

        def operate(request: Request) -> JsonObject | Text:
            return _linked(operation(request), self._base_path)

        if found.route.is_static:
            return self._answers.get_static(form.operation, lambda: operate(request))
        if form.record is None:
            return Answer.of(operate(request))
        version = service.version(form.record)
        return self._answers.get((service.pair, form.operation), own, version, lambda: operate(request))


class LambdaFunction:
    """What one environment keeps between invocations: the records, and in Lambda logs and metrics."""

    def __init__(self, environ: Mapping[str, str], beside: bool = False) -> None:
        settings = Settings.from_env(environ)
        self._app = App(open_store(settings), settings, beside=beside)
        self._cold = True
        self._in_lambda = "AWS_LAMBDA_FUNCTION_NAME" in environ  # elsewhere metrics would only be noise
        self._stack, self._pair = settings.stack, settings.pair
        if self._in_lambda:
            # of the package: all its modules write through it
            self._logged = log_as_json("lambda_fn", SERVICE, environ)

    def __call__(self, event: object, context: Any) -> dict[str, Any]:
        """The answer to one event, in the form of who sent it; pings are neither logged nor measured."""
        if is_ping(event):
            self._cold = False
            return PONG
        if not self._in_lambda:
            return self._app.resolve(event)
        self._logged.keys["request_id"] = context.aws_request_id
        started = time.perf_counter()
        answer = self._app.resolve(event)
        self._measure(answer["statusCode"], 1000 * (time.perf_counter() - started))
        return answer

    def forgotten(self) -> int:
        """App's."""
        return self._app.forgotten

    def _measure(self, status: int, milliseconds: float) -> None:
        """A service that was never trained answers 503, too: that is told apart, as it is no error and no alarm."""
        problem = self._app.problem
        untrained = problem is not None and problem.code == NOTHING_YET
        metrics = [
            Metric("ServerErrors", "Count", status >= 500 and not untrained),
            Metric("Latency", "Milliseconds", milliseconds),
            Metric("ColdStart", "Count", self._cold),
        ]
        if untrained:
            metrics.append(Metric("NothingPublished", "Count", 1))
        service = self._app.asked
        if service is not None and service.generation is not None:
            metrics.append(Metric("ChampionGeneration", "None", service.generation))
        write_metrics(SERVICE, self._stack, service.pair if service else self._pair, metrics)
        self._cold = False


_function: LambdaFunction | None = None


def handler(event: object, context: Any) -> dict[str, Any]:
    """Lambda's entry point; the first call opens the store that the environment names.

    Raises SettingsError naming the variable when the environment is wrong: every call fails until it is corrected.
    """
    global _function
    if _function is None:
        _function = LambdaFunction(os.environ)
    return _function(event, context)


def _problem(error: Exception, path: str, method: str) -> Problem:
    """What the caller is told of an error: all of them become HTTP here."""
    match error:
        case Problem():
            return error
        case NothingToServe():
            return _unserved(error)
        case ContractError():
            _log.warning("%s", error)
            return _unserved(NothingToServe(str(error), RETRY_AFTER_S, "damaged"))
    _log.error("unexpected error at %s %s", method, path, exc_info=error)
    return Problem(500, "internal_error", "an unexpected error; it has been logged", "ask again or report it")


def _check_names(known: Sequence[str], query: Mapping[str, str]) -> None:
    """Raise Problem (400) for a name in the query that the route does not know."""
    for name in query:
        if name not in known:
            field = shown_name(name)
            cure = f"known are {', '.join(known)}" if known else "leave the query out"
            raise bad_query(field, f"unknown query parameter {field}", cure)


def _wants_page(route: Route, event: Event) -> bool:
    try:
        form, _ = form_of(route, header_of(event, "accept"), query_of(event))
    except Problem:
        return False
    return form.media_type == "text/html"


def _page_of(problem: Problem, base_path: str) -> Answer:
    from lambda_fn.web.page.unserved import page_of_problem  # only a browser wants it

    return Answer.of(_linked(page_of_problem(problem), base_path), status=problem.status)


def _linked(found: JsonObject | Text, base_path: str) -> JsonObject | Text:
    """A page with its links below the base path."""
    if not base_path or not isinstance(found, Text) or not found.media_type.startswith("text/html"):
        return found
    from lambda_fn.web.page.shell import linked  # only a browser wants it

    return linked(found, base_path)


def _body(event: Event) -> bytes:
    """The body; raises Problem (415) when it is compressed, and ValueError as `body_of`."""
    encoding = header_of(event, "content-encoding") or ""
    if {part.strip() for part in encoding.lower().split(",")} & COMPRESSIONS:
        raise compressed_body(encoding)
    return body_of(event)


def _unserved(error: NothingToServe) -> Problem:
    from lambda_fn.web.unserved import problem_of  # only where there is nothing

    return problem_of(error)


def _no_route(sent: str, path: str, method: str) -> Problem:
    """Of the path as it was sent, and as `route_path` gives it."""
    methods = methods_of(path)
    if methods:
        allow = ", ".join(methods)
        message = f"{path} does not answer {method}"
        return Problem(405, "method_not_allowed", message, f"use {allow}", headers={"Allow": allow})
    routes = index()["routes"]
    cure = f"the routes are {', '.join(routes)}"
    known = [route.partition(" ")[2] for route in routes]
    ending = max((each for each in known if each != "/" and path.endswith(each)), key=len, default=None)
    if ending is not None:
        cure = f"ask for {ending}; where a custom domain puts {shown(path.removesuffix(ending))} before it, the "
        cure += "operator sets BASE_PATH to that"
    return Problem(404, "not_found", f"there is no path {shown(sent, MAX_PATH)}", cure)
