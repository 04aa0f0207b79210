"""Lambda's Runtime API: what hands a function its events and takes its answers.

Source: "Using the Lambda runtime API for custom runtimes", version 2018-06-01.
"""

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

DEADLINE_S = 60.0
PREFIX = "/2018-06-01/runtime/invocation/"


class Answer(NamedTuple):
    """What the function posted, when (time.time, which containers share), and whether as a response or as an error."""

    at: float
    succeeded: bool
    body: bytes


class RuntimeApi(ThreadingHTTPServer):
    """The API on a free port, for one function: it hands out what is put in `events` and keeps what comes back."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: queue.Queue[bytes | None] = queue.Queue()
        self.answers: queue.Queue[Answer] = queue.Queue()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a function is killed at its end, with its connection open."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it would add its 40 ms to the answers of small invocations
    server: RuntimeApi

    def do_GET(self) -> None:
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return
        self._send(
            200,
            event,
            {
                "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + DEADLINE_S) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:bench",
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        at = time.time()
        self._send(202, b"", {})
        self.server.answers.put(Answer(at, self.path.startswith(PREFIX) and self.path.endswith("/response"), body))

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a line a request would only slow it down."""


@contextmanager
def running(first: bytes) -> Iterator[RuntimeApi]:
    """Serves the API, with the event `first` already waiting for the function."""
    api = RuntimeApi()
    api.events.put(first)
    serving = threading.Thread(target=api.serve_forever, daemon=True)
    serving.start()
    try:
        yield api
    finally:
        api.events.put(None)  # lets a waiting connection end
        api.shutdown()
        serving.join()
        api.server_close()
