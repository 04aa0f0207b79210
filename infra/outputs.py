"""`eval "$(python -m infra.outputs STACK)"`: a stack's outputs as variables of the shell, StoreBucket as STORE_BUCKET,
and those that the commands of this project read. It asks CloudFormation with the credentials and region at hand."""

import argparse
import re
import shlex
import sys
from collections.abc import Mapping, Sequence

import boto3
from botocore.exceptions import BotoCoreError, ClientError

# Variables of our commands, beside the output that has their value.
READ_BY_COMMANDS = {"StoreBucket": "S3_BUCKET", "TrackingUri": "MLFLOW_TRACKING_URI"}


class OutputsError(RuntimeError):
    """The stack's outputs are not to be had; the message says the cure."""


def outputs(stack: str, session: boto3.Session) -> dict[str, str]:
    """By their names; raises OutputsError."""
    try:
        [found] = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise OutputsError(f"{stack}: {error}; check the stack's name, AWS_REGION and AWS_PROFILE") from error
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def exports(region: str, stack: str, found: Mapping[str, str]) -> list[str]:
    """A line of the shell for each variable; STACK is that of the service, for which training signs."""
    variables = {"AWS_REGION": region}
    variables |= {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper(): value for name, value in found.items()}
    variables |= {name: found[output] for output, name in READ_BY_COMMANDS.items() if output in found}
    if "StoreBucket" in found:
        variables |= {"USE_S3": "true", "STACK": stack}
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 after one sentence on standard error when there is no such stack."""
    parser = argparse.ArgumentParser("python -m infra.outputs", description="A stack's outputs as shell variables.")
    parser.add_argument("stack", help="such as eurusd-forecast")
    asked = parser.parse_args(arguments)
    session = boto3.Session()
    try:
        lines = exports(session.region_name or "", asked.stack, outputs(asked.stack, session))
    except OutputsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
