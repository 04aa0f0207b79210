"""`python -m infra.deploy`: check the account, `sam build`, then `sam deploy` with the parameter Release.

So a new version is published exactly when the image or a parameter has changed. The template uses Release as
AutoPublishCodeSha256; without it SAM looks at the image only. A stack keeps the parameters that it was given before.
"""

import argparse
import hashlib
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra import releases
from infra.base import PLATFORMS, NotPinned, check, fetch
from infra.parameters import REQUIRED, find_faults, parse_parameters, template_parameters
from infra.preflight import (
    PRODUCTION,
    Finding,
    Plan,
    Stack,
    check_account,
    check_machine,
    check_required,
    describe_stack,
)
from infra.session import SessionError, child_environ, open_session

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "template.yaml"
STAGES = ("default", "staging", PRODUCTION)
IMAGE = "apifunction:lambda"  # built by `sam build`


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, 1 if a check fails, or the exit code of the first command that fails."""
    parser = argparse.ArgumentParser("python -m infra.deploy", description="Build and deploy one of the stacks.")
    parser.add_argument("parameters", nargs="*", metavar="Name=Value", help="overrides of samconfig.toml")
    parser.add_argument(
        "--config-env", default="default", choices=STAGES, help="table of samconfig.toml (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="report what would fail and stop")
    parser.add_argument("--show", action="store_true", help="build, print the deploy command and stop")
    args = parser.parse_intermixed_args(arguments)
    for parameter in args.parameters:
        if "=" not in parameter:
            parser.error(f"{parameter!r} is not a parameter; write it as Name=Value")
    overrides = read_parameters(args.config_env) | parse_parameters(args.parameters)
    if faults := find_faults(overrides, template_parameters(TEMPLATE.read_text())):
        parser.error("\n".join(faults))
    try:
        session = open_session(os.environ)
        plan = make_plan(args.config_env, overrides, session)
    except (SessionError, BotoCoreError, ClientError) as error:
        _say(f"error: {error}; check the credentials, AWS_PROFILE and the region")
        _report(check_machine(args.config_env, overrides.get("Architecture", "x86_64")))
        return 1
    machine = check_machine(plan.stage, plan.parameters["Architecture"])
    if not _report([*machine, *check_required(overrides, plan), *check_account(plan)]):
        return 1
    try:
        if args.check:
            return 0
        overrides = {name: value for name, value in overrides.items() if value != REQUIRED}
        release = build(plan, child_environ(os.environ, session))
        command = deploy_command(plan, overrides | {"Release": release})
        if args.show:
            sys.stdout.write(shlex.join(command) + "\n")
            return 0
        _run(command, child_environ(os.environ, session))
        finish(plan)
    except NotPinned as error:
        _say(str(error))
        return 1
    except FileNotFoundError as error:
        sys.stderr.write(f"{error.filename}: command not found; make deploy installs sam, and Docker is required\n")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def make_plan(stage: str, overrides: Mapping[str, str], session: boto3.Session) -> Plan:
    """Return the deployment of a stage, and print where it goes. Raises BotoCoreError and ClientError.

    Args:
        stage: The table of samconfig.toml.
        overrides: The parameters of that table and of the command line.
        session: AWS session.
    """
    name = str(tomllib.loads((ROOT / "samconfig.toml").read_text())[stage]["global"]["parameters"]["stack_name"])
    caller = session.client("sts").get_caller_identity()
    stack = describe_stack(name, session)
    _say(f"account   {caller['Account']}\nidentity  {caller['Arn']}\nregion    {session.region_name}")
    _say(f"stack     {name} ({stack.status or 'new'})")
    return Plan(stage, name, caller["Account"], session, stack, merge_parameters(overrides, stack))


def merge_parameters(overrides: Mapping[str, str], stack: Stack) -> dict[str, str]:
    """Return all parameters but Release: the override, else the stack's value, else the template's default."""
    template = template_parameters(TEMPLATE.read_text())
    defaults = {name: parameter.default for name, parameter in template.items()}
    current = {name: value for name, value in stack.parameters.items() if name in template} if stack.exists else {}
    merged = {**defaults, **current, **{name: value for name, value in overrides.items() if value != REQUIRED}}
    return {name: value for name, value in merged.items() if name != "Release"}


def build(plan: Plan, environ: Mapping[str, str]) -> str:
    """Build the image for the deployment's architecture, and return the Release.

    Raises NotPinned if the image is not on the recorded base or of another architecture, and CalledProcessError.
    """
    architecture = plan.parameters["Architecture"]
    below = fetch(architecture) if plan.stage == PRODUCTION else None
    overrides = ["--parameter-overrides", f"Architecture={architecture}"]
    _run(["sam", "build", "--config-env", plan.stage, *overrides], environ)
    if below is not None:
        check(IMAGE, below)
    inspect = ["docker", "image", "inspect", IMAGE, "--format", "{{.Os}}/{{.Architecture}} {{.Id}}"]
    done = subprocess.run(inspect, check=True, stdout=subprocess.PIPE, text=True)  # the three functions share the image
    platform, image_id = done.stdout.split()
    if platform != PLATFORMS[architecture]:
        raise NotPinned(
            f"{IMAGE}: built for {platform}, but Architecture is {architecture}; rm -r .aws-sam, and deploy"
        )
    return make_release(image_id, TEMPLATE.read_bytes(), plan.parameters)


def finish(plan: Plan) -> None:
    """After a deployment: fetch the first prices, and remove old versions. A failure here is only reported."""
    try:
        outputs = describe_stack(plan.name, plan.session).outputs
        if not plan.stack.exists and "IngestFunctionName" in outputs:
            plan.session.client("lambda").invoke(FunctionName=outputs["IngestFunctionName"], InvocationType="Event")
            _say("ingest is invoked: it fetches the first prices, and AgesUnknown does not ring")
        if "ApiFunctionName" in outputs and (old := releases.remove_old(outputs["ApiFunctionName"], plan.session)):
            _say(f"removed old versions of the API: {', '.join(map(str, old))}")
    except (BotoCoreError, ClientError) as error:
        _say(f"the stack is deployed, but: {error}")


def read_parameters(config_env: str) -> dict[str, str]:
    """Return the parameters of a table of samconfig.toml. Raises KeyError when there is no such table."""
    tables = tomllib.loads((ROOT / "samconfig.toml").read_text())
    return parse_parameters(tables[config_env]["deploy"]["parameters"]["parameter_overrides"])


def make_release(image_id: str, template: bytes, parameters: Mapping[str, str]) -> str:
    """Return the Release: a digest, 64 hexadecimal digits, of image, template and parameters.

    The id of an image is the digest of its layers and its settings. The same sources give the same id as long as
    Docker's cache has their layers.
    """
    lines = [image_id, hashlib.sha256(template).hexdigest()]
    lines += [f"{name}={value}" for name, value in sorted(parameters.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def deploy_command(plan: Plan, parameters: Mapping[str, str]) -> list[str]:
    """Return the deploy command with all given parameters, because they replace all those of samconfig.toml."""
    overrides = [f"{name}={value}" for name, value in sorted(parameters.items())]
    where = ["--config-env", plan.stage, "--region", str(plan.session.region_name)]
    return ["sam", "deploy", *where, "--parameter-overrides", *overrides]


def _report(findings: Iterable[Finding]) -> bool:
    """Print the findings, and return whether none is fatal."""
    succeeds = True
    for finding in findings:
        _say(f"{'error' if finding.fatal else 'note'}: {finding.text}")
        succeeds &= not finding.fatal
    return succeeds


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _run(command: Sequence[str], environ: Mapping[str, str]) -> None:
    _say(f"+ {shlex.join(command)}")
    subprocess.run(command, check=True, cwd=ROOT, env=environ)


if __name__ == "__main__":
    sys.exit(main())
