"""An AWS account of moto's server, and this project's commands run against it as child processes.

A child gets only the variables of a reader who follows the runbook, so what it needs beside them is noticed.
"""

import io
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.cloudformation.models import cloudformation_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.support.infra.aws_tools import ROOT

REGION, ACCOUNT = "eu-central-1", "123456789012"
KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
# The container engine and the SAM CLI, which only record their calls, with the region that they would use.
STUB = """#!/bin/sh
echo "${0##*/} $* [$AWS_REGION $AWS_DEFAULT_REGION]" >> "$CALLS"
case "${0##*/} $*" in
  "docker version"*) echo "$ENGINE" ;;
  "docker buildx"*) echo "Platforms: linux/amd64*, $EMULATED" ;;
  *"{{.Os}}"*) echo "$BUILT sha256:1" ;;
  *"image inspect"*) echo '["sha256:1"]' ;;
esac
"""
SETTINGS, INVOKED, SET = "/2016-08-19/account-settings", "/invoked", "/set/"
_invoked: list[list[str]] = []
_set: dict[str, str] = {}
MACHINE = {"ENGINE": "linux/amd64", "EMULATED": "linux/386", "BUILT": "linux/amd64"}


@dataclass
class Account:
    """An account.

    Attributes:
        address: The address of the server.
        folder: The home of the commands.
        machine: What the container engine answers.
    """

    address: str
    folder: Path
    machine: dict[str, str] = field(default_factory=lambda: dict(MACHINE))

    def session(self, region: str = REGION) -> boto3.Session:
        return boto3.Session("any", "any", region_name=region)

    def client(self, service: str, region: str = REGION) -> Any:
        return self.session(region).client(service, endpoint_url=self.address)

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a new shell with credentials, and the server's address."""
        path = f"{self.folder}:{Path(sys.executable).parent}:/usr/bin:/bin"
        shell = {"PATH": path, "HOME": str(self.folder), "CALLS": str(self.folder / "calls")}
        return {**shell, **self.machine, **KEYS, "AWS_ENDPOINT_URL": self.address}

    def run(self, module: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m module`."""
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(command, cwd=ROOT, env={**self.environ, **variables}, capture_output=True, text=True)

    @contextmanager
    def variables(self) -> Iterator[None]:
        """Let this process be a shell with credentials."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**KEYS, "AWS_ENDPOINT_URL": self.address}.items():
                patch.setenv(name, value)
            yield

    def set_concurrency(self, quota: int) -> None:
        """Set the quota of concurrent executions, all of it unreserved."""
        _request(f"{self.address}{SET}quota", "PUT", str(quota))

    def set_status(self, stack: str, status: str) -> None:
        """Set the status of a stack."""
        _request(f"{self.address}{SET}status", "PUT", f"{stack}={status}")

    def refuse(self, function: str) -> None:
        """Let every invocation of a function fail."""
        _request(f"{self.address}{SET}refused", "PUT", function)

    def deny(self) -> None:
        """Deny everything from now on: the credentials have no permissions."""
        _request(f"{self.address}/moto-api/reset-auth", "POST", "0")

    def invoked(self) -> list[tuple[str, str, Any]]:
        """The invocations of functions: name, type and event."""
        with urllib.request.urlopen(f"{self.address}{INVOKED}") as response:
            return [(name, kind, json.loads(event or "null")) for name, kind, event in json.load(response)]

    def calls(self) -> list[str]:
        """What the container engine and the SAM CLI were asked."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def create_stack(
        self,
        name: str,
        outputs: Mapping[str, object],
        resources: Mapping[str, object] | None = None,
        parameters: Mapping[str, str] | None = None,
        region: str = REGION,
    ) -> None:
        """Create a stack with these outputs.

        Args:
            name: Its name.
            outputs: Values by name, or references to the resources.
            resources: By logical id; none becomes a topic.
            parameters: Values of the parameters.
            region: The region.
        """
        template = {
            "Parameters": {each: {"Type": "String"} for each in parameters or {}},
            "Resources": {"Any": {"Type": "AWS::SNS::Topic"}, **(resources or {})},
            "Outputs": {each: {"Value": value} for each, value in outputs.items()},
        }
        given = [{"ParameterKey": each, "ParameterValue": value} for each, value in (parameters or {}).items()]
        self.client("cloudformation", region).create_stack(
            StackName=name, TemplateBody=json.dumps(template), Parameters=given
        )

    def create_bucket(self, name: str) -> None:
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def create_function(self, name: str, versions: int = 0, live: int = 1) -> None:
        """Create a function, published as versions of which the alias `live` names one."""
        role = f"arn:aws:iam::{ACCOUNT}:role/any"
        policy = json.dumps({"Version": "2012-10-17", "Statement": []})
        if not any(each["RoleName"] == "any" for each in self.client("iam").list_roles()["Roles"]):
            self.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument=policy)
        client = self.client("lambda")
        client.create_function(
            FunctionName=name, Role=role, Code={"ImageUri": f"{ACCOUNT}.dkr.ecr.x/a:1"}, PackageType="Image"
        )
        for number in range(versions):
            client.update_function_configuration(FunctionName=name, Description=str(number))
            client.publish_version(FunctionName=name)
        if versions:
            client.create_alias(FunctionName=name, Name="live", FunctionVersion=str(live))


def answer(app: Any, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer as moto, with Lambda's GetAccountSettings, which it does not have, and a record of the invocations.

    A PUT to SET changes what moto's own API cannot: the quota, a function that refuses, the status of a stack.
    """
    path, body = environ["PATH_INFO"], environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    if path.startswith("/moto-api/reset"):
        _invoked.clear()
        _set.clear()
    if path.startswith(SET):
        name, _, value = body.decode().partition("=")
        _set[path.removeprefix(SET)] = name
        for backends in cloudformation_backends.values() if value else ():
            for stack in (stack for backend in backends.values() for stack in backend.stacks.values()):
                stack.status = value if stack.name == name else stack.status
    elif path.endswith("/invocations") and path.split("/")[-2] != _set.get("refused"):
        _invoked.append([path.split("/")[-2], environ.get("HTTP_X_AMZ_INVOCATION_TYPE", ""), body.decode()])
        return app(environ, start_response)  # type: ignore[no-any-return]
    elif path.endswith("/invocations"):
        start_response("404 Not Found", [("x-amzn-errortype", "ResourceNotFoundException")])
        return [b"{}"]
    elif not path.startswith((SETTINGS, INVOKED)):
        return app(environ, start_response)  # type: ignore[no-any-return]
    start_response("200 OK", [("content-type", "application/json")])
    quota = int(_set.get("quota", 1000))
    limit = {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": quota}
    return [json.dumps(_invoked if path == INVOKED else {"AccountLimit": limit}).encode()]


@contextmanager
def server() -> Iterator[str]:
    """Run moto's server in a process of its own, and yield its address."""
    command = [sys.executable, "-m", "tests.support.infra.aws_account"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()
            process.communicate()


def empty_account(address: str, folder: Path) -> Account:
    """Return an empty account, with the stubs of the machine's programs in `folder`."""
    for name in ("docker", "sam"):
        (folder / name).write_text(STUB)
        (folder / name).chmod(0o755)
    _request(f"{address}/moto-api/reset", "POST")
    _request(f"{address}/moto-api/config", "POST", '{"lambda": {"use_docker": false}}')
    _request(f"{address}/moto-api/reset-auth", "POST", "inf")
    return Account(address, folder)


def _request(url: str, method: str, body: str = "") -> None:
    request = urllib.request.Request(url, body.encode(), {"content-type": "text/plain"}, method=method)
    urllib.request.urlopen(request).close()


def main() -> None:
    """Serve on a free port, which is printed."""
    app = DomainDispatcherApplication(create_backend_app)
    made = make_server("127.0.0.1", 0, lambda *given: answer(app, *given), threaded=True)
    sys.stdout.write(f"{made.server_port}\n")
    sys.stdout.flush()
    made.serve_forever()


if __name__ == "__main__":
    main()
