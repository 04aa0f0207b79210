"""The training image: what its Dockerfile may say, what reaches it, and that its wheels run on the base image."""

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from tests.support.infra import dockerfiles
from tests.support.infra.dockerfiles import LAMBDA_GLIBC
from tests.support.project import PIN, lock

NAME = "infra/training.Dockerfile"
INSTRUCTIONS = dockerfiles.instructions(NAME)


def test_the_locked_requirements_are_a_layer_before_the_code() -> None:
    assert dockerfiles.copied(NAME) == ["requirements-training.txt", "lambda_fn/", "training/", "infra/__init__.py"]
    assert INSTRUCTIONS.index("pip install") < INSTRUCTIONS.index("COPY training/")


def test_uv_installs_with_the_certificates_of_the_image_and_compiles() -> None:
    """pip fetches uv. A container has a read-only root, so it would compile at each start what the image has not."""
    by_pip, by_uv = re.findall(r"pip install (.*?)&&", INSTRUCTIONS)
    assert "-r /tmp/uv.txt" in by_pip
    assert {"--compile-bytecode", "--system-certs", "--no-cache"} <= set(by_uv.split())
    assert "-r /tmp/requirements-training.txt" in by_uv


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
