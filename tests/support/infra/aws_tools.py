"""AWS's tools, which have their own environment, and the templates as CloudFormation gets them."""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.infra import cloudformation

ROOT = Path(__file__).parents[3]
TOOLS = Path(sys.executable).parents[1] / "aws" / "bin"
DEFAULTS = {"AWS::AccountId": "123456789012", "AWS::Region": "eu-central-1", "AWS::Partition": "aws"}
DEFAULTS |= {"AWS::StackName": "eurusd-forecast-dev", "AWS::URLSuffix": "amazonaws.com"}


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tool in the project's root, without credentials, telemetry and the check for updates."""
    command = [str(TOOLS / tool), *arguments]
    with tempfile.TemporaryDirectory() as temporary:  # checkov leaves a cache in it
        environ = {**_environ(), "TMPDIR": temporary}
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)


@functools.cache
def translated(**parameters: str) -> str:
    """The template after SAM's transformation, as JSON, with its conditions and references."""
    return _read(ROOT / "template.yaml", parameters)


def stack(**parameters: str) -> dict[str, Any]:
    """The resources of a deployment with these parameters; conditions and references are resolved."""
    template = json.loads(translated(**parameters))
    return cloudformation.resources(template, {**DEFAULTS, **parameters})


def broken_rules(**parameters: str) -> list[str]:
    """The rules of the template that a deployment with these parameters breaks."""
    return cloudformation.broken_rules(json.loads(translated()), {**DEFAULTS, **parameters})


@functools.cache
def template(name: str) -> str:
    """A template of infra/ as JSON, with the long form of its functions."""
    return _read(ROOT / "infra" / name)


def resources_of(name: str, **parameters: str) -> dict[str, Any]:
    """The resources of a deployment of infra/`name`, as `stack` gives them."""
    return cloudformation.resources(json.loads(template(name)), {**DEFAULTS, **parameters})


def outputs_of(name: str, **parameters: str) -> dict[str, str]:
    """The outputs of such a deployment."""
    return cloudformation.outputs(json.loads(template(name)), {**DEFAULTS, **parameters})


@functools.cache
def _yaml(path: Path) -> str:
    code = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    result = run("python", "-c", code, str(path))
    assert result.returncode == 0, result.stderr
    return result.stdout


def yaml_as_json(path: Path) -> Any:
    """The content of a YAML file without tags."""
    return json.loads(_yaml(path))


def close() -> None:
    """End the process that reads the templates, if it runs."""
    if _reader.cache_info().currsize:
        _reader().communicate()
        _reader.cache_clear()


def _environ() -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ |= {"AWS_DEFAULT_REGION": "eu-central-1", "SAM_CLI_TELEMETRY": "0", "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
    return environ


def _read(path: Path, parameters: Mapping[str, str] | None = None) -> str:
    """The file as JSON, translated if there are parameters."""
    process = _reader()
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps({"path": str(path), "parameters": parameters}) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    assert answer.startswith("{"), json.loads(answer or '"the reader of templates has ended"')
    return answer


@functools.cache
def _reader() -> "subprocess.Popen[str]":
    """Start the process that reads all templates: its start takes longer than a template."""
    command = [str(TOOLS / "python"), str(Path(__file__).with_name("translate.py"))]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, cwd=ROOT, env=_environ(), stdin=pipe, stdout=pipe, text=True, start_new_session=True
    )
    atexit.register(close)
    return process
