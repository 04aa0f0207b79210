"""The hook function: a delivery of MLflow's webhook starts the refresh function. The entry point of AWS Lambda.

A delivery only triggers the work: refresh reads the registry itself. This function may start refresh and read the
webhook's secret, and nothing else.
"""

import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.request import Request as HttpRequest

from lambda_fn.jobs.event_source import alias_event
from lambda_fn.jobs.telemetry import Metric, log_as_json, write_metrics
from lambda_fn.registry import webhook
from lambda_fn.registry.secrets_manager import MAX_AGE_S, aws_keys, read_secret, sign
from lambda_fn.registry.webhook import AliasEvent, UntrustedDelivery, read_delivery
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.http_client import send_request
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import aws_address
from lambda_fn.web.errors import Problem
from lambda_fn.web.lambda_events import read_event
from lambda_fn.web.request import Request
from lambda_fn.web.response import Response

SERVICE = "hook"  # in logs and metrics
SECRET = "MLFLOW_HOOK_SECRET_ARN"
INVOKE_TIMEOUT_S = 5.0
SECRET_AGE_S = 30.0  # a secret read longer ago is read again before a delivery is refused
_ENDPOINTS = ("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")  # AWS's own names
_log = logging.getLogger(__name__)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer an event of API Gateway: 202, 204, 401 for what MLflow did not sign, 503 if refresh cannot be started."""
    settings = Settings.from_env(os.environ)
    formatter = log_as_json("lambda_fn", SERVICE, os.environ)
    formatter.keys.update(request_id=context.aws_request_id)
    try:
        request, write_result = read_event(event)
    except Problem as problem:
        raise ValueError(f"event: {problem.message}; {problem.cure}") from problem
    return write_result(respond(request, settings, os.environ, datetime.now(UTC)))


def respond(request: Request, settings: Settings, environ: Mapping[str, str], now: datetime) -> Response:
    """Return the response to a delivery, after starting refresh.

    Args:
        request: the HTTP request.
        settings: the served pairs, the secret and the refresh function.
        environ: has the AWS credentials.
        now: the current time, UTC.
    """
    try:
        event = _read(request, settings, environ, now)
        if event is not None:
            _invoke(event, settings, environ, now)
    except UntrustedDelivery as error:
        _log.warning("refused a delivery: %s", error)
        write_metrics(SERVICE, settings.stack, "", [Metric("HookRefused", "Count", 1)])
        return Response(401, {}, "")
    except (Unavailable, SettingsError) as error:
        _log.error("%s", error)
        return Response(503, {"Retry-After": str(webhook.RETRY_AFTER_S)}, "")
    _log.info("%s", f"refresh of {event.model} was started" if event else "not the alias champion of a served pair")
    return Response(202 if event else 204, {}, "")


def _read(request: Request, settings: Settings, environ: Mapping[str, str], now: datetime) -> AliasEvent | None:
    """Return the event of the delivery, checked with the current secret. Raises UntrustedDelivery and Unavailable."""
    try:
        body = request.read_body()
    except ValueError as error:
        raise UntrustedDelivery(f"its body cannot be read: {error}") from error
    arn, region = settings.mlflow_hook_secret_arn or "", settings.aws_region

    def read(max_age_s: float) -> AliasEvent | None:
        secrets = read_secret(SECRET, arn, region, environ, now, webhook.parse_secrets, webhook.SECRETS_FORM, max_age_s)
        return read_delivery(request.headers, body, secrets, settings.pairs, now)

    try:
        return read(MAX_AGE_S)
    except UntrustedDelivery:
        return read(SECRET_AGE_S)  # the secret may have been changed


def _invoke(event: AliasEvent, settings: Settings, environ: Mapping[str, str], now: datetime) -> None:
    """Start the refresh function asynchronously. Raises Unavailable if Lambda does not accept the event."""
    region, function = settings.aws_region, settings.refresh_function
    endpoint = next((url for name in _ENDPOINTS if (url := environ.get(name, "").strip())), "")
    address = endpoint.rstrip("/") or aws_address("lambda", region)
    url = f"{address}/2015-03-31/functions/{function}/invocations"
    body = json.dumps(alias_event(event)).encode()
    headers = {"Content-Type": "application/json", "X-Amz-Invocation-Type": "Event"}
    signed = sign(url, headers, body, aws_keys(SECRET, environ), region, "lambda", now)
    response = send_request(HttpRequest(url, body, signed, method="POST"), INVOKE_TIMEOUT_S, 2**16)
    if response.status != 202:
        raise Unavailable(
            f"REFRESH_FUNCTION: Lambda answers {response.status} for {function}; correct its name, and allow this role "
            "lambda:InvokeFunction on it"
        )
