"""Several stages in one account: two stacks of a template share no name that must be unique, and no metric."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from lambda_fn.settings import Settings
from tests.support.infra import user_data
from tests.support.infra.aws_tools import resources_of, stack, template

Resources = dict[str, Any]
STAGES = ("eurusd-forecast-staging", "eurusd-forecast")
REQUIRED = {"Bucket": "any", "VpcId": "vpc-1", "SubnetIds": "subnet-1", "MlflowTrackingUri": "http://any:5000"}
OF_OTHERS = {"DeploymentConfigName", "MetricName"}  # named here, and not made
WITHIN_OTHERS = {"AWS::ApiGatewayV2::Stage", "AWS::Lambda::Alias"}  # unique within an API or function


def of_service(name: str) -> Resources:
    return stack(**{"AWS::StackName": name})


def of_infra(file: str) -> Callable[[str], Resources]:
    given = user_data.STACKS.get(file, REQUIRED)
    made = {name: f"<{name}>" for name in json.loads(template(file))["Resources"]}
    return lambda name: resources_of(file, **{**given, **made, "AWS::StackName": name})


KINDS = {
    "template.yaml": of_service,
    **{name: of_infra(name) for name in ("training.yaml", "mlflow.yaml", "fallback.yaml")},
}


def names(resources: Resources) -> set[str]:
    """What resources are called by the template; where it says nothing, CloudFormation makes a name up."""
    return {
        f"{resource['Type']} {value}"
        for resource in resources.values()
        if resource["Type"] not in WITHIN_OTHERS
        for key, value in resource.get("Properties", {}).items()
        if key.endswith("Name") and key not in OF_OTHERS and isinstance(value, str) and "<" not in value
    }


def streams(stack_name: str, resources: Resources) -> set[tuple[str, str, str]]:
    """The metrics that alarms watch; a reference to a resource is one of this stack's."""
    found = set()
    for resource in resources.values():
        if resource["Type"] != "AWS::CloudWatch::Alarm":
            continue
        facts = resource["Properties"]
        dimensions = json.dumps(facts["Dimensions"], sort_keys=True).replace("<", f"<{stack_name}:")
        found.add((facts["Namespace"], facts["MetricName"], dimensions))
    return found


@pytest.mark.parametrize("file", KINDS)
def test_two_stages_share_nothing(file: str) -> None:
    first, second = (KINDS[file](name) for name in STAGES)
    assert names(first) and not names(first) & names(second)
    watched = [streams(name, each) for name, each in zip(STAGES, (first, second), strict=True)]
    assert watched[0] and not watched[0] & watched[1]


def test_stacks_of_one_stage_share_no_log_either() -> None:
    """MLflow's and the fallback's are called alike, apart from their stacks."""
    found = [names(make(f"eurusd-{file.split('.')[0]}")) for file, make in KINDS.items()]
    assert sum(map(len, found)) == len(set().union(*found))


@pytest.mark.parametrize("function", ["ApiFunction", "RefreshFunction", "IngestFunction"])
def test_metrics_are_counted_for_their_stack(function: str) -> None:
    for name in STAGES:
        variables = of_service(name)[function]["Properties"]["Environment"]["Variables"]
        assert Settings.from_env(variables).stack == name
    assert Settings.from_env({}).stack == "local"


def test_a_host_of_its_own_is_the_servers_everywhere() -> None:
    parameters = {**user_data.MLFLOW, "HostName": "mlflow.example.internal"}
    text = json.dumps(resources_of("mlflow.yaml", **parameters))
    assert len(re.findall(r"mlflow\.example\.internal", text)) == 3
    assert "eurusd-mlflow.internal" not in text
