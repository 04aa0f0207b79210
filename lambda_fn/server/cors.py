"""CORS as API Gateway does it: which pages of other origins may call from a browser (Fetch standard, section 3.2).

The gateway in AWS has these values from template.yaml, and a test compares them.
"""

from collections.abc import Mapping

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
