"""Commands of training in containers of its image: one a command, as AWS Batch runs them, removed by their ids."""

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from tests.support.e2e import containers
from tests.support.e2e.containers import Container, docker

# One processor, 2 GB, nothing to write but /tmp; on the host's network, where the servers are.
LIMITS = ("--memory=2g", "--cpus=1", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--network=host")


def started(
    image: str, environ: Mapping[str, str], *arguments: str, options: Sequence[str] = ()
) -> AbstractContextManager[Container]:
    """A container that runs the command, with more `options` of `docker create`."""
    variables = [f"--env={name}={value}" for name, value in environ.items()]
    return containers.started(*LIMITS, *options, *variables, image, *arguments)


def run(image: str, environ: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end; its exit code and what it wrote."""
    with started(image, environ, *arguments) as container:
        code = int(docker("wait", container.id))
        done = subprocess.run(["docker", "logs", container.id], capture_output=True, text=True, check=True)
        return subprocess.CompletedProcess(list(arguments), code, done.stdout, done.stderr)
