"""The image: what its Dockerfile may say, what reaches it, and that its wheels run where Lambda does."""

import re
import subprocess
import sys
from importlib.metadata import distribution

import pytest

from tests.support.infra import dockerfiles
from tests.support.infra.aws_tools import ROOT, yaml_as_json
from tests.support.project import PIN, lock

NAME = "Dockerfile.lambda"
INSTRUCTIONS = dockerfiles.instructions(NAME)


def test_it_copies_the_requirements_and_the_package_and_nothing_else() -> None:
    assert dockerfiles.copied(NAME) == ["requirements-serving.txt", "lambda_fn/"]


def test_requirements_go_to_the_task_root() -> None:
    (install,) = re.findall(r"pip install (.*?)&&", INSTRUCTIONS)
    assert '--target "${LAMBDA_TASK_ROOT}"' in install


@pytest.mark.skipif(sys.platform != "linux", reason="the tags of Linux's wheels are read from the installed ones")
def test_wheels_run_on_lambdas_glibc() -> None:
    """AWS's base image has glibc 2.34."""
    for name, _ in PIN.findall(lock("serving")):
        tags = re.findall(r"manylinux_2_(\d+)", distribution(name).read_text("WHEEL") or "")
        assert not tags or min(map(int, tags)) <= dockerfiles.LAMBDA_GLIBC, name


def test_the_fallback_is_the_same_image_shut_off() -> None:
    file = ROOT / "infra/docker-compose.yml"
    api = yaml_as_json(file)["services"]["api"]
    assert (file.parent / api["build"]["context"] / api["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile.lambda"
    assert "exec python -m lambda_fn.server --host 0.0.0.0 --port 8080" in " ".join(api["entrypoint"])
    assert api["ports"] == ["127.0.0.1:${PORT:-8080}:8080"]
    assert (api["read_only"], api["tmpfs"], api["user"]) == (True, "/tmp", "1000:1000")
    (default,) = re.findall(r"^\$\{ENV_FILE:-(.*)\}$", api["env_file"])
    assert (file.parent / default).resolve() == ROOT / ".env"
    assert [volume.split(":")[2] for volume in api["volumes"]] == ["ro"]


def test_its_health_check_is_the_apis() -> None:
    """With nothing at that port it fails, and says so by its exit status."""
    check = yaml_as_json(ROOT / "infra/docker-compose.yml")["services"]["api"]["healthcheck"]["test"]
    assert check[:3] == ["CMD", "python", "-c"]
    assert "http://127.0.0.1:8080/health" in check[3]
    program = check[3].replace("127.0.0.1:8080", "127.0.0.1:9")
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode != 0
