"""Read and check the fields of JSON objects; every error names the field and the cure."""

import binascii
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, TypeVar

from lambda_fn import settings

T = TypeVar("T")
# The version and the bounds of the contract are here because records are read without the classes of the contract.
CONTRACT_VERSION = "1"
MAX_GENERATION = 99_999_999
MAX_HORIZON = 60  # business days
MAX_LEVELS = 101
NEEDED_LEVELS = (0.025, 0.5, 0.975)
MAX_DEPTH = 20  # of nested lists and objects; the contract itself needs five
MAX_NAME = 100  # characters
LARGE = 1e9  # the largest score; a larger number would overflow in a chart
LARGEST = 1e100  # the largest price; products of larger numbers could overflow
_MAX = sys.float_info.max  # integers in JSON can be larger
# It must not start with a sign that begins a formula (= + - @), nor contain control characters, quotes or brackets.
NAME = (
    re.compile(rf"\w[\w .,:;+*/%^@()=-]{{0,{MAX_NAME - 1}}}"),
    f"up to {MAX_NAME} characters, the first a letter or digit",
)
PAIR = re.compile("[A-Z]{6}"), "six capital letters such as EURUSD"
SOURCE = re.compile("[a-z][a-z0-9_]{0,19}"), "up to 20 lower-case letters, such as ecb or csv"
KEY = settings.KEY, "a key such as models/champions/x.onnx"
STACK = settings.STACK, settings.STACK_RULE
SHA256 = re.compile("[0-9a-f]{64}"), "a sha256: 64 hexadecimal digits in lower case"
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
    """Parse a JSON object of at most `max_bytes` bytes.

    Raises ContractError, also for values that cannot be written back: NaN and infinity, which are not JSON, unpaired
    surrogates, and values nested deeper than MAX_DEPTH.
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise ContractError(f"{where}: {len(data):,} bytes, at most {max_bytes:,} are allowed; publish a smaller one")
    has_sum = _check_sum(data, where)
    value = _parse_json(data, where)
    if not isinstance(value, dict):
        kind = {list: "a list", str: "a string", type(None): "null"}.get(type(value), "a number")
        raise ContractError(f"{where}: not a JSON object but {kind}; publish it again")
    if value.pop(_SUM_KEY, None) is not None and not has_sum:
        message = "not the last member as it was written; remove it from changed records"
        raise ContractError(f"{where}.{_SUM_KEY}: {message}")
    if value.pop(_WRITER_KEY, None) is not None and not has_sum:
        raise ContractError(f"{where}.{_SUM_KEY}: missing, although its writer added one; write it again")
    _check_depth(value, where)
    if b"\\u" in data:  # only an escape can encode an unpaired surrogate
        try:
            json_bytes(value)
        except ContractError as error:
            raise ContractError(f"{where}: {error}") from error
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


def _check_sum(data: bytes, where: str) -> bool:
    """Return whether the data has a checksum. Raises ContractError when it does not match."""
    match = _SUMMED.search(data, max(len(data) - _SUM_BYTES, 0))
    if match and int(match[1], 16) != binascii.crc32(data[: match.start()]):
        raise ContractError(f"{where}: its bytes differ from those that were written ({_SUM_KEY}); write it again")
    return match is not None


def utc_text(moment: datetime) -> str:
    """Return the time in ISO 8601 and UTC, ending in Z. Raises ValueError for a time without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; give datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Reader:
    """Reads the members of one object. Each method raises ContractError when the member is missing or invalid."""

    def __init__(self, members: Mapping[str, Any], where: str) -> None:
        self.members = members
        self.where = where  # the name of the object in errors

    def required(self, name: str, read: Callable[[str], T]) -> T:
        return read(name)

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """Read a member, or return None when it is absent or null."""
        return None if self.members.get(name) is None else read(name)

    def nested_json(self, name: str) -> "Reader":
        """Return a reader of the JSON in this member, a string."""
        return Reader({name: _parse_json(self.text(name).encode(), f"{self.where}.{name}")}, self.where)

    def text(self, name: str) -> str:
        """Read a string that is not empty."""
        value = self._value(name)
        if not isinstance(value, str) or not value:
            raise self._invalid(name, "a string that is not empty")
        return value

    def name(self, name: str) -> str:
        """Read a name that is safe to show in answers, logs, terminals and tables."""
        return self.matching(name, NAME)

    def line(self, name: str, max_length: int = MAX_NAME) -> str:
        """Read one line of text without control characters, of at most `max_length` characters."""
        value = self.text(name)
        if len(value) > max_length or not value.isprintable():
            raise self._invalid(name, f"a string of one line of at most {max_length} characters")
        return value

    def label(self, name: str) -> str:
        """Read a name, or an integer as a name."""
        value = self._value(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return Reader({name: str(value)}, self.where).name(name)
        return self.name(name)

    def matching(self, name: str, rule: tuple[re.Pattern[str], str]) -> str:
        """Read a string that matches the pattern; `rule` has the pattern and its description."""
        pattern, description = rule
        value = self.text(name)
        if not pattern.fullmatch(value):
            raise self._invalid(name, description)
        return value

    def same(self, name: str, expected: str) -> str:
        """Read a string that the key of the record contains too: a record under another key is another record."""
        value = self.text(name)
        if value != expected:
            message = f"{value[:60]!r} differs from {expected} in the key of the record; write it again"
            raise ContractError(f"{self.where}.{name}: {message}")
        return value

    def texts(self, name: str, max_count: int) -> tuple[str, ...]:
        """Read a list of at most `max_count` strings."""
        value = self._list(name)
        if not all(isinstance(item, str) for item in value):
            raise self._invalid(name, "a list of strings")
        if len(value) > max_count:
            raise self._too_many(name, len(value), max_count)
        return tuple(value)

    def version(self, name: str, supported: str) -> str:
        """Read the version of the format, which must be `supported`."""
        value = self.text(name)
        if value != supported:
            message = f"this code supports version {supported}, not {value}; deploy newer code first"
            raise ContractError(f"{self.where}.{name}: {message}")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        """Read an integer from `low` to `high`."""
        value = self._value(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._invalid(name, f"a whole number from {low} to {high}")
        return value

    def day(self, name: str) -> date:
        """Read an ISO date."""
        text = self.text(name)
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise self._invalid(name, "an ISO date such as 2026-10-30") from error

    def moment(self, name: str) -> datetime:
        """Read a time in UTC, ISO 8601 with a final Z."""
        text = self.text(name)
        try:
            if not text.endswith("Z"):
                raise ValueError(text)
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise self._invalid(name, "a time in UTC such as 2026-10-30T16:00:00Z") from error

    def object(self, name: str) -> "Reader":
        """Return a reader of this member, an object that is not empty."""
        value = self._value(name)
        if not isinstance(value, dict) or not value:
            raise self._invalid(name, "an object that is not empty")
        return Reader(value, f"{self.where}.{name}")

    def objects(self, name: str) -> list["Reader"]:
        """Return the readers of this member, a list of objects that is not empty."""
        value = self._list(name)
        if not all(isinstance(row, dict) for row in value):
            raise self._invalid(name, "a list of objects")
        return [Reader(row, f"{self.where}.{name}[{i}]") for i, row in enumerate(value)]

    def scores(self, name: str) -> tuple[dict[str, Any], ...]:
        """Read the rows of a score table, whose members are names and numbers; there are none if it is missing."""
        rows = self.objects(name) if self.members.get(name) else []
        for row in rows:
            for member, value in row.members.items():
                if isinstance(value, str):
                    row.name(member)
                elif not isinstance(value, bool | None):
                    row.within(member, -LARGE, LARGE)
        return tuple(dict(row.members) for row in rows)

    def names(self, name: str, max_count: int) -> tuple[str, ...]:
        """Read a list of at most `max_count` names; it may be empty."""
        value, (pattern, description) = self._value(name), NAME
        if not isinstance(value, list) or not all(isinstance(item, str) and pattern.fullmatch(item) for item in value):
            raise self._invalid(name, f"a list of strings, each {description}")
        if len(value) > max_count:
            raise self._too_many(name, len(value), max_count)
        return tuple(value)

    def number(self, name: str) -> float:
        """Read a finite number."""
        return self._number(name, self._value(name))

    def within(self, name: str, low: float, high: float) -> float:
        """Read a number from `low` to `high`."""
        value = self.number(name)
        if not low <= value <= high:
            raise self._invalid(name, f"a number from {low:g} to {high:g}")
        return value

    def price(self, name: str) -> float:
        """Read a number above zero and at most LARGEST."""
        value = self.number(name)
        if not 0 < value <= LARGEST:
            raise self._invalid(name, f"a price, above zero and at most {LARGEST:g}")
        return value

    def numbers(self, name: str) -> list[float]:
        """Read a list of finite numbers that is not empty."""
        return [self._number(name, item) for item in self._list(name)]

    def days(self, name: str, low: int, high: int) -> list[float]:
        """Read a list of whole days since 1970-01-01, each from `low` to `high`."""
        for value in self._list(name):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ContractError(
                    f"{self.where}.{name}: has {str(value)[:60]!r}; it must be days from {low} to {high}"
                )
        return list(self.members[name])

    def rows(self, name: str) -> list[list[float]]:
        """Read a table: rows of numbers, all of one length."""
        value = self._list(name)
        if not all(isinstance(row, list) and len(row) == len(value[0]) for row in value):
            raise self._invalid(name, "a list of rows of equal length")
        return [[self._number(name, item) for item in row] for row in value]

    def numbers_by_name(self, name: str) -> dict[str, float]:
        """Read an object whose members are finite numbers."""
        value = self._value(name)
        if not isinstance(value, dict):
            raise self._invalid(name, "an object of numbers")
        return {key: self._number(f"{name}.{key}", item) for key, item in value.items()}

    def levels(self, name: str, needed: tuple[float, ...], max_count: int) -> tuple[float, ...]:
        """Read at most `max_count` quantile levels within (0, 1), ascending, that include those `needed`."""
        levels = tuple(self.numbers(name))
        if len(levels) > max_count:
            raise self._too_many(name, len(levels), max_count)
        is_within = all(0 < level < 1 for level in levels)
        is_ascending = all(low < high for low, high in pairwise(levels))
        if not (is_within and is_ascending and set(needed) <= set(levels)):
            raise self._invalid(name, f"ascending within (0, 1) with {', '.join(map(str, needed))} among them")
        return levels

    def _value(self, name: str) -> Any:
        if self.members.get(name) is None:
            raise ContractError(f"{self.where}.{name}: missing; publish it again")
        return self.members[name]

    def _list(self, name: str) -> list[Any]:
        value = self._value(name)
        if not isinstance(value, list) or not value:
            raise self._invalid(name, "a list that is not empty")
        return value

    def _number(self, name: str, value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not -_MAX <= value <= _MAX:
            raise ContractError(f"{self.where}.{name}: has {str(value)[:60]!r}; it must be a finite number")
        return value

    def _too_many(self, name: str, count: int, max_count: int) -> ContractError:
        return ContractError(f"{self.where}.{name}: has {count} entries, at most {max_count} are allowed")

    def _invalid(self, name: str, requirement: str) -> ContractError:
        return ContractError(f"{self.where}.{name}: is {str(self.members[name])[:60]!r}; it must be {requirement}")


def _parse_json(data: bytes, where: str) -> Any:
    """Parse JSON. Raises ContractError, also for NaN and infinity."""

    def parse_finite(text: str) -> float:
        if math.isinf(number := float(text)):
            raise ContractError(f"{where}: {text} is not finite; publish finite numbers only")
        return number

    def refuse(constant: str) -> None:
        raise ContractError(f"{where}: {constant} is not JSON; publish finite numbers only")

    try:
        return json.loads(data.decode("utf-8"), parse_float=parse_finite, parse_constant=refuse)
    except ContractError:
        raise
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{where}: not UTF-8 JSON ({error}); publish it again") from error


def _check_depth(value: dict[str, Any], where: str) -> None:
    """Raise ContractError for deep nesting. No recursion, which would overflow Python's stack."""
    inside: list[dict[str, Any] | list[Any]] = [value]
    for _ in range(MAX_DEPTH):
        members = [node.values() if isinstance(node, dict) else node for node in inside]
        inside = [member for values in members for member in values if isinstance(member, dict | list)]
        if not inside:
            return
    raise ContractError(f"{where}: nested deeper than {MAX_DEPTH} lists and objects; publish it flatter")
