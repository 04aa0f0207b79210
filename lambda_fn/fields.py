"""JSON objects as bytes, with a checksum, and the bounds of the contract."""

import binascii
import json
import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

# The version and the bounds of the contract are here because records are read without the classes of the contract.
CONTRACT_VERSION = "1"
MAX_GENERATION = 99_999_999
MAX_HORIZON = 60  # business days
MAX_LEVELS = 101
MAX_WINDOW = 10_000  # rows
MAX_FEATURES = 200
NEEDED_LEVELS = (0.025, 0.5, 0.975)
MAX_DEPTH = 20  # of nested lists and objects; the contract itself needs five
MAX_NAME = 100  # characters
LARGE = 1e9  # the largest score; a larger number would overflow in a chart
LARGEST = 1e100  # the largest price; products of larger numbers could overflow
LARGEST_FLOAT = sys.float_info.max  # integers in JSON can be larger
# The checksum of a record is its last member, so that it can be found and left out without parsing.
_SUM_KEY = "crc32"
_WRITER_KEY, _WRITER = "writer", 2  # earlier writers added neither this member nor a checksum
_END = b"\n}\n"
_SUM = b',\n  "crc32": "%08x"'
_SUMMED = re.compile(rb',\n  "crc32": "([0-9a-f]{8})"\n}\n\Z')
_SUM_BYTES = len(_SUM % 0 + _END)


class ContractError(ValueError):
    """The published data violates the contract; the message names the field and the cure."""


def json_object(data: bytes, where: str, max_bytes: int | None = None) -> dict[str, Any]:
    """Parse a JSON object of at most `max_bytes` bytes; `where` names it in errors.

    Raises ContractError, also for values that cannot be written back: NaN and infinity, which are not JSON, unpaired
    surrogates, and values nested deeper than MAX_DEPTH.
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise ContractError(f"{where}: {len(data):,} bytes, at most {max_bytes:,} are allowed; publish a smaller one")
    match = _SUMMED.search(data, max(len(data) - _SUM_BYTES, 0))
    if match and int(match[1], 16) != binascii.crc32(data[: match.start()]):
        raise ContractError(f"{where}: its bytes differ from those that were written ({_SUM_KEY}); write it again")
    has_sum = match is not None
    try:
        value = parse_json(data)
        if b"\\u" in data:  # only an escape can encode an unpaired surrogate
            json_bytes(value)
    except ContractError as error:
        raise ContractError(f"{where}: {error}") from error
    if not isinstance(value, dict):
        kind = {list: "a list", str: "a string", type(None): "null"}.get(type(value), "a number")
        raise ContractError(f"{where}: not a JSON object but {kind}; publish it again")
    if value.pop(_SUM_KEY, None) is not None and not has_sum:
        message = "not the last member as it was written; remove it from changed records"
        raise ContractError(f"{where}.{_SUM_KEY}: {message}")
    if value.pop(_WRITER_KEY, None) is not None and not has_sum:
        raise ContractError(f"{where}.{_SUM_KEY}: missing, although its writer added one; write it again")
    nodes: list[Any] = [value]
    for _ in range(MAX_DEPTH):  # no recursion, which could overflow Python's stack
        inside = [node.values() if isinstance(node, dict) else node for node in nodes]
        if any(math.inf in members or -math.inf in members for members in inside):
            raise ContractError(f"{where}: a number is not finite, such as 1e999; publish finite numbers only")
        nodes = [member for members in inside for member in members if type(member) in (dict, list)]
    if nodes:
        raise ContractError(f"{where}: nested deeper than {MAX_DEPTH} lists and objects; publish it flatter")
    return value


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Return JSON in UTF-8, indented by 2, with a final newline. Raises ContractError for values such as NaN."""
    try:
        return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise ContractError(f"cannot be written: {error}; publish finite numbers only") from error


def summed_bytes(value: Mapping[str, Any]) -> bytes:
    """Return `json_bytes` with the CRC-32 of all preceding bytes as the last member.

    `json_object` then rejects accidental changes. The checksum is not a signature: an attacker can compute it again.
    """
    before = json_bytes({**value, _WRITER_KEY: _WRITER})[: -len(_END)]
    return before + _SUM % binascii.crc32(before) + _END


def utc_text(moment: datetime) -> str:
    """Return the time in ISO 8601 and UTC, ending in Z. Raises ValueError for a time without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; give datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_json(data: bytes) -> Any:
    """Parse JSON, which can contain infinity only as a number such as 1e999. Raises ContractError."""

    def refuse(constant: str) -> NoReturn:
        raise ContractError(f"{constant} is not JSON; publish finite numbers only")

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse)
    except ContractError:
        raise
    except (ValueError, RecursionError) as error:
        raise ContractError(f"not UTF-8 JSON ({error}); publish it again") from error
