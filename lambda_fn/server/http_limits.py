"""Limits of size, time and number for HTTP/1.1 requests, so that no client takes capacity from the others.

uvicorn's protocol parses requests (llhttp) and writes responses, but limits neither the size of a request's head nor
the time until it is complete.
"""

import logging
from asyncio import BaseTransport, TimerHandle, Transport
from typing import cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from lambda_fn.web.errors import PROBLEM_JSON, Problem

MAX_HEAD = 32 * 1024  # bytes of request line and headers; API Gateway allows 10 kB
READ_S = 10.0  # for a request, from the start of the connection or the request's first byte to its last
SEND_S = 30.0  # for a client to receive its response
# Complete requests in progress in a process, on its event loop and in threads. More are refused, because waiting would
# only delay the response. The threads of `asgi` take up to 64 of each kind.
MAX_AT_WORK = 128
MAX_CONNECTIONS = 512  # of one process, which may open 1,024 files by default

_log = logging.getLogger(__name__)


class _Refused(Exception):
    """Ends the parsing of a request whose error response has been written."""


class Protocol(HttpToolsProtocol):
    """One connection with limits.

    Above MAX_CONNECTIONS the connection that has been idle the longest is closed. If none is idle, the new one gets a
    503.
    """

    _deadline: TimerHandle | None = None
    _head_size = 0  # bytes so far
    _in_head = True
    _idle_since = 0.0  # in the event loop's time

    def connection_made(self, transport: BaseTransport) -> None:
        """Start the time limit of the first request, and keep the number of connections within MAX_CONNECTIONS."""
        super().connection_made(cast(Transport, transport))
        self._start_waiting()
        if len(self.connections) > MAX_CONNECTIONS:
            idle = [other for other in self._others() if not other._is_responding()]
            if idle:
                longest = min(idle, key=lambda other: other._idle_since)
                self.connections.discard(longest)
                longest.transport.abort()
            else:
                self._refuse(overloaded())

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time limit."""
        self._set_deadline(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data. Counts an incomplete head, too."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_size += len(data)  # includes an incomplete header, for which there was no callback yet
            if self._head_size > MAX_HEAD:
                self._refuse(_head_too_large())

    def on_message_begin(self) -> None:
        """Start to count the head of a request."""
        super().on_message_begin()
        self._in_head, self._head_size = True, 0
        if self._deadline is None:  # a further request on the same connection
            self._start_waiting()

    def on_url(self, url: bytes) -> None:
        """Count the URL."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the header."""
        super().on_header(name, value)
        self._count(len(name) + len(value) + len(b": \r\n"))

    def on_headers_complete(self) -> None:
        """Refuse the request if MAX_AT_WORK others are in progress."""
        self._in_head, self._head_size = False, 0
        # Some tasks still wait for a body; only complete requests count.
        if len(self.tasks) >= MAX_AT_WORK and not self._is_responding():
            if sum(other._is_responding() for other in self._others()) >= MAX_AT_WORK:
                self._refuse(overloaded())
                raise _Refused
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the time limit: the request is complete."""
        self._set_deadline(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Limit the time for what the client has not received yet."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._set_deadline(self.loop.call_later(SEND_S, self.transport.abort))
        self._idle_since = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """Replace uvicorn's response to invalid HTTP by an error response. After a refusal nothing more is written."""
        if not self.transport.is_closing():
            cure = "send complete HTTP/1.1 requests, one after another"
            self._refuse(Problem(400, "bad_request", "invalid HTTP/1.1 request", cure))

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD:
            self._refuse(_head_too_large())
            raise _Refused

    def _start_waiting(self) -> None:
        """Start the time limit of the next request."""
        self._idle_since = self.loop.time()
        self._set_deadline(self.loop.call_later(READ_S, self._too_slow))

    def _set_deadline(self, timer: TimerHandle | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = timer

    def _too_slow(self) -> None:
        if self._is_responding():  # to the request before
            self._deadline = self.loop.call_later(READ_S, self._too_slow)
        elif not self.transport.is_closing():
            message = f"the request was not complete within {READ_S:g} seconds"
            self._refuse(Problem(408, "too_slow", message, "send the whole request at once"))

    def _is_responding(self) -> bool:
        """Return True between a complete request and the end of its response."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _others(self) -> "list[Protocol]":
        return [other for other in cast("set[Protocol]", self.connections) if other is not self]

    def _refuse(self, problem: Problem) -> None:
        """Write the error response and close the connection, by force if the client does not receive it."""
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
    """Return the 503 for a request over a limit of requests in progress."""
    cure = "retry after a second, and send fewer requests at once"
    return Problem(503, "overloaded", "the server is busy with other requests", cure, headers={"Retry-After": "1"})


def _head_too_large() -> Problem:
    message = f"request line and headers are larger than {MAX_HEAD:,} bytes"
    return Problem(431, "head_too_large", message, "send fewer or shorter headers, and prices in the body of a POST")
