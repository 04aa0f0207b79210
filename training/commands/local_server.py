"""The local server as a child process: start it, send it requests, and stop it at the end of a block."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from training.errors import NamedError

if TYPE_CHECKING:
    from rich.console import Console

CHAMPION_MAX_AGE_S = 2  # how often the server looks for a newer champion: soon enough to watch it
TIMEOUT_S = 60.0  # for a start, a response or a swap on a busy machine
STOP_S = 20.0  # a little more than the server needs to finish its requests
_READY = re.compile(r"Serving on http://[^ ]+:([0-9]+)")


class ServerError(NamedError):
    """The server does not start or does not answer; the message says what to do."""


@dataclass(frozen=True)
class Server:
    """A server process on this machine that listens on `port`."""

    process: subprocess.Popen[str]
    port: int

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON body of a response with status 200. Raises ServerError for anything else."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body: dict[str, Any] = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServerError(f"the server on port {self.port} did not answer ({error}); start it again") from error
        finally:
            connection.close()
        if response.status != 200:
            problem = body["error"]
            raise ServerError(f"GET {path} answered {response.status}: {problem['message']}; {problem['cure']}")
        return body

    def wait_for_generation(self, generation: int) -> bool:
        """Wait until it serves this generation or a later one; return False if that takes longer than TIMEOUT_S."""
        deadline = time.monotonic() + TIMEOUT_S
        while int(self.get("/api/predict?horizon=1")["champion"]["generation"]) < generation:
            if time.monotonic() > deadline:
                return False
            time.sleep(CHAMPION_MAX_AGE_S / 4)
        return True


@contextmanager
def run_server(port: int, console: "Console") -> Iterator[Server]:
    """Run `python -m lambda_fn.server` on `port` (0: a free one) during the block, and print its log on `console`.

    Raises ServerError when it does not start; its log says why.
    """
    command = [sys.executable, "-m", "lambda_fn.server", "--port", str(port)]
    environ = {**os.environ, "CHAMPION_MAX_AGE_S": str(CHAMPION_MAX_AGE_S)}
    # Its own process group: Ctrl-C in a terminal goes to this process only, which then stops the server gracefully.
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0
    )
    try:
        yield Server(process, _wait_for_port(process, console))
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_port(process: subprocess.Popen[str], console: "Console") -> int:
    """Return the port that the server logs. Raises ServerError when it exits before."""
    ports: list[int] = []
    is_known = threading.Event()

    def forward_log(log: IO[str]) -> None:
        with log:
            for line in log:
                # Printed by the console, because a line written directly would break its progress bar.
                console.print(line.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)
                if match := _READY.search(line):
                    ports.append(int(match[1]))
                    is_known.set()
        is_known.set()

    assert process.stderr is not None
    threading.Thread(target=forward_log, args=(process.stderr,), name="server's log", daemon=True).start()
    is_known.wait(TIMEOUT_S)
    if not ports:
        raise ServerError("the server did not start; its log above says why")
    return ports[0]
