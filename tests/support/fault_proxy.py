"""A proxy before a real S3 server that does to a request what networks and servers do, when it is told to."""

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_S = 8.0  # a fault that takes its time ends after it: longer than any client here waits
DRIP_S = 0.2
_FOURTH = re.compile(rb"(\d\.\d{3})(\d)")  # decimal
HTML = b"<!doctype html><title>Log in</title><p>Welcome to the hotel's network."


@dataclass
class Proxy:
    """`endpoint` is asked instead of the server at `upstream`; `choose` says by its path which fault befalls a
    request, if any."""

    upstream: str
    endpoint: str = ""
    choose: Callable[[str], str | None] = field(default=lambda path: None)
    met: list[str] = field(default_factory=list)  # the faults that befell requests
    _server: "_Server | None" = None

    def listen(self) -> None:
        """Begins to listen, again where it did before; raises OSError when the port is taken."""
        bound = type("Bound", (_Handler,), {"proxy": self, "upstream": urlsplit(self.upstream).netloc})
        self._server = _Server(("127.0.0.1", urlsplit(self.endpoint).port or 0), bound)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Refuses connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _other_prices(body: bytes) -> bytes | None:
    changed, count = _FOURTH.subn(lambda found: found[1] + b"%d" % (9 - int(found[2])), body)
    return changed if count else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy
    upstream: str

    def do_GET(self) -> None:
        fault = self.proxy.choose(self.path)
        if fault is None:
            self._pass(lambda body: body)
            return
        self.proxy.met.append(fault)
        FAULTS[fault](self)

    do_PUT = do_HEAD = do_DELETE = do_GET

    def _pass(self, change: Callable[[bytes], bytes], announced: int | None = None) -> None:
        """What the server says, its body changed; `announced` bytes are promised instead of those that come."""
        status, headers, body = self._ask()
        body = change(body)
        self._send(status, headers, body, len(body) if announced is None else announced)

    def _ask(self) -> tuple[int, list[tuple[str, str]], bytes]:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), data

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, announced: int) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self, status: int, code: str = "", body: bytes | None = None) -> None:
        """An answer of the proxy's own, by default an error of S3."""
        text = f'<?xml version="1.0"?><Error><Code>{code}</Code></Error>'.encode() if body is None else body
        self._send(status, [("Content-Type", "application/xml"), ("ETag", '"of-the-proxy"'), _NOW], text, len(text))

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def hang(self) -> None:
        time.sleep(SLOW_S)
        self.close_connection = True

    def drip(self) -> None:
        """A byte now and then, so that the connection always seems alive."""
        status, headers, body = self._ask()
        self._send(status, headers, b"", len(body))
        deadline = time.monotonic() + SLOW_S
        for byte in body:
            if time.monotonic() > deadline:
                break
            self.wfile.write(bytes([byte]))
            time.sleep(DRIP_S)
        self.close_connection = True

    def half(self) -> None:
        status, headers, body = self._ask()
        self._send(status, headers, body[: len(body) // 2], len(body))
        self.close_connection = True

    def other_digits(self) -> None:
        """The right length and the right form, but other prices; in what has none, a bit."""
        self._pass(lambda body: _other_prices(body) or body[:-1] + bytes([body[-1] ^ 1]) if body else body)

    def log_message(self, *_: object) -> None:
        """No access log among the tests' output."""


_NOW = ("Last-Modified", "Fri, 30 Oct 2026 17:00:00 GMT")
FAULTS: dict[str, Callable[[_Handler], None]] = {
    "reset": _Handler.reset,
    "hanging": _Handler.hang,
    "dripping": _Handler.drip,
    "half a body": _Handler.half,
    "other digits": _Handler.other_digits,
    "HTML": lambda handler: handler.answer(200, body=HTML),
    "empty": lambda handler: handler.answer(200, body=b""),
    "304": lambda handler: handler.answer(304, body=b""),
    "403": lambda handler: handler.answer(403, "AccessDenied"),
    "404 of the key": lambda handler: handler.answer(404, "NoSuchKey"),
    "404 of the bucket": lambda handler: handler.answer(404, "NoSuchBucket"),
    "412": lambda handler: handler.answer(412, "PreconditionFailed"),
    "500": lambda handler: handler.answer(500, "InternalError"),
    "503": lambda handler: handler.answer(503, "SlowDown"),
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that gave up is what the tests are about."""


@contextmanager
def before(upstream: str) -> Iterator[Proxy]:
    """A proxy before the server at the address `upstream`."""
    proxy = Proxy(upstream)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def refusing(proxy: Proxy) -> Iterator[None]:
    """The proxy refuses connections meanwhile, and resets those that it has."""
    usual = proxy.choose
    proxy.choose = lambda path: "reset"
    proxy.close()
    try:
        yield
    finally:
        proxy.choose = usual
        proxy.listen()
