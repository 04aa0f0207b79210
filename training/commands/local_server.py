"""The local server as a child process: started, asked over HTTP, and ended with the block that uses it."""

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

LOOKS_EVERY_S = 2  # for a newer champion: soon enough to be watched
PATIENCE_S = 60.0  # of a busy machine, for a start, an answer or a swap
STOP_S = 20.0  # a little more than the server takes to end what it is doing
_READY = re.compile(r"Serving on http://[^ ]+:([0-9]+)")


class ServerError(NamedError):
    """The server does not start, or does not answer; the message names the cure."""


@dataclass(frozen=True)
class Server:
    """A server of this machine that answers on `port`."""

    process: subprocess.Popen[str]
    port: int

    def get(self, path: str) -> dict[str, Any]:
        """The JSON of a 200; raises ServerError for anything else."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body: dict[str, Any] = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServerError(f"the server on port {self.port} gave no answer ({error}); start it again") from error
        finally:
            connection.close()
        if response.status != 200:
            problem = body["error"]
            raise ServerError(f"GET {path} answered {response.status}: {problem['message']}; {problem['cure']}")
        return body

    def generation(self) -> int:
        """That of the champion it serves."""
        return int(self.get("/api/predict?horizon=1")["champion"]["generation"])

    def reaches(self, generation: int) -> bool:
        """Waits until it serves this generation or a higher one; False when that takes longer than PATIENCE_S."""
        deadline = time.monotonic() + PATIENCE_S
        while self.generation() < generation:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOKS_EVERY_S / 4)
        return True


@contextmanager
def serving(port: int, console: "Console") -> Iterator[Server]:
    """`python -m lambda_fn.server` on `port` (0: a free one) as long as the block runs; its log goes to `console`.

    Raises ServerError when it does not start, after it has said why.
    """
    command = [sys.executable, "-m", "lambda_fn.server", "--port", str(port)]
    environ = {**os.environ, "CHAMPION_MAX_AGE_S": str(LOOKS_EVERY_S)}
    # A group of its own: Ctrl-C in a terminal is for this process, which then ends the server once and in order.
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0
    )
    try:
        yield Server(process, _ready(process, console))
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[str], console: "Console") -> int:
    """The port that it says it serves on; raises ServerError when it ends before."""
    ports: list[int] = []
    told = threading.Event()

    def forward(log: IO[str]) -> None:
        with log:
            for line in log:
                # Through the console, or a line would break the progress that is shown at the same time.
                console.print(line.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)
                if found := _READY.search(line):
                    ports.append(int(found[1]))
                    told.set()
        told.set()

    assert process.stderr is not None
    threading.Thread(target=forward, args=(process.stderr,), name="server's log", daemon=True).start()
    told.wait(PATIENCE_S)
    if not ports:
        raise ServerError("the server did not start; what it says above is why")
    return ports[0]
