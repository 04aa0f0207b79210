"""The training image: what its Dockerfile may say, what reaches it, and that its wheels run on the base image."""

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from tests.infra.aws_tools import ROOT
from tests.infra.test_image import LAMBDA_GLIBC
from tests.test_project import PIN, lock

DOCKERFILE = (ROOT / "infra/training.Dockerfile").read_text()
INSTRUCTIONS = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))


def test_it_starts_from_the_serving_images_base() -> None:
    assert re.findall(r"^FROM (.*)", INSTRUCTIONS, re.MULTILINE) == ["public.ecr.aws/lambda/python:3.12"]
    assert not re.findall(r"^ARG", INSTRUCTIONS, re.MULTILINE)


def test_the_classic_builder_understands_it() -> None:
    assert not re.search(r"^#\s*syntax\s*=|--mount|--link|--chmod|--chown|<<", DOCKERFILE, re.MULTILINE)


def test_the_locked_requirements_are_a_layer_before_the_code() -> None:
    copied = re.findall(r"^(?:COPY|ADD) (\S+)", INSTRUCTIONS, re.MULTILINE)
    assert copied == ["requirements-training.txt", "lambda_fn/", "training/", "infra/__init__.py"]
    assert INSTRUCTIONS.index("pip install") < INSTRUCTIONS.index("COPY training/")
    (install,) = re.findall(r"pip install (.*?)&&", INSTRUCTIONS)
    assert {"--require-hashes", "--only-binary"} <= set(install.split())


def test_it_runs_any_command_of_training_and_not_as_root() -> None:
    assert 'ENTRYPOINT ["python", "-m", "training"]' in INSTRUCTIONS
    assert re.findall(r"^USER (\S+)", INSTRUCTIONS, re.MULTILINE) == ["1000:1000"]
    assert "OMP_NUM_THREADS=1" in INSTRUCTIONS


@pytest.mark.skipif(sys.platform != "linux", reason="the tags of Linux's wheels are read from the installed ones")
def test_wheels_run_on_the_bases_glibc() -> None:
    """AWS's base image has glibc 2.34."""
    checked = 0
    for name, _ in PIN.findall(lock("training")):
        try:
            wheel = distribution(name).read_text("WHEEL") or ""
        except PackageNotFoundError:  # of another platform
            continue
        tags = re.findall(r"manylinux_2_(\d+)", wheel)
        checked += bool(tags)
        assert not tags or min(map(int, tags)) <= LAMBDA_GLIBC, name
    assert checked > 10
