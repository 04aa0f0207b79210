"""A minimal HTTP client: one request with limits of time and size, which follows no redirect."""

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
BY_PROXY = " by the proxy"  # marks an error whose connection went through a proxy


class HttpResponse(NamedTuple):
    """A response with any status: the body, cut off at the given limit, and the target of a redirect."""

    status: int
    body: bytes
    location: str = ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Return redirects as responses: following one would send the credentials to its target."""

    def redirect_request(self, *_: Any) -> None:
        return None


def send_request(
    request: urllib.request.Request,
    timeout_s: float,
    max_bytes: int,
    clock: Callable[[], float] = time.monotonic,
    *,
    tls: ssl.SSLContext | None = None,
    proxies: bool = True,
) -> HttpResponse:
    """Send a request and return the response, whatever its status. Raises Unavailable if it is missing or incomplete.

    Args:
        request: the request.
        timeout_s: seconds for each wait, and for the whole body.
        max_bytes: the body is cut off at this size.
        clock: returns seconds.
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
        except urllib.error.HTTPError as error:  # also a response
            response = error
        with response:
            body = bytearray()
            # read1 returns after one receive, so a server that sends a few bytes at a time cannot outlast the deadline.
            while len(body) < max_bytes and (chunk := response.read1(min(_CHUNK, max_bytes - len(body)))):
                body += chunk
                if clock() > deadline:
                    raise TimeoutError("not complete in time")
            if len(body) < max_bytes and getattr(response, "length", None):  # read1 does not report an early end
                raise http.client.IncompleteRead(bytes(body), response.length)
            return HttpResponse(response.status, bytes(body), response.headers.get("Location", ""))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        proxy = "" if request.host == urlsplit(address).netloc else f"{BY_PROXY} {request.host.rpartition('@')[2]}"
        raise Unavailable(f"{address} does not answer{proxy} ({reason or type(error).__name__})") from error
