"""One round of one subject: a cold start, warm invocations and a burst at its server, each in processes of its own."""

import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.environment import ROOT, VARIABLES
from tests.benchmarks.function import Place, Process

CONNECTIONS = 16
START_S = 60.0
_READY = re.compile(r"Serving on http://127\.0\.0\.1:([0-9]+)")


@dataclass(frozen=True)
class Subject:
    """What is measured: a handler in Lambda, a module that serves it over HTTP, and the variables of both."""

    name: str
    handler: str
    server: str
    environ: Mapping[str, str]


class Invocations(NamedTuple):
    """Of one process: milliseconds from its start to its first answer, of its later ones, and its memory."""

    cold_start_ms: float
    warm_p50_ms: float
    warm_p99_ms: float
    peak_rss_mb: float


def invocations(place: Place, subject: Subject, event: bytes, warm: int) -> Invocations:
    """Starts the function as Lambda does, with its first event waiting, and then gives it `warm` more, one by one."""
    environ = {**VARIABLES, **subject.environ}
    with place.start(subject.handler, environ, event) as function:
        cold = 1000 * function.cold_start()
        later = [1000 * function.invoke(event) for _ in range(warm)]
        return Invocations(cold, statistics.median(later), percentile(later, 0.99), function.peak_rss_mb())


@contextmanager
def serving(place: Process, subject: Subject) -> Iterator[int]:
    """The subject's server, on a free port, which is given."""
    # elsewhere than in Lambda there is no function name, and so no metrics
    fallback = {name: value for name, value in VARIABLES.items() if not name.startswith("AWS_LAMBDA")}
    command = [str(place.python), "-m", subject.server, "--port", "0", "--refresh-every", "0"]
    log = place.task / f"{subject.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=place.task, env={**fallback, "PYTHONPATH": str(ROOT), **subject.environ}, stderr=output
        )
    try:
        yield _port(log, process)
    finally:
        process.terminate()
        process.wait()


def throughput(port: int, requests: int) -> float:
    """Requests a second of GET /api/predict over 16 connections, generated in another process."""
    command = [sys.executable, "-m", "tests.benchmarks.load", str(port), "/api/predict", str(CONNECTIONS)]
    done = subprocess.run([*command, str(requests)], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _port(log: Path, process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + START_S
    while not (ready := _READY.search(log.read_text())):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start\n{log.read_text()[-2000:]}")
        time.sleep(0.02)
    return int(ready[1])
