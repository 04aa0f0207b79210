"""A function that has just been started: Amazon's runtime interface client, in a process or in a container."""

import json
import os
import queue
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tests.benchmarks import runtime_api
from tests.benchmarks.runtime_api import RuntimeApi

PATIENCE_S = 60.0
DONE = ("activated", "appended")  # of refresh and ingest
CONTAINER_LIMITS = ("--read-only", "--tmpfs", "/tmp")


class Function:
    """A running function: `started` tells when its process was (time.time), `pid` which one it is, both asked only
    after its first answer."""

    def __init__(self, api: RuntimeApi, log: Path, started: Callable[[], float], pid: Callable[[], int]) -> None:
        self._api, self._log, self._started, self._pid = api, log, started, pid

    def cold_start(self) -> float:
        """Seconds from the start of the process until its first answer was there."""
        at = self._answered()
        return at - self._started()

    def invoke(self, event: bytes) -> float:
        """Seconds from the event until the answer was there."""
        given = time.time()
        self._api.events.put(event)
        return self._answered() - given

    def peak_rss_mb(self) -> float:
        """The most memory that the process ever had resident, in MB (10^6 bytes); Linux only."""
        status = Path(f"/proc/{self._pid()}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6

    def _answered(self) -> float:
        """When the next answer was there; raises RuntimeError with the log for an error, no 200 or nothing done."""
        try:
            answer = self._api.answers.get(timeout=PATIENCE_S)
        except queue.Empty as error:
            raise RuntimeError(f"no answer within {PATIENCE_S:.0f} s\n{self._log.read_text()[-2000:]}") from error
        found: dict[str, Any] = json.loads(answer.body)
        done = found.get("statusCode") == 200 or found.get("outcome") in DONE
        if not answer.succeeded or not done:
            raise RuntimeError(f"the function failed: {answer.body.decode()[:2000]}\n{self._log.read_text()[-2000:]}")
        return answer.at


class Place(Protocol):
    """Where functions run."""

    def start(self, handler: str, environ: Mapping[str, str], first: bytes) -> AbstractContextManager[Function]:
        """Starts one with the event `first` already waiting for it, and kills it at the end."""


@dataclass(frozen=True)
class Process:
    """A process of this machine: `python` has the image's packages, the folder `task` its code."""

    python: Path
    task: Path

    @contextmanager
    def start(self, handler: str, environ: Mapping[str, str], first: bytes) -> Iterator[Function]:
        log = self.task / "function.log"
        with runtime_api.running(first) as api, log.open("wb") as output:
            variables = {**environ, "AWS_LAMBDA_RUNTIME_API": api.address}
            command = [str(self.python), "-m", "awslambdaric", handler]
            started = time.time()
            process = subprocess.Popen(command, cwd=self.task, env=variables, stdout=output, stderr=output)
            try:
                yield Function(api, log, lambda: started, lambda: process.pid)
            finally:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Container:
    """A container of the image, on this machine's network: the image's own entry point, and the constant handler and
    the store put in from `task` and `store`. Its own start is not counted."""

    image: str
    task: Path
    store: Path
    megabytes: int = 512
    cores: float = 0.5
    writes: bool = False

    @contextmanager
    def start(self, handler: str, environ: Mapping[str, str], first: bytes) -> Iterator[Function]:
        log = self.task / "container.log"
        name = f"bench-{uuid.uuid4().hex[:12]}"
        with runtime_api.running(first) as api, log.open("wb") as output:
            variables = {**environ, "AWS_LAMBDA_RUNTIME_API": api.address, "_HANDLER": handler}
            process = subprocess.Popen(self._command(name, variables), stdout=output, stderr=output)
            try:
                # the first line is the time at which the shell became the function's process
                yield Function(api, log, lambda: float(log.read_text().split(maxsplit=1)[0]), partial(_pid, name))
            finally:
                subprocess.run(["docker", "kill", name], check=False, capture_output=True)
                process.wait()

    def _command(self, name: str, variables: Mapping[str, str]) -> list[str]:
        store = f"{self.store}:{self.store}:{'rw' if self.writes else 'ro'}"
        user = ["--user", f"{os.getuid()}:{os.getgid()}"]  # whose the store is
        mounts = ["-v", f"{self.task / 'constant.py'}:/var/task/constant.py:ro", "-v", store]
        limits = ["--memory", f"{self.megabytes}m", "--cpus", f"{self.cores:.3f}", *CONTAINER_LIMITS]
        settings = [word for pair in variables.items() for word in ("-e", "=".join(pair))]
        run = ["docker", "run", "--rm", "--name", name, "--network", "host", *user, *limits, *mounts, *settings]
        return [*run, "--entrypoint", "/bin/sh", self.image, "-c", "date +%s.%N; exec /var/runtime/bootstrap"]


def _pid(name: str) -> int:
    command = ["docker", "inspect", "--format", "{{.State.Pid}}", name]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
