"""What a connection is refused with, on a wire that keeps what was written to it."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from lambda_fn.server import http_limits
from lambda_fn.server.http_limits import MAX_HEAD, Protocol

LINE = b"GET / HTTP/1.1\r\n"
PATIENCE_S = 5
GET = LINE + b"Host: localhost\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport without a client."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    @property
    def status(self) -> int:
        """Of the one answer, whose body is a problem with the same status; 0 without an answer."""
        statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", self.written)
        if not statuses:
            return 0
        [status] = map(int, statuses)
        assert json.loads(self.written.partition(b"\r\n\r\n")[2])["status"] == status
        return status


Connect = Callable[[bytes], Wire]


def on_wires(scene: Callable[[Connect], Wire], until_closed: bool = False) -> int:
    """The status on the wire that the scene returns; no request is answered before."""

    async def play() -> int:
        go, state, loop = asyncio.Event(), ServerState(), asyncio.get_running_loop()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await go.wait()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        config = uvicorn.Config(application, http=Protocol, ws="none", lifespan="off", log_config=None)

        def connect(data: bytes) -> Wire:
            wire = Wire()
            connection = Protocol(config, state, {}, loop)
            connection.connection_made(wire)
            if data and not wire.closed:
                connection.data_received(data)
            return wire

        wire, end = scene(connect), loop.time() + PATIENCE_S
        while until_closed and not wire.closed and loop.time() < end:
            await asyncio.sleep(0.001)
        status = wire.status
        go.set()
        await asyncio.gather(*state.tasks)
        return status

    return asyncio.run(play())


REQUESTS: dict[str, tuple[bytes, int]] = {
    "a request": (GET, 0),
    "half a request": (GET[:-2], 0),
    "no HTTP": (b"\x16\x03\x01\x02\x00", 400),
    "two lengths": (LINE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "a long path": (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n", 431),
    "many headers": (LINE + b"X: a\r\n" * (MAX_HEAD // 6 + 1) + b"\r\n", 431),
    "half of a long header": (LINE + b"X: " + b"a" * MAX_HEAD, 431),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_no_request_is_refused(name: str) -> None:
    data, status = REQUESTS[name]
    assert on_wires(lambda connect: connect(data)) == status


@pytest.mark.parametrize("data", [b"", GET[:-2]])
def test_a_request_that_does_not_come_is_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "READ_S", 0.01)
    assert on_wires(lambda connect: connect(data), until_closed=True) == 408


def second(connect: Connect) -> Wire:
    connect(GET)
    return connect(GET)


@pytest.mark.parametrize(
    ("limit", "most", "status"),
    [("MAX_AT_WORK", 1, 503), ("MAX_AT_WORK", 2, 0), ("MAX_CONNECTIONS", 1, 503), ("MAX_CONNECTIONS", 2, 0)],
)
def test_what_is_beyond_a_limit_is_refused(limit: str, most: int, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, limit, most)
    assert on_wires(second) == status
