"""A container as a machine of a stack at its first boot: what would change the world outside only records its calls."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from infra import image
from tests.support.e2e.containers import docker

# Each appends what it was called with, and fails while a file of its name is in /recorded/fails.
_RECORDER = """#!/bin/bash
echo "$(basename "$0") $*" >> /recorded/calls
test ! -e "/recorded/fails/$(basename "$0")" || exit 1
"""
_ANSWERS = {
    "dnf": "",
    "systemctl": "",
    "docker": "",
    "curl": "echo 10.0.1.10",
    "df": "cat /recorded/df",
    "xfs_growfs": "",
    "mkfs.xfs": "touch /recorded/filesystem",
    "blkid": "test -e /recorded/filesystem",
    # A volume that is attached appears as a device.
    "aws": """case "$*" in
*attach-volume*) mkdir -p /dev/disk/by-id && touch /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a1b2c3d ;;
*get-secret-value*) echo '{"username": "admin", "password": "from=the secret"}' ;;
esac""",
}
# What a boot may change for good, with mode and owner, and every file's digest.
_STATE = "find /etc /usr/local /srv -xdev \\( -exec stat -c '%n %a %u' {} + , -type f -exec sha256sum {} + \\) | sort"


@dataclass(frozen=True)
class Machine:
    """A running container."""

    id: str

    def boot(self) -> tuple[str, list[str]]:
        """Runs the user data as cloud-init does; the state that it leaves, and the calls that were recorded."""
        calls = self.run("/bin/bash /user-data")
        return self.shell(_STATE), calls

    def run(self, command: str, *, fails: tuple[str, ...] = (), code: int = 0) -> list[str]:
        """Runs a command, while the commands `fails` fail, to this exit code; the calls that it made."""
        self.shell(f"rm -rf /recorded/calls /recorded/fails && mkdir /recorded/fails && touch {self._failing(fails)}")
        done = subprocess.run(
            ["docker", "exec", self.id, "/bin/bash", "-c", f"PATH=/recorded/bin:$PATH {command}"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return self.shell("cat /recorded/calls").splitlines()

    def shell(self, command: str) -> str:
        return docker("exec", self.id, "/bin/bash", "-c", command)

    def put(self, files: dict[str, str]) -> None:
        """Copies files into it, executable."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, text in files.items():
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(text.encode()), 0o755
                archive.addfile(entry, io.BytesIO(text.encode()))
        subprocess.run(["docker", "cp", "-", f"{self.id}:/"], input=buffer.getvalue(), check=True)

    @staticmethod
    def _failing(names: tuple[str, ...]) -> str:
        return " ".join(["/recorded/calls", *(f"/recorded/fails/{name}" for name in names)])


@contextmanager
def machine(script: str) -> Iterator[Machine]:
    """A machine that has not booted yet, with `script` as its user data; removed at the end."""
    container = docker("create", "--network=none", "--entrypoint=sleep", image.base_image(), "600").strip()
    try:
        docker("start", container)
        found = Machine(container)
        commands = {f"/recorded/bin/{name}": f"{_RECORDER}{answer}\n" for name, answer in _ANSWERS.items()}
        facts = {"/var/lib/cloud/data/instance-id": "i-0a1b2c3d\n", "/recorded/df": "Use%\n 41%\n"}
        found.put({**commands, **facts, "/user-data": script})
        yield found
    finally:
        docker("rm", "--force", container)
