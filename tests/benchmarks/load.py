"""A load generator: `python -m tests.benchmarks.load PORT PATH CONNECTIONS REQUESTS < BODY` prints JSON: requests a
second, and the median, the 99th percentile and the largest of the latencies, in ms. An empty body is a GET. After
ENOUGH_S it sends no more.

One request at a time on each connection, kept alive. It looks at no more of an answer than its status and length, so
that it is faster than what it measures; loopback only.
"""

import asyncio
import json
import sys
import time
from functools import partial
from typing import cast

import uvloop

PATIENCE_S = 120.0
ENOUGH_S = 6.0


class Client(asyncio.Protocol):
    """One connection: sends the same request again and again, while `left` has some to give; seconds to `took`."""

    def __init__(self, request: bytes, left: list[None], took: list[float], done: "asyncio.Future[None]") -> None:
        self._request, self._left, self._took, self._done = request, left, took, done
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is one in all but its bases
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self._end(RuntimeError(f"answered {head.decode()} {body[:500].decode()}"))
            return
        if len(body) >= _length(head):
            self._took.append(time.perf_counter() - self._began)
            self._buffer = b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("the server closed the connection"))

    def _next(self) -> None:
        if self._left:
            self._left.pop()
            self._began = time.perf_counter()
            self._transport.write(self._request)
        else:
            self._end(None)
            self._transport.close()

    def _end(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error:
            self._done.set_exception(error)
        else:
            self._done.set_result(None)


async def load(port: int, path: str, connections: int, requests: int, body: bytes) -> dict[str, float]:
    """Of as many requests as asked for; raises RuntimeError for the first answer that is no 200."""
    left: list[None] = [None] * requests
    took: list[float] = []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    async with asyncio.timeout(PATIENCE_S):
        loop.call_later(ENOUGH_S, left.clear)
        ends = [loop.create_future() for _ in range(connections)]
        for end in ends:
            client = partial(Client, request_bytes(path, body), left, took, end)
            await loop.create_connection(client, "127.0.0.1", port)
        await asyncio.gather(*ends)
    rate = len(took) / (time.perf_counter() - began)
    took.sort()
    named = {"p50_ms": took[len(took) // 2], "p99_ms": took[99 * (len(took) - 1) // 100], "max_ms": took[-1]}
    return {"requests_per_s": rate, **{name: 1000 * seconds for name, seconds in named.items()}}


def request_bytes(path: str, body: bytes) -> bytes:
    """A GET, or a POST of JSON where there is a body."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[at:].partition(b"\r\n")[0])


if __name__ == "__main__":
    port, path, connections, requests = sys.argv[1:]
    asked = load(int(port), path, int(connections), int(requests), sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(uvloop.run(asked)) + "\n")
