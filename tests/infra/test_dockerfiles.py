"""What holds for every image: AWS's base without an argument, the classic builder, hashes, and only what is copied."""

import re

import pytest

from tests.support.infra import dockerfiles
from tests.support.infra.aws_tools import ROOT


@pytest.mark.parametrize("name", dockerfiles.FILES)
def test_the_base_image_is_awss_and_needs_no_argument(name: str) -> None:
    instructions = dockerfiles.instructions(name)
    bases = re.findall(r"^FROM (\S+)(?: AS \w+)?$", instructions, re.MULTILINE)
    assert bases == ["public.ecr.aws/lambda/python:3.12"] * instructions.count("FROM ")
    assert not re.findall(r"^ARG", instructions, re.MULTILINE)


@pytest.mark.parametrize("name", dockerfiles.FILES)
def test_the_classic_builder_understands_it(name: str) -> None:
    assert not re.search(r"^#\s*syntax\s*=|--mount|--link|--chmod|--chown|<<", dockerfiles.text(name), re.MULTILINE)


@pytest.mark.parametrize("name", dockerfiles.FILES)
def test_it_needs_no_package_manager_of_a_distribution(name: str) -> None:
    assert not re.search(r"\b(dnf|microdnf|yum|apt|apt-get|apk)\b", dockerfiles.instructions(name))


@pytest.mark.parametrize("name", dockerfiles.FILES)
def test_what_it_installs_is_locked_and_built(name: str) -> None:
    installs = re.findall(r"pip install (.*?)&&", dockerfiles.instructions(name))
    assert installs
    for words in installs:
        assert {"--require-hashes", "--only-binary"} <= set(words.split())


def test_every_dockerfile_is_looked_at() -> None:
    paths = [*ROOT.glob("Dockerfile*"), *ROOT.glob("infra/*Dockerfile*")]
    found = {path.relative_to(ROOT).as_posix() for path in paths}
    assert found == set(dockerfiles.FILES)


def test_only_what_is_copied_reaches_a_build() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules == [
        "*",
        *(f"!requirements-{group}.txt" for group in ("serving", "training", "dev")),
        "!lambda_fn",
        "!training",
        "!infra/__init__.py",
        "!infra/mlflow_*.py",
        "**/__pycache__",
    ]
