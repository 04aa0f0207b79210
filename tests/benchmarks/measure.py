"""One round of one subject: a cold start, warm invocations and bursts at its server, each in processes of its own."""

import json
import math
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.benchmarks.environment import ROOT, VARIABLES
from tests.benchmarks.function import Place

CONNECTIONS = (1, 16, 64)
START_S = 120.0
Measured = dict[str, float]
"""Metric to value."""


@dataclass(frozen=True)
class Subject:
    """What is measured: a handler in Lambda (None where it is none), the command of a server over HTTP, in which {port}
    stands for its port, and the variables of both. `asked` are its requests: their path and JSON body, None for GET."""

    name: str
    handler: str | None
    server: Sequence[str]
    environ: Mapping[str, str]
    asked: Mapping[str, tuple[str, Any]]


def invocations(place: Place, subject: Subject, kind: str, event: bytes, warm: int) -> Measured:
    """Starts the function as Lambda does, with its first event waiting, and then gives it `warm` more, one by one."""
    assert subject.handler is not None
    environ = {**VARIABLES, **subject.environ}
    with place.start(subject.handler, environ, event) as function:
        cold = 1000 * function.cold_start()
        later = [1000 * function.invoke(event) for _ in range(warm)]
        found = {"cold_ms": cold, "warm_ms": statistics.median(later), "peak_mb": function.peak_rss_mb()}
        return {f"{kind} {name}": value for name, value in found.items()}


@contextmanager
def serving(subject: Subject, folder: Path) -> Iterator[int]:
    """The subject's server, on a free port, which is given when it answers."""
    # elsewhere than in Lambda there is no function name, and so no metrics
    fallback = {name: value for name, value in VARIABLES.items() if not name.startswith("AWS_LAMBDA")}
    port = _free_port()
    command = [word.format(port=port) for word in subject.server]
    log = folder / f"{subject.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**fallback, **subject.environ},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(port, process, log)
        yield port
    finally:
        process.terminate()
        process.wait()


def throughput(port: int, subject: Subject, requests: int) -> Measured:
    """Requests a second over each number of connections, generated in another process."""
    kind = "GET" if "GET" in subject.asked else "POST"
    load(port, subject, kind, CONNECTIONS[0], max(requests // 20, 1))  # what is imported with the first is so now
    return {f"{n} connections": load(port, subject, kind, n, requests)["requests_per_s"] for n in CONNECTIONS}


def load(port: int, subject: Subject, kind: str, connections: int, requests: int) -> Measured:
    """What the load generator measured of so many requests."""
    path, body = subject.asked[kind]
    command = [sys.executable, "-m", "tests.benchmarks.load", str(port), path, str(connections), str(requests)]
    given = json.dumps(body) if body is not None else ""
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, input=given)
    found: Measured = json.loads(done.stdout)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until it answers anything at all."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=START_S)
            connection.request("GET", "/health")
            connection.getresponse().read()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nothing answers on port {port}\n{log.read_text()[-2000:]}") from None
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
