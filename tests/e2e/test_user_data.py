"""User data run twice in a container, where `dnf`, `systemctl`, `docker` and `aws` only record: the same final state.

It was not run on EC2.
"""

import io
import subprocess
import tarfile

import pytest

from tests.e2e.containers import docker
from tests.infra import user_data

BASE = "public.ecr.aws/lambda/python:3.12"
RECORDED = ("dnf", "systemctl", "docker", "aws")
RECORDER = '#!/bin/bash\necho "$(basename "$0") $*" >> /recorded/calls\n'
# Every file of /etc with its mode, owner and digest; one that changes by itself is not there.
STATE = "find /etc -xdev -type f -exec stat -c '%n %a %U' {} + -exec sha256sum {} + | sort"


@pytest.mark.parametrize("name", user_data.STACKS)
def test_twice_is_as_good_as_once(name: str) -> None:
    for script in user_data.scripts(name).values():
        container = docker("create", "--network=none", "--entrypoint=sleep", BASE, "600").strip()
        try:
            docker("start", container)
            put(container, {f"/recorded/bin/{command}": RECORDER for command in RECORDED} | {"/user-data": script})
            before = shell(container, STATE)
            first, calls = boot(container)
            assert first != before
            for path in user_data.written(script):
                assert f"{path} " in first
            assert any(call.startswith("dnf install") for call in calls)
            assert any(call.startswith("systemctl enable") for call in calls)
            second, again = boot(container)
            assert second == first
            assert again == calls
        finally:
            docker("rm", "--force", container)


def boot(container: str) -> tuple[str, list[str]]:
    """Runs the user data as cloud-init does; the state that it leaves, and the calls that were recorded."""
    shell(container, "rm -f /recorded/calls && PATH=/recorded/bin:$PATH /bin/bash /user-data")
    return shell(container, STATE), shell(container, "cat /recorded/calls").splitlines()


def shell(container: str, command: str) -> str:
    return docker("exec", container, "/bin/bash", "-c", command)


def put(container: str, files: dict[str, str]) -> None:
    """Copies files into a container, executable."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    subprocess.run(["docker", "cp", "-", f"{container}:/"], input=buffer.getvalue(), check=True)
