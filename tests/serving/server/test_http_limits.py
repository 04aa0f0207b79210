"""The limits of a connection and of all of them together, with an application that answers when the test says so."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn

from lambda_fn.server import http_limits
from lambda_fn.server.http_limits import MAX_AT_WORK, Protocol

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
ANSWER_BYTES = 64 * 2**20  # more than the buffers of a loopback connection


class Application:
    """Answers each whole request when `go` is set."""

    def __init__(self, body: bytes = b"done") -> None:
        self.go, self.begun, self._body = asyncio.Event(), 0, body

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        self.begun += 1
        await self.go.wait()
        length = (b"content-length", str(len(self._body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": self._body})


class Service:
    """The application served by this loop, and the connections of its clients."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._server, self._writers = server, list[asyncio.StreamWriter]()

    @property
    def connections(self) -> list[Protocol]:
        return [connection for connection in self._server.server_state.connections if isinstance(connection, Protocol)]

    async def send(self, data: bytes) -> asyncio.StreamReader:
        """Sends it on a new connection; returns what the answer comes from."""
        port = self._server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self._writers.append(writer)
        writer.write(data)
        return reader

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def served(application: Application) -> AsyncIterator[Service]:
    config = uvicorn.Config(
        application, port=0, http=Protocol, ws="none", lifespan="off", log_config=None, access_log=False
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    service = Service(server)
    try:
        yield service
    finally:
        await service.close()
        await server.shutdown()


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_requests_beyond_those_at_work_are_refused_and_bodies_on_their_way_do_not_count() -> None:
    async def scene() -> tuple[bytes, list[bytes], bytes]:
        application = Application()
        async with served(application) as service:
            for _ in range(MAX_AT_WORK):
                await service.send(POST)
            at_work = [await service.send(GET) for _ in range(MAX_AT_WORK)]
            await until(lambda: application.begun == MAX_AT_WORK)
            refused = await (await service.send(GET)).read()
            application.go.set()
            answers = [await reader.readuntil(b"done") for reader in at_work]
            return refused, answers, await (await service.send(GET)).readuntil(b"done")

    refused, answers, later = asyncio.run(scene())
    head, _, body = refused.partition(b"\r\n\r\n")
    status, *lines = head.decode().lower().split("\r\n")
    assert status.startswith("http/1.1 503 ") and json.loads(body)["code"] == "overloaded"
    assert sorted(lines) == [
        "cache-control: no-store",
        "connection: close",
        f"content-length: {len(body)}",
        "content-type: application/problem+json",
        "retry-after: 1",
    ]
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in [*answers, later])


def test_the_next_requests_of_a_connection_at_work_wait_for_their_turn() -> None:
    """What was sent ahead is answered in order, however many others are at work."""

    async def scene() -> list[bytes]:
        application = Application()
        async with served(application) as service:
            at_work = [await service.send(GET * 3) for _ in range(MAX_AT_WORK)]
            await until(lambda: application.begun == MAX_AT_WORK)
            application.go.set()
            return [await reader.readuntil(b"done") for reader in at_work for _ in range(3)]

    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in asyncio.run(scene()))


def test_a_client_that_does_not_take_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "SEND_S", 0.05)

    async def scene() -> int:
        application = Application(bytes(ANSWER_BYTES))
        application.go.set()
        async with served(application) as service:
            reader = await service.send(GET)
            await until(lambda: application.begun)
            await until(lambda: not service.connections)
            taken = 0
            with contextlib.suppress(ConnectionResetError):
                while chunk := await reader.read(2**16):
                    taken += len(chunk)
            return taken

    assert asyncio.run(scene()) < ANSWER_BYTES
