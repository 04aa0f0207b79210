"""One HTTP request within limits of time and size, to the address that was asked and to no other."""

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lambda_fn.store.object_store import Unavailable

_CHUNK = 2**16
BY_PROXY = " by the proxy"  # in an error


class Answer(NamedTuple):
    """Any status, the body, cut off at the limit that was asked for, and where a redirect leads."""

    status: int
    body: bytes
    location: str = ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: following it would send the credentials to wherever it points."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask(
    request: urllib.request.Request,
    timeout_s: float,
    max_bytes: int,
    clock: Callable[[], float] = time.monotonic,
    *,
    tls: ssl.SSLContext | None = None,
    proxies: bool = True,
) -> Answer:
    """The answer, whatever its status. Raises Unavailable when there is no whole one.

    Args:
        request: what to ask.
        timeout_s: seconds for each wait, and for all of the body.
        max_bytes: of the body, which is cut off there.
        clock: seconds.
        tls: which certificates are trusted; None trusts those of the system.
        proxies: whether the proxies of the environment are used.
    """
    deadline = clock() + timeout_s
    address = f"{request.type}://{request.host}"
    handlers = [_NoRedirects(), urllib.request.HTTPSHandler(context=tls)]
    handlers += [] if proxies else [urllib.request.ProxyHandler({})]
    opener = urllib.request.build_opener(*handlers)
    try:
        try:
            response = opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:  # an answer, too
            response = error
        with response:
            location = response.headers.get("Location", "")
            return Answer(response.status, _body(response, deadline, max_bytes, clock), location)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        by = "" if request.host == urlsplit(address).netloc else f"{BY_PROXY} {request.host.rpartition('@')[2]}"
        raise Unavailable(f"{address} does not answer{by} ({reason or type(error).__name__})") from error


def _body(response: Any, deadline: float, max_bytes: int, clock: Callable[[], float]) -> bytes:
    body = bytearray()
    # read1 returns after one receive, so that a server that drips cannot outlast the deadline
    while len(body) < max_bytes and (chunk := response.read1(min(_CHUNK, max_bytes - len(body)))):
        body += chunk
        if clock() > deadline:
            raise TimeoutError("not complete in time")
    if len(body) < max_bytes and getattr(response, "length", None):  # read1 does not tell an early end
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)
