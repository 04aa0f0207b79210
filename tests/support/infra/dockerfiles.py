"""The Dockerfiles of the project, and what their lines say without comments."""

import re

from tests.support.infra.aws_tools import ROOT

DEMO = "Dockerfile"
FILES = ("Dockerfile.lambda", "infra/training.Dockerfile", "infra/s3.Dockerfile", DEMO)
LAMBDA_GLIBC = 34  # minor version, of the base image


def text(name: str) -> str:
    return (ROOT / name).read_text()


def instructions(name: str) -> str:
    """One a line, continued ones joined."""
    return re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text(name), flags=re.MULTILINE))


def installations(name: str) -> list[str]:
    """The RUN lines that install packages."""
    return re.findall(r"^RUN .*pip install .*", instructions(name), re.MULTILINE)


def copied(name: str) -> list[str]:
    """The first source of each COPY."""
    return re.findall(r"^(?:COPY|ADD) (\S+)", instructions(name), re.MULTILINE)
