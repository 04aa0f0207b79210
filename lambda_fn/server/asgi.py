"""The API as an ASGI application: threads, request bodies, CORS headers and access log."""

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from lambda_fn.api import App
from lambda_fn.registry import webhook
from lambda_fn.server.hooks import Hooks
from lambda_fn.server.http_limits import overloaded
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from lambda_fn.web.errors import MAX_BODY, Problem, too_large
from lambda_fn.web.params import AS_OF, PAIR
from lambda_fn.web.request import Request, parse_query_string
from lambda_fn.web.response import Representation, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handle = Callable[[Request], Response]
# A body that is too large is read up to here and discarded: an earlier close would reset the connection before the
# client reads the response.
MAX_READ = 16 * MAX_BODY
MAX_IN_THREADS = 64  # requests of each kind, running or waiting for a thread; more are refused
_access = logging.getLogger("lambda_fn.access")
THREADS = {"GET": 16, "POST": 4}  # separate, so that a POST that waits for a champion never takes a GET's thread


class AsgiApp:
    """The ASGI application around an App.

    A GET whose path and pair gave a 200 before is answered on the event loop, from memory. Other GETs may wait for the
    store, as those of a past day do, and POSTs for the champion: they run in threads, where they do not delay others.
    """

    def __init__(self, app: App, cors_origin: str | None = None, hooks: Hooks | None = None) -> None:
        self._app = app
        self._hooks = hooks
        self._cors_origin = cors_origin
        self._evicted_pairs = 0
        self._in_memory: set[tuple[str, str]] = set()  # path and pair
        self._threads = {kind: _Threads(kind, number) for kind, number in THREADS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        headers: dict[str, str] = {}  # repeated ones are joined by commas
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        try:
            body = await _read(scope, receive)
            query = parse_query_string(scope["query_string"].decode("latin-1")) if scope["query_string"] else {}
            response = await self._respond(Request(scope["method"], scope["path"], query, headers, lambda: body))
        except ConnectionResetError:
            return
        except Problem as problem:
            response = Representation.of_problem(problem).respond(Request(scope["method"], scope["path"]), 0)
            response.headers["Connection"] = "close"
        content = response.body.encode() if isinstance(response.body, str) else response.body
        lines = [(name.lower(), value) for name, value in response.headers.items()]
        lines += cors_headers(self._cors_origin, scope["method"], headers)
        if response.status != 204:  # whose length must not be sent (RFC 9110, section 8.6)
            lines.append(("content-length", str(len(content))))
        raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines]
        await send({"type": "http.response.start", "status": response.status, "headers": raw_headers})
        await send({"type": "http.response.body", "body": content})
        client, method, path = scope.get("client"), scope["method"], quote(scope["path"])
        address = f"{client[0]}:{client[1]}" if client else "-"
        milliseconds = 1000 * (time.perf_counter() - start)
        line = '%s "%s %s HTTP/%s" %d %.0f ms'  # without the query, which may contain a position or a secret
        _access.info(line, address, method, path, scope.get("http_version", ""), response.status, milliseconds)

    async def _respond(self, request: Request) -> Response:
        path = self._app.router.route_path(request.path, self._app.base_path)
        if self._hooks and (request.method, path) == ("POST", webhook.PATH):
            return self._hooks.respond(request)
        reads = request.method in ("GET", "HEAD")
        key = path, request.query.get(PAIR.name, "")
        if self._evicted_pairs != (evicted_pairs := self._app.evicted_pairs):
            self._evicted_pairs = evicted_pairs
            self._in_memory.clear()
        # The page takes too long for the event loop, and a past day is read from the store.
        in_thread = key[0] == "/" or AS_OF.name in request.query
        if reads and key in self._in_memory and not in_thread:
            return self._app.handle(request)
        response = await self._threads["GET" if reads else "POST"].run(self._app.handle, request)
        # The number of keys is limited, because other paths and pairs are 404 and 400.
        if reads and response.status == 200 and not in_thread:
            self._in_memory.add(key)
        return response


class _Threads:
    """The threads for one kind of request."""

    def __init__(self, kind: str, number: int) -> None:
        self._executor = ThreadPoolExecutor(number, thread_name_prefix=kind)
        self._waiting = 0

    async def run(self, handle: Handle, request: Request) -> Response:
        """Run the handler in a thread. Raises Problem (503) if MAX_IN_THREADS requests are running or waiting."""
        if self._waiting >= MAX_IN_THREADS:
            raise overloaded()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, handle, request)
        finally:
            self._waiting -= 1


def application() -> AsgiApp:
    """Create the application of a server process from the environment's settings."""
    settings = Settings.from_env(os.environ)
    _stop_with_parent()
    app = App(open_store(settings), settings, background_refresh=True)
    hooks = Hooks(open_store(settings, patient=True), settings, os.environ) if settings.mlflow_hook_secret else None
    return AsgiApp(app, settings.cors_origin, hooks)


def _stop_with_parent() -> None:
    """Stop this process when the one that started it ends, even if that was killed: it would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


async def _read(scope: Scope, receive: Receive) -> bytes:
    """Read the body. Raises Problem (413) if it is too large, and ConnectionResetError if the client disconnects."""
    content_length = max((int(value) for name, value in scope["headers"] if name == b"content-length"), default=0)
    size, body, more = 0, bytearray(), True
    while more:
        if max(content_length, size) > MAX_READ:
            raise too_large()
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY:
            body += chunk
        more = message.get("more_body", False)
    if size > MAX_BODY:
        raise too_large()
    return bytes(body)


# CORS: the values of API Gateway in the template.
ALLOWED_METHODS = ("GET", "HEAD", "POST")
ALLOWED_HEADERS = ("authorization", "content-type", "x-amz-date", "x-amz-security-token")
EXPOSED_HEADERS = ("etag", "retry-after")
MAX_AGE_S = 600


def cors_headers(allowed_origin: str | None, method: str, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the CORS headers of a response.

    A request without an origin, or with another one, gets only Vary: its browser then withholds the response from the
    page, and caches do not give it to other origins.

    Args:
        allowed_origin: an origin, * for all, or None for no CORS.
        method: the method of the request.
        headers: the headers of the request by name in lower case.
    """
    if allowed_origin is None:
        return []
    origin, cors = headers.get("origin"), [("vary", "Origin")]
    if origin is None or allowed_origin not in ("*", origin):
        return cors
    cors += [
        ("access-control-allow-origin", allowed_origin),
        ("access-control-expose-headers", ",".join(EXPOSED_HEADERS)),
    ]
    if method == "OPTIONS" and "access-control-request-method" in headers:
        cors += [
            ("access-control-allow-methods", ",".join(ALLOWED_METHODS)),
            ("access-control-allow-headers", ",".join(ALLOWED_HEADERS)),
            ("access-control-max-age", str(MAX_AGE_S)),
        ]
    return cors
