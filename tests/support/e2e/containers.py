"""Containers of the service's image, held as tightly as Lambda holds them, and removed by their ids."""

import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
# Half a processor, 512 MB, nothing to write but /tmp, no root; on the host's network, where the servers are.
LIMITS = ("--memory=512m", "--cpus=0.5", "--read-only", "--tmpfs=/tmp", "--user=1000:1000", "--network=host")


@dataclass(frozen=True)
class Container:
    """A container that was started."""

    id: str

    def log(self) -> str:
        """Standard output and standard error so far."""
        return docker("logs", self.id, merged=True)

    def is_running(self) -> bool:
        return docker("inspect", "--format={{.State.Running}}", self.id).strip() == "true"


@contextmanager
def running(image: str, entrypoint: str, arguments: Sequence[str], environ: Mapping[str, str]) -> Iterator[Container]:
    """A container within LIMITS; removed at the end whatever happened."""
    variables = [f"--env={name}={value}" for name, value in environ.items()]
    made = docker("create", *LIMITS, f"--entrypoint={entrypoint}", *variables, image, *arguments)
    container = Container(made.strip())
    try:
        docker("start", container.id)
        yield container
    finally:
        docker("rm", "--force", container.id)


def docker(*arguments: str, merged: bool = False) -> str:
    """Standard output of a docker command, `merged` with its standard error; raises when it fails."""
    error = subprocess.STDOUT if merged else subprocess.PIPE
    done = subprocess.run(["docker", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=error, text=True)
    if done.returncode:
        raise RuntimeError(f"docker {arguments[0]} failed: {done.stderr or done.stdout}")
    return done.stdout


def free_ports(n: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
