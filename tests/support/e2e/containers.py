"""Containers, removed by their ids; those of the service's image get as little as Lambda gives."""

import os
import random
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[3]
# Half a processor, 512 MB, nothing to write but /tmp, no root; on the host's network, where the servers are.
LIMITS = ("--memory=512m", "--cpus=0.5", "--read-only", "--tmpfs=/tmp", "--user=1000:1000", "--network=host")

NOT_FOR_CLIENTS = range(20_000, 32_000)


@dataclass(frozen=True)
class Container:
    """A started container. One process follows its output, so that waiting starts no further commands."""

    id: str
    _follower: "subprocess.Popen[bytes]"
    _output: IO[bytes]

    def log(self) -> str:
        """Standard output and standard error so far, as Docker has them."""
        return docker("logs", self.id, merged=True)

    def followed(self) -> str:
        """The output that has arrived here; Docker may have more."""
        number = self._output.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode("utf-8", "replace")

    def is_running(self) -> bool:
        return self._follower.poll() is None


@contextmanager
def started(*arguments: str) -> Iterator[Container]:
    """Start the container that `docker create` makes with these arguments; remove it at the end."""
    name = docker("create", *arguments).strip()
    with tempfile.TemporaryFile() as output, ExitStack() as processes:
        try:
            docker("start", name)
            command = ["docker", "logs", "--follow", name]
            follower = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            processes.enter_context(follower)  # it ends with the container
            yield Container(name, follower, output)
        finally:
            docker("rm", "--force", name)


def running(
    image: str, entrypoint: str, arguments: Sequence[str], environ: Mapping[str, str]
) -> AbstractContextManager[Container]:
    """A container within LIMITS."""
    variables = [f"--env={name}={value}" for name, value in environ.items()]
    return started(*LIMITS, f"--entrypoint={entrypoint}", *variables, image, *arguments)


def docker(*arguments: str, merged: bool = False) -> str:
    """Standard output of a docker command, `merged` with its standard error; raises when it fails."""
    error = subprocess.STDOUT if merged else subprocess.PIPE
    done = subprocess.run(["docker", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=error, text=True)
    if done.returncode:
        raise RuntimeError(f"docker {arguments[0]} failed: {done.stderr or done.stdout}")
    return done.stdout


def free_ports(n: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, and that the system gives to no client before a server has them."""
    ports: list[int] = []
    with ExitStack() as stack:
        for port in random.sample(NOT_FOR_CLIENTS, len(NOT_FOR_CLIENTS)):
            if len(ports) == n:
                break
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    return ports


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
