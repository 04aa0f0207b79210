"""The runbook is true: its commands parse, and what it names exists, with the parameters that the templates have."""

import json
import re
import shlex
from typing import Any

import pytest

from tests.infra.aws_tools import ROOT, template
from training.__main__ import parser

RUNBOOK = (ROOT / "infra/README.md").read_text()


def commands() -> list[str]:
    """Every command of the console blocks, its continued lines joined."""
    blocks = re.findall(r"```console\n(.*?)```", RUNBOOK, flags=re.DOTALL)
    return [line[2:] for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines() if line[:2] == "$ "]


def deployments() -> list[tuple[str, dict[str, str]]]:
    """Template and parameters of each `aws cloudformation deploy`."""
    found = []
    for command in commands():
        if command.startswith("aws cloudformation deploy"):
            words = shlex.split(command)
            given = [word.split("=", 1) for word in words[words.index("--parameter-overrides") + 1 :]]
            found.append((words[words.index("--template-file") + 1], {name: value for name, value in given}))
    return found


def test_every_command_is_of_a_kind_that_is_checked() -> None:
    kinds = ("python -m training ", "aws cloudformation deploy ", "docker build ", "docker push ")
    assert commands()
    assert [command for command in commands() if not command.startswith(kinds)] == []


@pytest.mark.parametrize("command", sorted({each for each in commands() if each.startswith("python")}))
def test_a_training_command_parses(command: str) -> None:
    parser().parse_args(shlex.split(command)[3:])


@pytest.mark.parametrize(("file", "given"), deployments())
def test_a_deployment_names_parameters_that_the_template_takes(file: str, given: dict[str, str]) -> None:
    parameters: dict[str, Any] = json.loads(template(file.removeprefix("infra/")))["Parameters"]
    assert given.keys() <= parameters.keys()
    assert {name for name, facts in parameters.items() if "Default" not in facts} <= given.keys()
    for name, value in given.items():
        assert re.fullmatch(parameters[name].get("AllowedPattern", ".*"), value), name


def test_a_build_names_a_file_that_exists() -> None:
    files = re.findall(r"docker build -f (\S+)", RUNBOOK)
    assert files
    assert all((ROOT / file).is_file() for file in files)


def test_files_and_links_exist() -> None:
    named = set(re.findall(r"`(infra/[\w./-]+|template\.yaml)`", RUNBOOK))
    assert "infra/training.yaml" in named
    assert [name for name in named if not (ROOT / name).exists()] == []
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK):
        path, _, anchor = target.partition("#")
        text = (ROOT / "infra" / path).read_text()
        assert not anchor or re.search(rf"^#+ {anchor}$", text, re.MULTILINE | re.IGNORECASE), target


def test_outputs_that_it_names_are_the_templates() -> None:
    outputs: set[str] = set()
    for name in ("training.yaml", "fallback.yaml"):
        outputs |= json.loads(template(name))["Outputs"].keys()
    for name in ("InstanceId", "Address"):
        assert f"`{name}`" in RUNBOOK
        assert name in outputs


def test_the_fallbacks_memory_is_what_the_runbook_says() -> None:
    script = (ROOT / "infra/fallback.yaml").read_text()
    (limit,) = re.findall(r"--memory (\d+)m", script)
    assert f"{limit} MB" in RUNBOOK
