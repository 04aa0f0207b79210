"""`eval "$(python -m infra.outputs STACK)"`: set shell variables from the outputs of a stack.

The output StoreBucket becomes STORE_BUCKET, and some become variables that the commands of this project read, too. The
outputs are read from CloudFormation with the current AWS credentials and region (`infra/session.py`).
"""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.session import VARIABLES, SessionError, open_session

# Output -> the variable of this project's commands that gets its value.
READ_BY_COMMANDS = {"StoreBucket": "S3_BUCKET", "TrackingUri": "MLFLOW_TRACKING_URI"}


class OutputsError(RuntimeError):
    """The outputs of the stack cannot be read; the message says what to check."""


def read_outputs(stack: str, session: boto3.Session) -> dict[str, str]:
    """Return the outputs of a stack by name. Raises OutputsError."""
    try:
        [description] = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise OutputsError(f"{stack}: {error}; check the stack's name, AWS_REGION and AWS_PROFILE") from error
    return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}


def format_exports(region: str, stack: str, outputs: Mapping[str, str]) -> list[str]:
    """Return a line of shell code for each variable. STACK is set for the service's stack, for which training signs."""
    variables = dict.fromkeys(VARIABLES, region)
    variables |= {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper(): value for name, value in outputs.items()}
    variables |= {name: outputs[output] for output, name in READ_BY_COMMANDS.items() if output in outputs}
    if "StoreBucket" in outputs:
        variables |= {"USE_S3": "true", "STACK": stack}
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 after one line on standard error when the stack cannot be read."""
    parser = argparse.ArgumentParser(
        "python -m infra.outputs", description="Print the outputs of a stack as shell variables."
    )
    parser.add_argument("stack", help="name of the stack, e.g. eurusd-forecast")
    stack = parser.parse_args(arguments).stack
    try:
        session = open_session(os.environ)
        lines = format_exports(str(session.region_name), stack, read_outputs(stack, session))
    except (SessionError, OutputsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
