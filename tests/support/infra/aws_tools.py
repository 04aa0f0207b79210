"""AWS's own tools, which live in an environment of their own, and the template as CloudFormation gets it."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.infra import cloudformation

ROOT = Path(__file__).parents[3]
TOOLS = Path(sys.executable).parents[1] / "aws" / "bin"
DEFAULTS = {"AWS::AccountId": "123456789012", "AWS::Region": "eu-central-1", "AWS::Partition": "aws"}
DEFAULTS |= {"AWS::StackName": "eurusd-forecast-dev", "AWS::URLSuffix": "amazonaws.com"}


def run(tool: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a tool at the root of the project, without credentials and without telemetry."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ |= {"AWS_DEFAULT_REGION": "eu-central-1", "SAM_CLI_TELEMETRY": "0"}
    command = [str(TOOLS / tool), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, input=given, capture_output=True, text=True)


@functools.cache
def translated(**parameters: str) -> str:
    """The template after SAM's transformation, as JSON, conditions and parameters still in it."""
    script = str(Path(__file__).with_name("translate.py"))
    done = run("python", script, str(ROOT / "template.yaml"), given=json.dumps(parameters))
    assert done.returncode == 0, done.stderr
    return done.stdout


def stack(**parameters: str) -> dict[str, Any]:
    """The resources that a deployment with these parameters makes, every condition and reference resolved."""
    template = json.loads(translated(**parameters))
    return cloudformation.resources(template, {**DEFAULTS, **parameters})


@functools.cache
def template(name: str) -> str:
    """A template of infra/ as JSON, its functions in their long form."""
    script = (
        "import json, sys; from samcli.yamlhelper import yaml_parse; print(json.dumps(yaml_parse(sys.stdin.read())))"
    )
    done = run("python", "-c", script, given=(ROOT / "infra" / name).read_text())
    assert done.returncode == 0, done.stderr
    return done.stdout


def resources_of(name: str, **parameters: str) -> dict[str, Any]:
    """The resources that a deployment of infra/`name` makes, as of `stack`."""
    return cloudformation.resources(json.loads(template(name)), {**DEFAULTS, **parameters})


def outputs_of(name: str, **parameters: str) -> dict[str, str]:
    """The outputs of such a deployment."""
    return cloudformation.outputs(json.loads(template(name)), {**DEFAULTS, **parameters})


def yaml_as_json(path: Path) -> Any:
    """A YAML file without tags."""
    read = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    return json.loads(run("python", "-c", read, given=path.read_text()).stdout)
