"""What holds for every stack of infra/: parameters are checked, nothing is public."""

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.infra.aws_tools import ROOT, template

STACKS = sorted(path.name for path in (ROOT / "infra").glob("*.yaml"))
CHECKED_TYPES = ("AWS::", "List<AWS::")  # whose values CloudFormation checks itself
ANYBODY = ("0.0.0.0/0", "::/0")


def parsed(name: str) -> Any:
    return json.loads(template(name))


def of_type(name: str, kind: str) -> list[Any]:
    return [each.get("Properties", {}) for each in parsed(name)["Resources"].values() if each["Type"] == kind]


def test_there_is_a_stack() -> None:
    assert "training.yaml" in STACKS


@pytest.mark.parametrize("name", STACKS)
def test_parameters_are_checked_and_say_the_cure(name: str) -> None:
    for parameter, facts in parsed(name)["Parameters"].items():
        assert facts["Description"].endswith("."), parameter
        if facts["Type"] == "Number":
            assert {"MinValue", "MaxValue"} <= facts.keys(), parameter
        elif not facts["Type"].startswith(CHECKED_TYPES) and "AllowedValues" not in facts:
            assert {"AllowedPattern", "ConstraintDescription"} <= facts.keys(), parameter


def parameters_in(user_data: object, parameters: Iterable[str]) -> set[str]:
    """The parameters that user data refers to."""
    text = json.dumps(user_data)
    return {name for name in parameters if re.search(rf'"{name}"|\$\{{{name}\}}', text)}


@pytest.mark.parametrize("name", STACKS)
def test_the_user_data_of_an_instance_has_no_parameters(name: str) -> None:
    """It runs once: a deployment that changes a parameter would succeed and change nothing. Launch templates may."""
    for instance in of_type(name, "AWS::EC2::Instance"):
        assert not parameters_in(instance.get("UserData"), parsed(name)["Parameters"])


def test_parameters_in_user_data_are_found() -> None:
    """The test above can fail."""
    script = {"Fn::Base64": {"Fn::Sub": ["docker pull ${Image} ${AWS::Region}", {"X": {"Ref": "Pairs"}}]}}
    assert parameters_in(script, ["Image", "Pairs", "Bucket"]) == {"Image", "Pairs"}


@pytest.mark.parametrize("name", STACKS)
def test_a_failed_first_deployment_leaves_nothing_in_the_way_of_the_next(name: str) -> None:
    policies = {each.get("DeletionPolicy") for each in parsed(name)["Resources"].values()}
    assert "Retain" not in policies


@pytest.mark.parametrize("name", STACKS)
def test_delete_markers_expire_with_their_versions(name: str) -> None:
    for bucket in of_type(name, "AWS::S3::Bucket"):
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert any(rule.get("ExpiredObjectDeleteMarker") for rule in rules)


@pytest.mark.parametrize("name", STACKS)
def test_nothing_lets_anybody_in(name: str) -> None:
    rules = of_type(name, "AWS::EC2::SecurityGroupIngress")
    for group in of_type(name, "AWS::EC2::SecurityGroup"):
        rules.append(group.get("SecurityGroupIngress", []))
    assert not any(address in json.dumps(rules) for address in ANYBODY)
    for data in (each["LaunchTemplateData"] for each in of_type(name, "AWS::EC2::LaunchTemplate")):
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        assert not any(each.get("AssociatePublicIpAddress") for each in data.get("NetworkInterfaces", []))
