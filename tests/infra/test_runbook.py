"""The runbook is true: its commands parse, and what it names exists, with the parameters that the templates have."""

import json
import re
import shlex
import subprocess
import sys
from typing import Any

import botocore.session
import jmespath
import pytest
from botocore import xform_name

from infra import mlflow_server
from infra.parameters import template_parameters
from lambda_fn.jobs.telemetry import BY_PAIR
from lambda_fn.store.command_line import TEMPORARY_FAILURE
from tests.support.commands import parsed
from tests.support.infra import runbook, user_data
from tests.support.infra.aws_tools import ROOT, outputs_of, template
from tests.support.infra.runbook import KNOWN, RUNBOOK, calls, first_commands

TEMPLATE = (ROOT / "template.yaml").read_text()
# Commands that the AWS CLI has of its own, beside those that it makes of the services' models, with their options.
OF_THE_CLI = {
    ("cloudformation", "deploy"): {"--stack-name", "--template-file", "--capabilities", "--parameter-overrides"},
    ("ecr", "get-login-password"): set[str](),
    ("s3", "sync"): {"--source-region"},
    ("logs", "tail"): {"--since"},
    ("cloudformation", "wait"): {"--stack-name", "--change-set-name"},
}
FLAGS = {"--force"}
NO_METRICS = {"Allow", "Count", "None", "Milliseconds", "Lambda", "Retry-After"}
EVERYWHERE = {"--query", "--output", "--region", "--cli-binary-format", "--max-items"}


def given_to(*start: str) -> list[list[str]]:
    """The words that follow these in every call of the runbook, each once."""
    found: list[list[str]] = []
    for recorded in calls().values():
        for words in recorded:
            if words[: len(start)] == list(start) and (rest := words[len(start) :]) not in found:
                found.append(rest)
    return found


def deployments() -> list[tuple[str, dict[str, str]]]:
    """Template and parameters of each `aws cloudformation deploy`."""
    found = []
    for words in given_to("aws", "cloudformation", "deploy"):
        given = [word.split("=", 1) for word in words[words.index("--parameter-overrides") + 1 :]]
        found.append((words[words.index("--template-file") + 1], {name: value for name, value in given}))
    return found


def test_every_section_can_be_followed_in_a_new_shell() -> None:
    """After the first lines alone: each variable is set above its use, or `calls` fails."""
    assert all(calls().values()) and len(calls()) > 25
    known = [
        "python -m training",
        "python -m infra.outputs",
        "python -m infra.redrive",
        "python -m infra.releases",
        "python -m infra.mlflow_server",
    ]
    known += ["python -m lambda_fn.refresh", "python -m lambda_fn.ingest", "python -c", "sudo mlflow-server"]
    known += ["docker build", "docker login", "docker push", "docker run", "sam delete", "aws ", "make "]
    known += [
        "sam build",
        "sam deploy",
        "docker version",
        "docker image",
        "docker pull",
        "docker tag",
    ]  # of a deployment
    for recorded in calls().values():
        for words in recorded:
            assert " ".join(words).startswith(tuple(known)), words


def test_its_transcript_can_be_printed_whole_and_by_section(capsys: pytest.CaptureFixture[str]) -> None:
    """What each program was given, variables put in: the first lines once, and not again in each section."""
    assert runbook.main([]) == 0
    whole = capsys.readouterr().out
    shown = [part.partition("\n") for part in f"\n{whole}".split("\n# ")[1:]]
    assert [heading for heading, _, _ in shown] == ["In a new shell", *list(calls())[1:]]
    assert whole.count("python -m infra.outputs eurusd-fallback\n") == 1
    first = calls()[""]
    others = [words for name, given in calls().items() if name for words in given[len(first) :]]
    # both ends of a pipe start at once: the order of those two is the machine's
    assert sorted(shlex.split(line) for _, _, text in shown for line in text.splitlines() if line) == sorted(
        [*first, *others]
    )
    assert runbook.main(["Redrive of failed events"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "# Redrive of failed events",
        "python -m infra.redrive eurusd-forecast --keep",
        "python -m infra.redrive eurusd-forecast",
    ]
    assert runbook.main(["No such section"]) == 2


def test_commands_of_ours_parse() -> None:
    for words in given_to("python", "-m", "training"):
        parsed(words)
    for words in [*given_to("python", "-m", "infra.mlflow_server"), *given_to("sudo", "mlflow-server")]:
        mlflow_server._parser().parse_args(words)
    for words in given_to("docker", "run"):
        image = next(number for number, word in enumerate(words) if word.startswith(KNOWN["RepositoryUri"]))
        parsed(words[image + 1 :])
    assert given_to("python", "-m", "infra.redrive") == [["eurusd-forecast", "--keep"], ["eurusd-forecast"]]


@pytest.mark.parametrize("module", ["lambda_fn.ingest", "lambda_fn.refresh"])
def test_a_serving_command_has_a_help(module: str) -> None:
    assert all(words in ([], ["--accept", "2026-11-27"]) for words in given_to("python", "-m", module))
    assert subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True).returncode == 0


def test_targets_of_make_exist() -> None:
    found = given_to("make")
    assert found
    for words in found:
        assert subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True).returncode == 0, words


def test_a_deployment_by_make_names_parameters_that_the_template_takes() -> None:
    parameters = template_parameters(TEMPLATE)
    for words in given_to("make", "deploy"):
        given = [word.removeprefix("ARGS=").split() for word in words if word.startswith("ARGS=")]
        named = [each.partition("=")[0] for arguments in given for each in arguments if not each.startswith("--")]
        assert set(named) <= set(parameters), words


def test_a_deployment_by_make_passes_its_checks_and_is_given_to_sam() -> None:
    """In the region of the runbook's variable, or in the one moved to."""
    deployed = {name: [words for words in found if words[:2] == ["sam", "deploy"]] for name, found in calls().items()}
    regions = {
        name: {words[words.index("--region") + 1] for words in found} for name, found in deployed.items() if found
    }
    assert regions.pop("Moving to another region or account") == {"eu-west-1"}
    assert len(regions) >= 5 and all(found == {"eu-central-1"} for found in regions.values())


def test_the_parameters_of_an_import_keep_their_values() -> None:
    """The words that the query makes of a stack's parameters, by the language of the AWS CLI's queries."""
    (query,) = [
        words[words.index("--query") + 1]
        for words in given_to("aws", "cloudformation", "describe-stacks")
        if "ParameterKey" in " ".join(words)
    ]
    parameters = [{"ParameterKey": name, "ParameterValue": "x"} for name in ("Memory", "CreateBucket", "Pairs")]
    found = jmespath.search(query, {"Stacks": [{"Parameters": parameters}]})
    assert found == [f"ParameterKey={name},UsePreviousValue=true" for name in ("Memory", "Pairs")]


def test_aws_commands_have_the_options_that_aws_knows() -> None:
    """By the models of the services, which come with botocore, from which the AWS CLI makes its commands."""
    session = botocore.session.get_session()
    for service, operation, *words in given_to("aws"):
        options = {word for word in words if word.startswith("--")} - EVERYWHERE
        if (service, operation) in OF_THE_CLI:
            assert options <= OF_THE_CLI[service, operation], words
            continue
        model = session.get_service_model("s3" if service == "s3api" else service)
        (name,) = [name for name in model.operation_names if xform_name(name, "-") == operation]
        shape = model.operation_model(name).input_shape
        assert options <= {*(f"--{xform_name(member, '-')}" for member in shape.members), *FLAGS}, words
        assert {f"--{xform_name(member, '-')}" for member in shape.required_members} <= options, words
        for option in ("--lifecycle-policy-text", "--lifecycle-configuration", "--secret-string", "--payload"):
            if option in words and not (value := words[words.index(option) + 1]).startswith("file://"):
                json.loads(value)


def test_deployments_name_parameters_that_the_templates_take() -> None:
    for file, given in deployments():
        parameters: dict[str, Any] = json.loads(template(file.removeprefix("infra/")))["Parameters"]
        assert given.keys() <= parameters.keys()
        assert {name for name, facts in parameters.items() if "Default" not in facts} <= given.keys()
        for name, value in given.items():
            assert re.fullmatch(parameters[name].get("AllowedPattern", ".*"), value), (name, value)


def test_every_alarm_is_in_the_first_table() -> None:
    """With its stack, a first command, and where the whole is told."""
    stacks = {"service": "template.yaml", **{name: f"infra/{name}.yaml" for name in ("training", "mlflow", "fallback")}}
    alarms = {
        (stack, name)
        for stack, file in stacks.items()
        for name in re.findall(r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm$", (ROOT / file).read_text(), re.MULTILINE)
    }
    table = RUNBOOK.partition("## Alarms")[2].partition("\n## ")[0]
    rows = re.findall(
        r"^\| (\w+) \| `(\w+)` \| [^|]+ \| [^|]+ \| `[^`|]+` \| \[[^|]+\]\(#[^|]+\|$", table, re.MULTILINE
    )
    assert len(rows) == len(alarms) and set(rows) == alarms
    assert first_commands().keys() == {name for _, name in alarms}
    assert RUNBOOK.index("## Alarms") < RUNBOOK.index("## Overview")


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
    assert {"Address", "SecretArn", "BucketName", "StoreBucket", "RefreshFunctionName"} <= told <= outputs
    rings = re.findall(r"((?:`\w+` or )?`\w+`) rings?", RUNBOOK)
    ringing = {name for names in rings for name in re.findall(r"`(\w+)`", names)}
    assert {"Unhealthy", "NoBackup", "PricesOld", "ApiErrors", "ApiServerErrors"} <= ringing <= alarms


def test_log_groups_that_it_names_are_the_templates() -> None:
    groups: set[str] = set()
    for name, stack in (
        ("template.yaml", "eurusd-forecast"),
        ("infra/mlflow.yaml", "eurusd-mlflow"),
        ("infra/fallback.yaml", "eurusd-fallback"),
    ):
        named = re.findall(r'LogGroupName: !Sub "(\S+)"', (ROOT / name).read_text())
        groups |= {group.replace("${AWS::StackName}", stack) for group in named}
    tailed = {words[0] for words in given_to("aws", "logs", "tail")}
    assert tailed and tailed <= groups


def test_numbers_are_those_of_code_and_templates() -> None:
    (limit,) = re.findall(r"--memory (\d+)m", (ROOT / "infra/fallback.yaml").read_text())
    assert f"{limit} MB" in RUNBOOK
    parameters = json.loads(template("mlflow.yaml"))["Parameters"]
    assert f"`BackupDays` ({parameters['BackupDays']['Default']})" in RUNBOOK
    assert f"`{parameters['InstanceType']['Default']}` with 2 GB" in RUNBOOK
    assert f"exit code {TEMPORARY_FAILURE}" in RUNBOOK
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
    assert f"| alarms | {TEMPLATE.count('Type: AWS::CloudWatch::Alarm')} |" in table


def test_what_three_usages_cost_adds_up() -> None:
    (said,) = re.findall(r"^So the service is (.*?):", RUNBOOK, re.MULTILINE | re.DOTALL)
    service, requests, *others = map(float, re.findall(r"\d+\.\d\d", said))
    fixed = {"service": service, **dict(zip(("training", "mlflow", "fallback", "network"), others, strict=True))}
    rows = re.findall(r"^\| an? .*? \| ([\d.]+) \| ([a-z, ]+) \| ([\d.]+) \|$", RUNBOOK, re.MULTILINE)
    assert len(rows) == 3
    for millions, stacks, month in rows:
        total = sum(fixed[stack] for stack in stacks.split(", ")) + float(millions) * requests
        assert total == pytest.approx(float(month), abs=0.006), month


def test_as_many_metrics_are_paid_as_there_are() -> None:
    """Each by stack, those of BY_PAIR by pair, too; what is counted in the access log by stack."""
    (names, of_pair, paid) = re.findall(r"metrics of its own: (\d+) .*?, (\d+) .* \| (\d+) \| 0.30", RUNBOOK)[0]
    emitted = {word for file in ("api", "refresh", "ingest", "record/track_record") for word in words_of(file)}
    assert int(names) == len(emitted), sorted(emitted)
    assert len(BY_PAIR & emitted) == len(BY_PAIR) == int(of_pair)
    assert int(paid) == len(emitted) + len(BY_PAIR) + TEMPLATE.count("Type: AWS::Logs::MetricFilter")
    further = len(BY_PAIR) * 0.30
    assert f"{len(BY_PAIR)} metrics, {further:.2f}" in RUNBOOK and f"{27 * further:.2f} more" in RUNBOOK


def words_of(file: str) -> set[str]:
    """The names of metrics in a module: each stands in a string of its own, in capitals at its words."""
    text = (ROOT / f"lambda_fn/{file}.py").read_text()
    return set(re.findall(r'"((?:[A-Z][a-z]+){1,}(?:[A-Z]|\d)?\w*)"', text)) - NO_METRICS
