"""The webhook of the template: a route, a function and a role of their own, only with the secret's parameter."""

import importlib
from typing import Any

import pytest

from lambda_fn.registry.webhook import PATH
from lambda_fn.settings import DEFAULTS
from tests.support.infra.access import KEYS, allowed
from tests.support.infra.aws_tools import stack
from tests.support.infra.deployments import DEPLOYMENTS, JWT, WEBHOOK

OWN = {"HookFunction", "HookMayBeInvoked", "HookRole", "HookLogs"}


def api(**parameters: str) -> Any:
    return stack(**parameters)["Api"]["Properties"]["Body"]


def stage(**parameters: str) -> Any:
    resources = stack(**parameters)
    (found,) = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::ApiGatewayV2::Stage"]
    return found


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_it_exists_only_with_the_parameter(name: str) -> None:
    parameters = DEPLOYMENTS[name]
    expected = OWN if "MlflowHookSecretArn" in parameters else set()
    assert OWN & stack(**parameters).keys() == expected
    assert (PATH in api(**parameters)["paths"]) == bool(expected)
    assert (f"POST {PATH}" in stage(**parameters).get("RouteSettings", {})) == bool(expected)


@pytest.mark.parametrize("parameters", [WEBHOOK, WEBHOOK | JWT])
def test_the_route_is_open_throttled_and_of_its_own_function(parameters: dict[str, str]) -> None:
    path = api(**parameters)["paths"][PATH]
    assert path.keys() == {"post"} and path["post"]["security"] == []
    integration = path["post"]["x-amazon-apigateway-integration"]
    assert "functions/<HookFunction.Arn>/invocations" in integration["uri"]
    assert integration["payloadFormatVersion"] == "2.0"
    limits = {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 5}
    assert stage(**parameters)["RouteSettings"] == {f"POST {PATH}": limits}


def test_the_function_starts_refresh_and_may_do_nothing_else() -> None:
    resources = stack(**WEBHOOK)
    properties = resources["HookFunction"]["Properties"]
    (handler,) = properties["ImageConfig"]["Command"]
    module, _, name = handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    variables = properties["Environment"]["Variables"]
    assert variables.keys() <= DEFAULTS.keys()
    assert variables["REFRESH_FUNCTION"] == "<RefreshFunction>"
    (policy,) = resources["HookRole"]["Properties"]["Policies"]
    found = policy["PolicyDocument"]["Statement"]
    assert {each["Sid"] for each in found} == {"ReadTheSecretOfTheWebhook", "StartRefresh", "WriteItsLogs"}
    assert allowed(found, "lambda:InvokeFunction", "<RefreshFunction.Arn>")
    assert allowed(found, "secretsmanager:GetSecretValue", WEBHOOK["MlflowHookSecretArn"])
    for action in ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "lambda:UpdateFunctionCode"):
        assert not any(allowed(found, action, key) for key in (*KEYS, "<RefreshFunction.Arn>"))
    source = resources["HookMayBeInvoked"]["Properties"]["SourceArn"]
    assert source == "arn:aws:execute-api:eu-central-1:123456789012:<Api>/*/POST/hooks/mlflow"


def test_the_api_function_stays_as_it_is() -> None:
    before, after = stack(), stack(**WEBHOOK)
    assert before["ApiFunction"] == after["ApiFunction"] and before["ApiRole"] == after["ApiRole"]
    assert "HookRefused" in str(after["Dashboard"])
