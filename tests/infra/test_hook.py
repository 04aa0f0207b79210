"""Registering MLflow's webhook: once, renewed, checked; what is wrong is named. Against a made-up MLflow and AWS."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from moto import mock_aws

from infra import hook
from tests.support.recorder import Asked, Reply, recording

STACK, SECRET = "eurusd-forecast", "a-secret-of-the-stack-0123456789"
URL = "https://abc.example/hooks/mlflow"


class Webhooks:
    """MLflow's webhooks; `status` is what its test delivery gets, `broken` what the routes answer instead."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.status: int | None = 204
        self.broken = 0

    def __call__(self, asked: Asked) -> Reply:
        if self.broken:
            return Reply(self.broken, b"{}")
        path, body = urlsplit(asked.path).path.removeprefix(hook.ROUTE), json.loads(asked.body or b"{}")
        if path.endswith("/test"):
            result = {"success": True} if self.status is None else {"success": True, "response_status": self.status}
            return Reply(200, json.dumps({"result": result}).encode())
        if asked.method == "POST":
            self.rows.append({"webhook_id": str(len(self.rows)), **body})
            return Reply(200, json.dumps({"webhook": self.rows[-1]}).encode())
        if asked.method == "PATCH":
            self.rows[int(path[1:])] |= body
        return Reply(200, json.dumps({"webhooks": self.rows} if self.rows else {}).encode())


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhooks]:
    """A server without webhooks, and an account in which the stack was deployed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    webhooks = Webhooks()
    with recording(webhooks) as recorder, mock_aws():
        monkeypatch.setenv("MLFLOW_TRACKING_URI", recorder.address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        session = boto3.Session()
        arn = session.client("secretsmanager").create_secret(Name="hook", SecretString=SECRET)["ARN"]
        outputs = {"HookUrl": {"Value": URL}, "HookSecretArn": {"Value": arn}}
        queue = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}}
        for name, has in ((STACK, outputs), ("without", {"ApiUrl": {"Value": "https://abc.example"}})):
            template = json.dumps({"Resources": queue, "Outputs": has})
            session.client("cloudformation").create_stack(StackName=name, TemplateBody=template)
        yield webhooks


def test_it_is_registered_once_and_renewed(mlflow: Webhooks, capsys: pytest.CaptureFixture[str]) -> None:
    assert hook.main([STACK, "--check"]) == 1
    assert "promotion-eurusd-forecast: not registered; run this command" in capsys.readouterr().err
    for _ in range(2):
        assert hook.main([STACK]) == 0
        assert URL in capsys.readouterr().out
    [row] = mlflow.rows
    assert (row["url"], row["secret"], row["status"], row["events"]) == (URL, SECRET, "ACTIVE", [hook.EVENT])
    assert hook.main([STACK, "--check"]) == 0
    row["url"] = "https://old.example"
    assert hook.main([STACK, "--check"]) == 1
    assert "goes to https://old.example" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "401"),
        (404, "404"),
        (503, "503"),
        (None, "no answer"),
    ],
)
def test_a_test_delivery_that_fails_is_explained(
    mlflow: Webhooks, status: int | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow.status = status
    assert hook.main([STACK]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{URL}: ") and f" {message}" in error and SECRET not in error


@pytest.mark.parametrize(("status", "message"), [(500, "MLFLOW_WEBHOOK_KEY_SECRET"), (403, "administrator")])
def test_what_mlflow_answers_is_explained(
    mlflow: Webhooks, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow.broken = status
    assert hook.main([STACK]) == 1
    assert message in capsys.readouterr().err


def test_another_server_is_named_by_its_address(
    mlflow: Webhooks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "http://127.0.0.1:8080/hooks/mlflow"
    assert hook.main(["--url", address]) == 1
    assert "at least 16 characters" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_HOOK_SECRET", f"{SECRET[::-1]},{SECRET}")
    assert hook.main(["--url", address]) == 0
    assert mlflow.rows[0]["secret"] == SECRET[::-1]


def test_a_stack_without_a_webhook_is_named(mlflow: Webhooks, capsys: pytest.CaptureFixture[str]) -> None:
    assert hook.main(["without"]) == 1
    assert "MlflowHookSecretArn=" in capsys.readouterr().err
    assert hook.main(["unknown"]) == 1
