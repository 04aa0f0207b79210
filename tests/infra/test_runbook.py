"""The runbook is true: its commands parse, and what it names exists, with the parameters that the templates have."""

import json
import re
import shlex
import subprocess
import sys
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from infra import mlflow_server
from tests.support.infra import user_data
from tests.support.infra.aws_tools import ROOT, outputs_of, template
from training.__main__ import TRY_AGAIN, parser

RUNBOOK = (ROOT / "infra/README.md").read_text()
# Commands that the AWS CLI has of its own, beside those that it makes of the services' models, with their options.
OF_THE_CLI = {
    ("cloudformation", "deploy"): {"--stack-name", "--template-file", "--capabilities", "--parameter-overrides"},
    ("ecr", "get-login-password"): set[str](),
    ("s3", "sync"): set[str](),
    ("logs", "tail"): {"--since"},
}
EVERYWHERE = {"--query", "--output", "--region", "--cli-binary-format", "--max-items"}


def commands() -> list[str]:
    """Every command of the console blocks, its continued lines joined and its variables left out."""
    blocks = re.findall(r"```console\n(.*?)```", RUNBOOK, flags=re.DOTALL)
    lines = [line[2:] for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines() if line[:2] == "$ "]
    return [re.sub(r"^([A-Z0-9_]+=\S+ )+", "", line) for line in lines]


def of_kind(start: str) -> list[str]:
    return sorted({command for command in commands() if command.startswith(start)})


IN_THE_IMAGE = "docker run --rm --env-file .env eurusd-training "


def aws_commands() -> list[list[str]]:
    """Those of the AWS CLI, also where another command takes their output, as words after `aws`."""
    found = []
    for command in commands():
        for match in re.finditer(r"(?:^|\$\()aws (.*?)(?: \||\)\"$|$)", command):
            if (words := shlex.split(match[1])) not in found:
                found.append(words)
    return found


def deployments() -> list[tuple[str, dict[str, str]]]:
    """Template and parameters of each `aws cloudformation deploy`."""
    found = []
    for words in aws_commands():
        if words[:2] == ["cloudformation", "deploy"]:
            given = [word.split("=", 1) for word in words[words.index("--parameter-overrides") + 1 :]]
            found.append((words[words.index("--template-file") + 1], {name: value for name, value in given}))
    return found


def test_every_command_is_of_a_kind_that_is_checked() -> None:
    kinds = ("python -m training ", "python -m infra.mlflow_server ", "python -m lambda_fn.", "sudo mlflow-server ")
    others = ("aws ", "docker build ", "docker push ", "make ", "export ", IN_THE_IMAGE)
    assert commands()
    assert [command for command in commands() if not command.startswith((*kinds, *others))] == []


@pytest.mark.parametrize("command", of_kind("python -m training"))
def test_a_training_command_parses(command: str) -> None:
    parser().parse_args(shlex.split(command)[3:])


@pytest.mark.parametrize("command", of_kind("docker run"))
def test_a_command_in_the_image_of_training_parses(command: str) -> None:
    """Its entry point is `python -m training`."""
    parser().parse_args(shlex.split(command.removeprefix(IN_THE_IMAGE)))


@pytest.mark.parametrize("command", [*of_kind("python -m infra.mlflow_server"), *of_kind("sudo mlflow-server")])
def test_a_command_of_the_mlflow_server_parses(command: str) -> None:
    words = shlex.split(command)
    mlflow_server._parser().parse_args(words[3:] if words[0] == "python" else words[2:])


@pytest.mark.parametrize("command", of_kind("python -m lambda_fn"))
def test_a_serving_command_has_a_help(command: str) -> None:
    words = [sys.executable, *shlex.split(command)[1:], "--help"]
    assert subprocess.run(words, cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.parametrize("command", of_kind("make"))
def test_a_make_target_exists(command: str) -> None:
    assert subprocess.run(["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.parametrize("words", aws_commands(), ids=lambda words: "-".join(words[:2]))
def test_an_aws_command_has_the_options_that_aws_knows(words: list[str]) -> None:
    """By the models of the services, which come with botocore, from which the AWS CLI makes its commands."""
    service, operation = words[:2]
    options = {word for word in words if word.startswith("--")} - EVERYWHERE
    if (service, operation) in OF_THE_CLI:
        assert options <= OF_THE_CLI[service, operation]
        return
    try:
        model = botocore.session.get_session().get_service_model(service)
    except UnknownServiceError:
        pytest.fail(f"AWS has no service {service}")
    (name,) = [name for name in model.operation_names if xform_name(name, "-") == operation]
    shape = model.operation_model(name).input_shape
    assert options <= {f"--{xform_name(member, '-')}" for member in shape.members}
    assert {f"--{xform_name(member, '-')}" for member in shape.required_members} <= options


@pytest.mark.parametrize(("file", "given"), deployments())
def test_a_deployment_names_parameters_that_the_template_takes(file: str, given: dict[str, str]) -> None:
    parameters: dict[str, Any] = json.loads(template(file.removeprefix("infra/")))["Parameters"]
    assert given.keys() <= parameters.keys()
    assert {name for name, facts in parameters.items() if "Default" not in facts} <= given.keys()
    for name, value in given.items():
        assert re.fullmatch(parameters[name].get("AllowedPattern", ".*"), value), name


def test_every_stack_is_deployed() -> None:
    assert {file for file, _ in deployments()} == {f"infra/{path.name}" for path in (ROOT / "infra").glob("*.yaml")}


def test_a_build_names_a_file_that_exists() -> None:
    files = re.findall(r"docker build -f (\S+)", RUNBOOK)
    assert files
    assert all((ROOT / file).is_file() for file in files)


def test_files_and_links_exist() -> None:
    named = set(re.findall(r"`(infra/[\w./-]+|template\.yaml)`", RUNBOOK)) | set(re.findall(r"file://(\S+)", RUNBOOK))
    assert {"infra/training.yaml", "tests/events/health.json"} <= named
    assert [name for name in named if not (ROOT / name).exists()] == []
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK):
        path, _, anchor = target.partition("#")
        text = (ROOT / "infra" / (path or "README.md")).read_text()
        headings = {re.sub(r"[^a-z0-9 -]", "", each.lower()) for each in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
        assert not anchor or anchor in {heading.replace(" ", "-") for heading in headings}, target


def test_outputs_and_alarms_that_it_names_are_the_templates() -> None:
    outputs, alarms = set[str](), set[str]()
    texts = [(ROOT / "template.yaml").read_text(), *(path.read_text() for path in (ROOT / "infra").glob("*.yaml"))]
    for text in texts:
        outputs |= set(re.findall(r"^  (\w+):$", text.partition("\nOutputs:\n")[2], re.MULTILINE))
        alarms |= set(re.findall(r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm$", text, re.MULTILINE))
    told = set(re.findall(r"outputs? `(\w+)`", RUNBOOK))
    assert {"InstanceId", "SecretArn", "BucketName", "StoreBucket", "RefreshFunctionName"} <= told <= outputs
    rings = re.findall(r"((?:`\w+` or )?`\w+`) rings?", RUNBOOK)
    ringing = {name for names in rings for name in re.findall(r"`(\w+)`", names)}
    assert {"Unhealthy", "NoBackup", "PricesOld", "ApiErrors", "ApiServerErrors"} <= ringing <= alarms


def test_log_groups_that_it_names_are_the_templates() -> None:
    groups: set[str] = set()
    for name, stack in (("template.yaml", "eurusd-forecast"), ("infra/mlflow.yaml", "eurusd-mlflow")):
        named = re.findall(r'LogGroupName: !Sub "(\S+)"', (ROOT / name).read_text())
        groups |= {group.replace("${AWS::StackName}", stack) for group in named}
    tailed = set(re.findall(r"aws logs tail (/[^\s`]+)", RUNBOOK))
    assert tailed and tailed <= groups


def test_numbers_are_those_of_code_and_templates() -> None:
    (limit,) = re.findall(r"--memory (\d+)m", (ROOT / "infra/fallback.yaml").read_text())
    assert f"{limit} MB" in RUNBOOK
    parameters = json.loads(template("mlflow.yaml"))["Parameters"]
    assert f"`BackupDays` ({parameters['BackupDays']['Default']})" in RUNBOOK
    assert f"`{parameters['InstanceType']['Default']}` with 2 GB" in RUNBOOK
    assert f"exit code {TRY_AGAIN}" in RUNBOOK
    uri = outputs_of("mlflow.yaml", **user_data.MLFLOW)["TrackingUri"]
    assert f"`{uri.removeprefix('http://').partition(':')[0]}`" in RUNBOOK and uri in RUNBOOK
    assert "replaced-<time>" in RUNBOOK and "/srv/mlflow" in user_data.scripts("mlflow.yaml")["MachineTemplate"]


def test_what_it_costs_adds_up() -> None:
    """Each line is its product, and the sums of the text are those of the lines."""
    table = RUNBOOK.partition("| stack | what |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (\w+) \| .* \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", table, re.MULTILINE)
    assert len(rows) == table.count("\n") - 1
    sums: dict[str, float] = {}
    for stack, many, price, month in rows:
        assert float(many) * float(price) == pytest.approx(float(month), abs=0.006), (stack, month)
        sums[stack] = sums.get(stack, 0) + float(month)
    (said,) = re.findall(r"^So the service is (.*?):", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert re.findall(r"\d+\.\d\d", said) == [f"{total:.2f}" for total in sums.values()]
