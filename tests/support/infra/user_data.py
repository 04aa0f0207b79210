"""The user data of a stack's machines, as EC2 would get it."""

import re
from typing import Any

from tests.support.infra.aws_tools import resources_of

FALLBACK = {
    "AWS::StackName": "eurusd-fallback",
    "Bucket": "eurusd-forecast-123456789012",
    "Image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eurusd-forecast:1",
    "RepositoryName": "eurusd-forecast",
    "VpcId": "vpc-1",
    "SubnetId": "subnet-1",
    "AvailabilityZone": "eu-central-1a",
    "Interface": "eni-0a1b2c3d",
    "Interface.PrimaryPrivateIpAddress": "10.0.1.20",
    "Logs": "/eurusd-forecast/eurusd-fallback",
}
MLFLOW = {
    "AWS::StackName": "eurusd-mlflow",
    "Image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eurusd-training:1",
    "RepositoryName": "eurusd-training",
    "VpcId": "vpc-1",
    "SubnetId": "subnet-1",
    "AvailabilityZone": "eu-central-1a",
    "Bucket": "eurusd-mlflow-bucket-1a2b3c",
    "Interface": "eni-1a2b3c4d",
    "Interface.PrimaryPrivateIpAddress": "10.0.1.10",
    "Volume": "vol-0a1b2c3d",
    "Zone": "Z0123456789",
    "Secret": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:Secret-1",
    "Logs": "/eurusd-forecast/eurusd-mlflow",
}
STACKS = {"fallback.yaml": FALLBACK, "mlflow.yaml": MLFLOW}


def scripts(name: str) -> dict[str, str]:
    """The script of each machine, or of each group's template, by the resource's name."""
    found: dict[str, str] = {}
    for key, each in resources_of(name, **STACKS[name]).items():
        properties: dict[str, Any] = each.get("Properties", {})
        if data := properties.get("UserData") or properties.get("LaunchTemplateData", {}).get("UserData"):
            found[key] = str(data)
    return found


def written(script: str) -> dict[str, str]:
    """The files that a script writes from its own text, by path."""
    return dict(re.findall(r"^cat > (\S+) <<'EOF'\n(.*?)^EOF$", script, flags=re.MULTILINE | re.DOTALL))
