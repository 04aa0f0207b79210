"""Clients that are broken or mean, over raw sockets: each is answered or cut off, and the others never notice."""

import asyncio
import contextlib
import json
import re
import resource
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lambda_fn.refresh import refresh
from lambda_fn.server.asgi import MAX_IN_THREADS, AsgiApp
from lambda_fn.server.http_limits import MAX_HEAD
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from lambda_fn.web.request import Request
from lambda_fn.web.response import Response
from tests.support import foreign
from tests.support.fake_app import FakeApp, ok
from tests.support.local_api import START
from tests.support.server_process import PATIENCE_S, Server, running

HOST = b"Host: localhost\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
SMUGGLED = b"GET /api/champion HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/predict HTTP/1.1\r\n" + HOST
SLOW_CONNECTIONS = 1_200
USUAL_FILES = 1_024  # that a process may open where nobody says otherwise
HEADER_FLOOD = 150 * 2**20

# What is sent, and the status of each answer that comes before the connection is closed.
REQUESTS: dict[str, tuple[bytes, list[int]]] = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + SMUGGLED, [400]),
    "a length and chunks": (
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "chunks and a length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
        [400],
    ),
    "an unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, [400]),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED, [400]),
    "a length with a sign": (POST + b"Content-Length: +2\r\n\r\n{}" + SMUGGLED, [400]),
    "a length of twenty digits": (POST + b"Content-Length: 99999999999999999999\r\n\r\n", [400]),
    "a space before the colon": (b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n", [400]),
    "a folded header": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n Content-Length: 5\r\n\r\n", [400]),
    "a control character": (b"GET /health HTTP/1.1\r\nHost: local\x00host\r\n\r\n", [400]),
    "a chunk of no number": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", [400]),
    "a long line": (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n" + HOST + b"\r\n", [431]),
    "a long header": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * MAX_HEAD + b"\r\n\r\n", [431]),
    "many headers": (b"GET /health HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 6_000 + b"\r\n", [431]),
    "HTTP/1.0": (b"GET /health HTTP/1.0\r\n\r\n", [200]),
    "a pipeline": (GET * 50 + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), [200] * 51),
    "an upgrade": (GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"), [200]),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a champion, which all the attacks of this module are at."""
    folder = tmp_path_factory.mktemp("attacked")
    environ = {"STORE_DIR": str(folder / "store")}
    settings = Settings.from_env(environ)
    store = open_store(settings)
    foreign.publish_to(store)
    refresh(store, settings, START)
    with files(USUAL_FILES), running(folder, environ, "--refresh-every", "0") as found:
        yield found
        assert "Traceback" not in found.log.read_text()


@contextlib.contextmanager
def files(most: int) -> Iterator[None]:
    """As many as a process that is started meanwhile may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(autouse=True)
def serves_on(server: Server) -> Iterator[None]:
    yield
    assert server.ask("GET", "/health").status == 200


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def received(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            found += chunk
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_no_request_is_refused_and_nothing_is_smuggled_in(name: str, server: Server) -> None:
    sent, expected = REQUESTS[name]
    with connect(server) as connection:
        connection.sendall(sent)
        answers = received(connection)
    assert statuses(answers) == expected
    if expected[0] >= 400:
        problem = json.loads(answers.partition(b"\r\n\r\n")[2])
        assert problem["status"] == expected[0]
        assert problem["cure"]


def test_a_flood_of_one_header_is_cut_off(server: Server) -> None:
    sent = 0
    with connect(server) as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"X: ")
        while sent < HEADER_FLOOD:
            sent += connection.send(b"a" * 2**16)
    assert sent < HEADER_FLOOD / 4, "what the kernel took before the connection was closed"


def test_a_header_of_a_proxy_does_not_write_the_access_log(server: Server) -> None:
    """Uvicorn believes such headers from this machine unless it is told not to."""
    forged = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6 forged\r\n\r\n")
    with connect(server) as connection:
        connection.sendall(forged)
        answer = received(connection)
    assert statuses(answer) == [200]
    assert b"\r\nserver:" not in answer.lower()
    log = server.log.read_text()
    assert "GET /health" in log
    assert "6.6.6.6" not in log and "forged" not in log


def test_who_sends_slowly_is_told_so_and_cut_off(server: Server) -> None:
    """Side by side: nothing at all, a line without its end, half a head, half a body, and a body that never begins."""
    begun = [b"", b"GET /hea", GET[:-2], POST + b"Content-Length: 100\r\n\r\n{", POST + b"Content-Length: 100\r\n\r\n"]
    connections = [connect(server) for _ in begun]
    for connection, sent in zip(connections, begun, strict=True):
        connection.sendall(sent)
    assert server.ask("GET", "/api/predict").status == 200
    for connection in connections:
        with connection:
            assert statuses(received(connection)) == [408]


def test_many_slow_connections_keep_nobody_out(server: Server) -> None:
    with files(4 * SLOW_CONNECTIONS), contextlib.ExitStack() as opened:
        for number in range(SLOW_CONNECTIONS):
            slow = opened.enter_context(connect(server))
            with contextlib.suppress(OSError):
                slow.sendall(b"GET /hea")
            if number % 200 == 199:
                assert server.ask("GET", "/api/predict").status == 200


def test_what_is_beyond_the_threads_is_told_to_come_again() -> None:
    """Posts that never end fill what may wait; one more is shed at once, a GET from memory is still answered."""
    release = threading.Event()

    def respond(request: Request) -> Response:
        if request.method == "POST":
            assert release.wait(PATIENCE_S)
        return ok("{}")

    async def scene() -> tuple[list[int], int, int]:
        server = AsgiApp(FakeApp(respond))
        assert (await ask(server, "GET")).status == 200
        waiting = [asyncio.create_task(ask(server, "POST")) for _ in range(MAX_IN_THREADS)]
        await asyncio.sleep(0)
        shed, read = await ask(server, "POST"), await ask(server, "GET")
        assert shed.headers["retry-after"] == "1"
        release.set()
        return [answer.status for answer in await asyncio.gather(*waiting)], shed.status, read.status

    assert asyncio.run(scene()) == ([200] * MAX_IN_THREADS, 503, 200)


class Sent:
    """What an ASGI application sent."""

    def __init__(self) -> None:
        self.status, self.headers = 0, dict[str, str]()

    async def take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}


async def ask(server: AsgiApp, method: str) -> Sent:
    scope = {"type": "http", "method": method, "path": "/api/predict", "query_string": b"", "headers": []}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    sent = Sent()
    await server(scope, receive, sent.take)
    return sent
