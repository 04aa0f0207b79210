"""What the operations read of API Gateway's event."""

import base64
from collections.abc import Mapping
from typing import Any


def body_of(event: Mapping[str, Any]) -> bytes:
    """The request's body; raises ValueError when it is not the base64 that it claims to be."""
    text = event.get("body") or ""
    return base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
