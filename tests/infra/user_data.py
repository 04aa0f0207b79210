"""The user data of a stack's machines, as EC2 would get it."""

import re
from typing import Any

from tests.infra.aws_tools import resources_of

FALLBACK = {
    "AWS::StackName": "eurusd-fallback",
    "AWS::URLSuffix": "amazonaws.com",
    "Bucket": "eurusd-forecast-123456789012",
    "Image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eurusd-forecast:1",
    "RepositoryName": "eurusd-forecast",
    "VpcId": "vpc-1",
    "SubnetId": "subnet-1",
}
STACKS = {"fallback.yaml": FALLBACK}


def scripts(name: str) -> dict[str, str]:
    """Each instance's script by the instance's name."""
    resources = resources_of(name, **STACKS[name])
    found: dict[str, Any] = {
        key: each["Properties"]["UserData"]
        for key, each in resources.items()
        if "UserData" in each.get("Properties", {})
    }
    return {key: str(value) for key, value in found.items()}


def written(script: str) -> dict[str, str]:
    """The files that a script writes from its own text, by path."""
    return dict(re.findall(r"^cat > (\S+) <<'EOF'\n(.*?)^EOF$", script, flags=re.MULTILINE | re.DOTALL))
