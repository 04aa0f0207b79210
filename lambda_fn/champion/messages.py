"""Messages between the sandbox and its child, and the limits of the child.

The child imports this module and nothing else of the sandbox, because its start takes most of the time of a first POST.
"""

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

_LENGTH = 8  # bytes of each length in a frame


class Limits(NamedTuple):
    """Resource limits of a child: bytes of memory beyond its imports, and times in seconds."""

    memory: int = 256 * 2**20
    first_cpu_s: int = 2  # processor time up to the first forecast of a trial; the kernel counts whole seconds
    cpu_s: int = 10  # processor time of one request; a typical trial takes 0.3
    wall_s: float = 30.0  # one request, including the start of the child for the first
    run_s: float = 5.0  # one run of the model; a batch of 100 takes 15 ms


JOB = Limits()
API = Limits(cpu_s=6, wall_s=8.0)  # the API answers within ten seconds


def frame(head: Mapping[str, Any], *data: bytes) -> bytes:
    """Encode a message: the length of the rest, the length of the head, the head as JSON, the data."""
    text = json.dumps(head).encode()
    size = _LENGTH + len(text) + sum(map(len, data))
    return b"".join([size.to_bytes(_LENGTH, "big"), len(text).to_bytes(_LENGTH, "big"), text, *data])


def is_whole(message: bytes | bytearray) -> bool:
    """Return whether the buffer has all bytes of its message."""
    return len(message) >= _LENGTH and len(message) >= _LENGTH + int.from_bytes(message[:_LENGTH], "big")


def parse_frame(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the head and the data of a message. The head of malformed bytes is empty."""
    head_end = 2 * _LENGTH + int.from_bytes(message[_LENGTH : 2 * _LENGTH], "big")
    try:
        head = json.loads(message[2 * _LENGTH : head_end])
    except (ValueError, RecursionError):
        head = None
    return (head if isinstance(head, dict) else {}), message[head_end:]


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Wait for a message. Returns None at the end of the stream."""
    size = stream.read(_LENGTH)
    if len(size) < _LENGTH:
        return None
    return parse_frame(size + stream.read(int.from_bytes(size, "big")))
