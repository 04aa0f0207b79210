"""HTTP/1.1 with limits: no client, however slow, large or many, takes more than its share from the others.

uvicorn's protocol parses (llhttp) and answers; it knows no limit of a request's head and no deadline of its coming.
"""

import logging
from asyncio import BaseTransport, TimerHandle, Transport
from typing import cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from lambda_fn.web.errors import PROBLEM_JSON, Problem

MAX_HEAD = 32 * 1024  # bytes of request line and headers; API Gateway takes 10 kB
READ_S = 10.0  # in which a request has to come, from the connection's or its own first byte to its last
SEND_S = 30.0  # in which a client has to take its answer
# Whole requests at work in a process, on its event loop and in threads. Further requests are refused, because waiting
# would only delay the answer. The threads of `asgi` take up to 64 of each kind.
MAX_AT_WORK = 128
MAX_CONNECTIONS = 512  # of one process, which has 1,024 files where nobody says otherwise

_log = logging.getLogger(__name__)


class _Refused(Exception):
    """Ends the parsing of a request; the answer has gone out."""


class Protocol(HttpToolsProtocol):
    """One connection. Where there are too many, the one that has waited longest without a whole request goes; where all
    of them are at work, the newest is told to come again."""

    _deadline: TimerHandle | None = None
    _head = 0  # bytes of the request's head so far
    _in_head = True
    _since = 0.0  # when it began to wait for a request

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast(Transport, transport))
        self._wait()
        if len(self.connections) > MAX_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)  # also what no callback has told of yet: half of a header
            if self._head > MAX_HEAD:
                self._refuse(_head_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head = True, 0
        if self._deadline is None:  # a next one on the same connection
            self._wait()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value) + len(b": \r\n"))

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        # Some tasks wait for a body. Only whole requests count.
        if len(self.tasks) >= MAX_AT_WORK and not self._works() and self._at_work() >= MAX_AT_WORK:
            self._refuse(overloaded())
            raise _Refused
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._set_deadline(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._set_deadline(self.loop.call_later(SEND_S, self.transport.abort))
        self._since = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn says of what is no HTTP, in the form of every error; after a refusal nothing more is said."""
        if not self.transport.is_closing():
            self._refuse(Problem(400, "bad_request", "this is no HTTP/1.1 request", "send one request after another"))

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > MAX_HEAD:
            self._refuse(_head_too_large())
            raise _Refused

    def _wait(self) -> None:
        """For a request, from now on."""
        self._since = self.loop.time()
        self._set_deadline(self.loop.call_later(READ_S, self._too_slow))

    def _set_deadline(self, timer: TimerHandle | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = timer

    def _too_slow(self) -> None:
        if self._works():  # on the request before
            self._deadline = self.loop.call_later(READ_S, self._too_slow)
        elif not self.transport.is_closing():
            cure = "send the whole request at once"
            self._refuse(Problem(408, "too_slow", f"the request did not come within {READ_S:g} seconds", cure))

    def _works(self) -> bool:
        """Whether an answer of a whole request is on its way."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn has None before the first request
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _others(self) -> "list[Protocol]":
        return [other for other in cast("set[Protocol]", self.connections) if other is not self]

    def _at_work(self) -> int:
        return sum(other._works() for other in self._others())

    def _make_room(self) -> None:
        waiting = [other for other in self._others() if not other._works()]
        if waiting:
            longest = min(waiting, key=lambda other: other._since)
            self.connections.discard(longest)
            longest.transport.abort()
        else:
            self._refuse(overloaded())

    def _refuse(self, problem: Problem) -> None:
        """Answers and closes; a client that does not take the answer is cut off."""
        body = problem.body().encode()
        headers = {
            "content-type": PROBLEM_JSON,
            "content-length": str(len(body)),
            "cache-control": "no-store",
            "connection": "close",
            **problem.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        _log.warning("%s refused: %s", self.client[0] if self.client else "a client", problem.message)
        self.transport.write(STATUS_LINE[problem.status] + head.encode() + b"\r\n" + body)
        self.transport.close()
        self._set_deadline(self.loop.call_later(READ_S, self.transport.abort))


def overloaded() -> Problem:
    """503 for a request beyond what can be worked at."""
    cure = "ask again in a second, and less often"
    return Problem(503, "overloaded", "the server is busy with others", cure, headers={"Retry-After": "1"})


def _head_too_large() -> Problem:
    message = f"the request line and the headers are larger than {MAX_HEAD:,} bytes"
    return Problem(431, "head_too_large", message, "send fewer or shorter headers, and prices in the body of a POST")
