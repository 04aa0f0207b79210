"""The HTTP API behind API Gateway: Lambda's handler, its routes, and the one place where errors become HTTP."""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.metrics import MetricUnit

from lambda_fn.champion.model import ForecastError
from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings
from lambda_fn.store.connect import open_store
from lambda_fn.store.last_known_good import NothingToServe
from lambda_fn.store.objects import Store
from lambda_fn.web.event import body_of
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.problem import Problem
from lambda_fn.web.routes import NO_STORE, ROUTES, index, methods_of
from lambda_fn.web.service import Request, Service

NAMESPACE = "EurUsdForecast"
RETRY_AFTER_S = 60  # for what only new prices or a new champion cure
_log = logging.getLogger(__name__)


def create_app(store: Store, settings: Settings, clock: Callable[[], float] = time.time) -> APIGatewayHttpResolver:
    """The resolver of events, `clock` in seconds since 1970. One invocation at a time a process: Powertools keeps the
    current event on a class, so concurrent ones would get each other's answers."""
    return _resolver(Service(store, settings, clock))


def _resolver(service: Service) -> APIGatewayHttpResolver:
    app = APIGatewayHttpResolver(debug=False)  # its debug mode would print whole events

    def respond(operation: Callable[[Request], JsonObject]) -> Callable[[], Response[str]]:
        def respond() -> Response[str]:
            event = app.current_event.raw_event
            request = Request(event.get("queryStringParameters") or {}, lambda: body_of(event))
            return _response(200, json.dumps(operation(request), allow_nan=False))

        return respond

    for route in ROUTES:
        methods = ["GET", "HEAD"] if route.method == "GET" else [route.method]
        app.route(route.path, method=methods)(respond(getattr(service, route.operation)))

    def answer_problem(error: Exception) -> Response[str]:
        problem = _problem(error, app.current_event.path, app.current_event.http_method)
        return _response(problem.status, problem.body(), problem.headers)

    app.exception_handler(Exception)(answer_problem)
    return app


class LambdaFunction:
    """What one environment keeps between invocations: the champion slot, and in Lambda logs and metrics."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        settings = Settings.from_env(environ)
        self._service = Service(open_store(settings), settings, time.time)
        self._app = _resolver(self._service)
        self._cold = True
        self._in_lambda = "AWS_LAMBDA_FUNCTION_NAME" in environ  # elsewhere metrics would only be noise
        if self._in_lambda:
            # named as the package, so that the standard loggers of its modules write through it
            self._logger = Logger(service="lambda_fn")
            self._metrics = Metrics(namespace=NAMESPACE, service="api")
            self._metrics.set_default_dimensions(pair=settings.pair)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """API Gateway's answer to one event, payload 2.0."""
        if not self._in_lambda:
            return self._app.resolve(event, context)
        self._logger.append_keys(request_id=context.aws_request_id)
        started = time.perf_counter()
        answer = self._app.resolve(event, context)
        self._measure(answer["statusCode"], 1000 * (time.perf_counter() - started))
        return answer

    def _measure(self, status: int, milliseconds: float) -> None:
        metrics = self._metrics
        metrics.add_metric("ServerErrors", MetricUnit.Count, int(status >= 500))
        metrics.add_metric("Latency", MetricUnit.Milliseconds, milliseconds)
        metrics.add_metric("ColdStart", MetricUnit.Count, int(self._cold))
        if self._service.generation is not None:
            metrics.add_metric("ChampionGeneration", MetricUnit.NoUnit, self._service.generation)
        metrics.flush_metrics()
        self._cold = False


_function: LambdaFunction | None = None


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
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
            return _unserved(str(error), error.retry_after_s)
        case ContractError() | ForecastError():
            return _unserved(str(error), RETRY_AFTER_S)
        case NotFoundError():
            return _no_route(path, method)
    _log.error("unexpected error at %s %s", method, path, exc_info=error)
    return Problem(500, "internal_error", "an unexpected error; it has been logged", "ask again or report it")


def _unserved(reason: str, retry_after_s: int) -> Problem:
    cure = f"ask again after {retry_after_s} s; if nothing was ever published, run python -m training run"
    return Problem(503, "nothing_to_serve", reason, cure, headers={"Retry-After": str(retry_after_s)})


def _no_route(path: str, method: str) -> Problem:
    known = ", ".join(index()["routes"])
    methods = methods_of(path)
    if methods:
        allow = ", ".join(methods)
        message = f"{path} does not answer {method}"
        return Problem(405, "method_not_allowed", message, f"use {allow}", headers={"Allow": allow})
    return Problem(404, "not_found", "there is no such path", f"the routes are {known}")


def _response(status: int, body: str, headers: Mapping[str, str] | None = None) -> Response[str]:
    return Response(status, "application/json", body, {**NO_STORE, **(headers or {})})
