"""HTTP as Lambda events: the ASGI application around Lambda's own handler."""

import asyncio
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from lambda_fn.api import LambdaFunction
from lambda_fn.server.gateway import HttpAnswer, HttpRequest, LambdaContext, to_answer, to_event
from lambda_fn.server.http_limits import overloaded
from lambda_fn.settings import Settings
from lambda_fn.web.errors import MAX_BODY, PROBLEM_JSON, Problem, too_large
from lambda_fn.web.response import NO_STORE
from lambda_fn.web.routing import route_path
from lambda_fn.web.services import PAIR

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
# A body that is too large is read up to here and forgotten: closing earlier would reset the connection under the
# client before it sees the answer.
MAX_READ = 16 * MAX_BODY
MAX_IN_THREADS = 64  # of each kind at work or waiting for a thread; one more is refused, as waiting helps nobody
THREADS = {"GET": 16, "POST": 4}  # a POST that waits for a champion must not take a GET's thread
_LIKE_THE_HANDLER = [("cache-control", NO_STORE)]


class Gateway:
    """The ASGI application: one HTTP request, one event, one call of the handler.

    What is in memory is answered on the event loop. A path that gave no 200 of a pair yet may have to wait
    for the store, and a POST for the champion: these wait in a thread, and hold nobody else up. `forgotten` tells how
    often a pair went out of memory: what is in it is found out anew then.
    """

    def __init__(
        self,
        handle: Handler,
        cors_origin: str | None = None,
        forgotten: Callable[[], int] = lambda: 0,
        base_path: str = "",
    ) -> None:
        self._handle = handle
        self._base_path = base_path
        self._cors_origin = cors_origin
        self._forgotten, self._seen = forgotten, 0
        self._in_memory: set[tuple[str, str]] = set()
        self._threads = {kind: _Threads(kind, number) for kind, number in THREADS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read(scope, receive)
            context = LambdaContext(aws_request_id=str(uuid.uuid4()))
            event = to_event(_request(scope, body), datetime.now(UTC), context.aws_request_id)
            answer = to_answer(await self._answer(scope, event, context))
        except ConnectionResetError:
            return
        except Problem as problem:
            headers = [("content-type", PROBLEM_JSON), *_LIKE_THE_HANDLER, ("connection", "close")]
            headers += [(name.lower(), value) for name, value in problem.headers.items()]
            answer = HttpAnswer(problem.status, headers, problem.body().encode())
        if self._cors_origin is not None:
            asked = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            answer.headers.extend(cors_headers(self._cors_origin, scope["method"], asked))
        await _send(answer, send)

    async def _answer(self, scope: Scope, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        path, reads = route_path(event, self._base_path), scope["method"] in ("GET", "HEAD")
        asked = path, event.get("queryStringParameters", {}).get(PAIR, "")
        if self._seen != (forgotten := self._forgotten()):
            self._seen = forgotten
            self._in_memory.clear()
        if reads and asked in self._in_memory:
            return self._handle(event, context)
        result = await self._threads["GET" if reads else "POST"].run(self._handle, event, context)
        # of few paths and pairs: others are 404 and 400; a page takes too long to make to hold others up, and its path
        # has a JSON form
        if reads and result.get("statusCode") == 200 and path != "/":
            self._in_memory.add(asked)
        return result


class _Threads:
    """The threads of one kind of request."""

    def __init__(self, kind: str, number: int) -> None:
        self._executor = ThreadPoolExecutor(number, thread_name_prefix=kind)
        self._waiting = 0

    async def run(self, handle: Handler, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Run the handler in a thread. Raises Problem (503) when too many wait."""
        if self._waiting >= MAX_IN_THREADS:
            raise overloaded()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, handle, event, context)
        finally:
            self._waiting -= 1


def application() -> Gateway:
    """What each server process runs: Lambda's own handler on the environment."""
    settings = Settings.from_env(os.environ)
    function = LambdaFunction(os.environ, beside=True)
    return Gateway(function, settings.cors_origin, function.forgotten, settings.base_path)


async def _read(scope: Scope, receive: Receive) -> bytes:
    """The body; raises Problem (413) when it is too large, and ConnectionResetError when the client left."""
    announced = max((int(value) for name, value in scope["headers"] if name == b"content-length"), default=0)
    size, body, more = 0, bytearray(), True
    while more:
        if max(announced, size) > MAX_READ:
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


def _request(scope: Scope, body: bytes) -> HttpRequest:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    client = (scope.get("client") or ("",))[0]
    query = scope["query_string"].decode("latin-1")
    return HttpRequest(scope["method"], scope["path"], query, headers, body, client)


async def _send(answer: HttpAnswer, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


class WithoutQuery(logging.Filter):
    """Cuts the query off the path of uvicorn's record: client, method, path, version, status."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, version, status = record.args
            record.args = client, method, str(path).partition("?")[0], version, status
        return True


METHODS = ("GET", "HEAD", "POST")
HEADERS = ("authorization", "content-type", "x-amz-date", "x-amz-security-token")
EXPOSED = ("etag", "retry-after")
MAX_AGE_S = 600


def cors_headers(allowed: str | None, method: str, asked: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is added to an answer; `allowed` is an origin, * or None, `asked` the request's headers in small letters.

    Who names no origin or another one is told only that it depends: the browser then keeps the answer from the page,
    and a cache keeps it from others.
    """
    if allowed is None:
        return []
    origin, found = asked.get("origin"), [("vary", "Origin")]
    if origin is None or allowed not in ("*", origin):
        return found
    found += [("access-control-allow-origin", allowed), ("access-control-expose-headers", ",".join(EXPOSED))]
    if method == "OPTIONS" and "access-control-request-method" in asked:
        found += [
            ("access-control-allow-methods", ",".join(METHODS)),
            ("access-control-allow-headers", ",".join(HEADERS)),
            ("access-control-max-age", str(MAX_AGE_S)),
        ]
    return found
