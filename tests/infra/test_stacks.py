"""What holds for every stack of infra/: parameters are checked, nothing is public."""

import json
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


@pytest.mark.parametrize("name", STACKS)
def test_nothing_lets_anybody_in(name: str) -> None:
    rules = of_type(name, "AWS::EC2::SecurityGroupIngress")
    for group in of_type(name, "AWS::EC2::SecurityGroup"):
        rules.append(group.get("SecurityGroupIngress", []))
    assert not any(address in json.dumps(rules) for address in ANYBODY)
    for data in (each["LaunchTemplateData"] for each in of_type(name, "AWS::EC2::LaunchTemplate")):
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        assert not any(each.get("AssociatePublicIpAddress") for each in data.get("NetworkInterfaces", []))
