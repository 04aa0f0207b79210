"""A real server in a process of its own, on a free port, ended by its pid."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0  # of a loaded machine; nothing is asserted of time
_READY = re.compile(r"Serving on http://127\.0\.0\.1:([0-9]+)")


class HttpReply(NamedTuple):
    """Status, lower-case headers and the parsed body, None when there is none."""

    status: int
    headers: dict[str, str]
    json: Any


@dataclass(frozen=True)
class Server:
    """A running server; `log` is its standard error."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, method: str, path: str, body: object = None) -> HttpReply:
        """One request on a connection of its own; `body` is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            return ask(connection, method, path, None if body is None else json.dumps(body).encode())
        finally:
            connection.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signals the process and gives its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> HttpReply:
    """One request on an open connection."""
    connection.request(method, path, body, {"content-type": "application/json"} if body else {})
    response = connection.getresponse()
    data = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return HttpReply(response.status, headers, json.loads(data) if data else None)


def until(holds: Callable[[], bool], what: str) -> None:
    """Waits until it holds; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.02)


@contextmanager
def running(folder: Path, environ: Mapping[str, str], *arguments: str) -> Iterator[Server]:
    """A server started in `folder`, where it finds its `.env`, with these variables and arguments."""
    log = folder / "server.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command("--port", "0", *arguments), cwd=folder, env=variables(environ), stderr=stderr
        )
    try:
        until(lambda: bool(_READY.search(log.read_text())) or process.poll() is not None, "the server to start")
        ready = _READY.search(log.read_text())
        assert ready, log.read_text()
        yield Server(process, int(ready[1]), log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lambda_fn.server", *arguments]


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without the project's own variables, and `environ`."""
    from lambda_fn.settings import DEFAULTS

    inherited = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    return {**inherited, "PYTHONPATH": str(ROOT), **environ}
