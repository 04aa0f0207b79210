"""Content negotiation by Accept and Accept-Encoding (RFC 9110, sections 12.5.1 and 12.5.3)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """Return the offered media type that the caller prefers; the first of equals, and where it accepts none."""
    weights = _parse(accept or "*/*")
    return max(offered, key=lambda name: _weight_of(weights, name))


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Return True when the body may be compressed by gzip."""
    weights = _parse(accept_encoding or "")
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _weight_of(weights: Mapping[str, float], name: str) -> float:
    """Return the weight of a media type; the most specific range decides."""
    for range_name in (name, f"{name.partition('/')[0]}/*", "*/*"):
        if range_name in weights:
            return weights[range_name]
    return 0.0


@lru_cache(64)  # callers send few different ones, again and again
def _parse(header: str) -> Mapping[str, float]:
    """Return the weight of each name in a header, in lower case. What is not a weight counts as 0."""
    weights = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        qualities = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
        weights[name] = _weight(qualities[0]) if qualities else 1.0
    return weights


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
