"""The hook function: a delivery starts refresh, or is answered without doing anything."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from lambda_fn.jobs import hook
from lambda_fn.jobs.event_source import read_alias_event
from lambda_fn.jobs.hook import respond
from lambda_fn.registry import secrets_manager
from lambda_fn.settings import Settings
from lambda_fn.web.lambda_events import read_event
from tests.support import webhook_deliveries
from tests.support.api_gateway import LambdaContext
from tests.support.events import event
from tests.support.recorder import Asked, Recorder, Reply, recording
from tests.support.webhook_deliveries import SECRET, Delivery

RECORDED = {delivery.action: delivery for delivery in webhook_deliveries.read()}
FIRST, OTHER = RECORDED["champion is set"], RECORDED["challenger"]
FUNCTION = "eurusd-forecast-RefreshFunction-1"
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


class Aws:
    """Secrets Manager and Lambda."""

    def __init__(self) -> None:
        self.secret, self.status = SECRET, 202

    def __call__(self, asked: Asked) -> Reply:
        if "x-amz-target" in asked.headers:
            return Reply(200, json.dumps({"SecretString": self.secret}).encode())
        return Reply(self.status, b"")


@pytest.fixture
def aws() -> Iterator[tuple[Aws, Recorder]]:
    service = Aws()
    secrets_manager._cache.clear()
    with recording(service) as recorder:
        yield service, recorder
    secrets_manager._cache.clear()


def event_of(delivery: Delivery, is_base64: bool = False, **changes: Any) -> dict[str, Any]:
    """The event of API Gateway for a delivery."""
    raw = delivery.body if is_base64 else delivery.body.decode()
    return event("POST", "/hooks/mlflow", raw=raw) | {"headers": dict(delivery.headers)} | changes


def environ(recorder: Recorder) -> dict[str, str]:
    arn = "arn:aws:secretsmanager:eu-central-1:1:secret:hook"
    return {
        **KEYS,
        "AWS_ENDPOINT_URL": recorder.address,
        "MLFLOW_HOOK_SECRET_ARN": arn,
        "REFRESH_FUNCTION": FUNCTION,
        "AWS_REGION": "eu-central-1",
    }


def answer(recorder: Recorder, delivered: dict[str, Any], after: float = 1) -> dict[str, Any]:
    """The result of the function, `after` seconds after the first delivery was signed."""
    variables = environ(recorder)
    request, write_result = read_event(delivered)
    now = FIRST.sent_at + timedelta(seconds=after)
    return write_result(respond(request, Settings.from_env(variables), variables, now))


@pytest.mark.parametrize("is_base64", [False, True])
def test_a_delivery_starts_refresh(aws: tuple[Aws, Recorder], is_base64: bool) -> None:
    result = answer(aws[1], event_of(FIRST, is_base64))
    assert (result["statusCode"], result["body"]) == (202, "")
    _, invocation = aws[1].asked
    assert (invocation.method, invocation.path) == ("POST", f"/2015-03-31/functions/{FUNCTION}/invocations")
    assert invocation.headers["x-amz-invocation-type"] == "Event"
    assert invocation.headers["content-type"] == "application/json"
    assert "/eu-central-1/lambda/aws4_request" in invocation.headers["authorization"]
    started = read_alias_event(json.loads(invocation.body))
    assert started is not None and (started.model, started.sent_at) == ("EURUSD_CALENDAR", FIRST.sent_at)


def test_the_secret_is_cached_and_read_again_when_it_has_changed(aws: tuple[Aws, Recorder]) -> None:
    service, recorder = aws
    service.secret = "the-secret-before-the-change"
    assert answer(recorder, event_of(FIRST))["statusCode"] == 401
    service.secret = SECRET
    assert answer(recorder, event_of(FIRST), after=10)["statusCode"] == 401  # nobody makes it ask all the time
    assert len(recorder.asked) == 1
    assert answer(recorder, event_of(FIRST), after=40)["statusCode"] == 202
    assert answer(recorder, event_of(FIRST), after=200)["statusCode"] == 202
    assert [asked.path for asked in recorder.asked].count("/") == 2


@pytest.mark.parametrize(
    "change", [{"body": "{}"}, {"body": ""}, {"headers": {}}, {"body": "%%%", "isBase64Encoded": True}]
)
def test_what_mlflow_did_not_sign_is_a_401_without_a_body(
    aws: tuple[Aws, Recorder], change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    result = answer(aws[1], event_of(FIRST, **change))
    assert (result["statusCode"], result["body"]) == (401, "")
    [line] = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["HookRefused"] == [1.0] and line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stack"]]
    assert all("invocations" not in asked.path for asked in aws[1].asked)


def test_another_event_is_a_204(aws: tuple[Aws, Recorder]) -> None:
    assert answer(aws[1], event_of(OTHER))["statusCode"] == 204
    assert all("invocations" not in asked.path for asked in aws[1].asked)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_a_refresh_that_cannot_be_started_is_a_503_that_mlflow_repeats(
    aws: tuple[Aws, Recorder], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    aws[0].status = status
    result = answer(aws[1], event_of(FIRST))
    assert (result["statusCode"], result["body"]) == (503, "")
    assert result["headers"]["Retry-After"] == "20"
    assert f"Lambda answers {status}" in caplog.text and SECRET not in caplog.text


@pytest.mark.parametrize("secret", ["", "short", '{"a": "b"}x'])
def test_a_secret_of_another_form_is_a_503_that_names_the_variable(
    aws: tuple[Aws, Recorder], secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    aws[0].secret = secret
    assert answer(aws[1], event_of(FIRST))["statusCode"] == 503
    assert "MLFLOW_HOOK_SECRET_ARN: arn:aws" in caplog.text and "at least 16 characters" in caplog.text


def test_the_handler_reads_its_settings(aws: tuple[Aws, Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ(aws[1]).items():
        monkeypatch.setenv(name, value)
    assert hook.handler(event_of(FIRST), LambdaContext())["statusCode"] == 401  # it was signed long ago
    with pytest.raises(ValueError, match="event: "):
        hook.handler({}, LambdaContext())
