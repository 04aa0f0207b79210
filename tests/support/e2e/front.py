"""The fronts of the API: ways to ask the same handler, each taking an HTTP request and giving its HTTP answer."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tests.support.api_gateway import HttpAnswer, HttpRequest, to_answer, to_event
from tests.support.e2e import containers, lambda_container
from tests.support.e2e.containers import ROOT, Container
from tests.support.e2e.lambda_container import API, LambdaContainer
from tests.support.e2e.steps import PATIENCE_S, until
from tests.support.server_process import HttpReply, variables

Ask = Callable[[HttpRequest], HttpReply]
_SERVING = re.compile(r"Serving on http://127\.0\.0\.1:([0-9]+)")
PYTHON = "/var/lang/bin/python"


def get(path: str, query: str = "") -> HttpRequest:
    return HttpRequest("GET", path, query, [("host", "localhost")])


def post(path: str, body: object, query: str = "") -> HttpRequest:
    """`body` as it is when bytes, otherwise as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpRequest("POST", path, query, [("host", "localhost"), ("content-type", "application/json")], data)


PREDICT = get("/api/predict")


@dataclass(frozen=True)
class EmulatorFront:
    """The API's function in a container, asked with the events of API Gateway."""

    function: LambdaContainer

    def ask(self, request: HttpRequest) -> HttpReply:
        event = to_event(request, datetime.now(UTC), "request-id")
        invocation = self.function.invoke(event)
        assert invocation.error is None, invocation.payload
        return reply(to_answer(invocation.payload))


@dataclass(frozen=True)
class HttpFront:
    """A server of the API on a port of this machine."""

    port: int

    def ask(self, request: HttpRequest) -> HttpReply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            target = quote(request.path) + (f"?{request.query}" if request.query else "")
            connection.request(request.method, target, request.body or None, dict(request.headers))
            answer = connection.getresponse()
            return reply(HttpAnswer(answer.status, answer.getheaders(), answer.read()))
        finally:
            connection.close()


@dataclass(frozen=True)
class Fallback(HttpFront):
    """The same image with another command, as it runs on a machine of one's own."""

    container: Container


@dataclass(frozen=True)
class DirectFront:
    """The handler itself, in a process of its own."""

    process: "subprocess.Popen[str]"

    def ask(self, request: HttpRequest) -> HttpReply:
        event = to_event(request, datetime.now(UTC), "request-id")
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(event) + "\n")
        self.process.stdin.flush()
        return reply(to_answer(json.loads(self.process.stdout.readline())))


def reply(answer: HttpAnswer) -> HttpReply:
    """With its body parsed."""
    headers = {name.lower(): value for name, value in answer.headers}
    return HttpReply(answer.status, headers, json.loads(answer.body) if answer.body else None)


@contextmanager
def emulator(image: str, environ: Mapping[str, str]) -> Iterator[EmulatorFront]:
    with lambda_container.running(image, API, environ) as function:
        yield EmulatorFront(function)


@contextmanager
def fallback(image: str, environ: Mapping[str, str], *arguments: str) -> Iterator[Fallback]:
    """The server in its container, once it says its port."""
    command = ["-m", "lambda_fn.server", "--host", "127.0.0.1", "--port", "0", *arguments]
    with containers.running(image, PYTHON, command, environ) as container:
        until(lambda: _port_of(container) is not None or not container.is_running(), "the fallback to start")
        port = _port_of(container)
        assert port, container.followed()
        yield Fallback(port, container)


def _port_of(container: Container) -> int | None:
    """The port that a server has written to its log."""
    line = _SERVING.search(container.followed())
    return int(line[1]) if line else None


@contextmanager
def direct(environ: Mapping[str, str]) -> Iterator[DirectFront]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.e2e.direct"],
        cwd=ROOT,
        env=variables(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:  # its standard input ends, and so does it
        yield DirectFront(process)


def generation(answer: HttpReply) -> int:
    """The champion's generation in the answer of /api/predict; fails unless it is a 200."""
    assert answer.status == 200, answer.json
    number: Any = answer.json["champion"]["generation"]
    return int(number)
