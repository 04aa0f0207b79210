"""Fields of what was read from JSON, checked one by one; every error names the field and the cure."""

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
# The version of the contract and the bounds of what it describes; here, as records are read without its classes.
CONTRACT_VERSION = "1"
MAX_GENERATION = 99_999_999
MAX_HORIZON = 60  # business days
MAX_LEVELS = 101
NEEDED_LEVELS = (0.025, 0.5, 0.975)
MAX_DEPTH = 20  # of lists and objects within each other; what the contract names needs five
MAX_NAME = 100  # characters
LARGE = 1e9  # of a score: a larger number would overflow in a chart
LARGEST = 1e100  # of a price: products of larger numbers could overflow
_MAX = sys.float_info.max  # JSON's whole numbers can be beyond it
# No sign of a formula at the start (= + - @), and no control character, quote or bracket anywhere.
NAME = (
    re.compile(rf"\w[\w .,:;+*/%^@()=-]{{0,{MAX_NAME - 1}}}"),
    f"up to {MAX_NAME} characters, the first a letter or digit",
)
PAIR = re.compile("[A-Z]{6}"), "six capitals such as EURUSD"
SOURCE = re.compile("[a-z][a-z0-9_]{0,19}"), "up to 20 lower-case letters, such as ecb or csv"
KEY = settings.KEY, "a key such as models/champions/x.onnx"
STACK = settings.STACK, settings.STACK_RULE
SHA256 = re.compile("[0-9a-f]{64}"), "a sha256: 64 hexadecimal digits in lower case"
# The sum of a record is its last member, so that it is found and left out without parsing.
_SUM_KEY = "crc32"
# The version of the writer: records of earlier ones, which had no sum, lack this member.
_WRITER_KEY, _WRITER = "writer", 2
_END = b"\n}\n"
_SUM = b',\n  "crc32": "%08x"'
_SUMMED = re.compile(rb',\n  "crc32": "([0-9a-f]{8})"\n}\n\Z')
_SUM_BYTES = len(_SUM % 0 + _END)


class ContractError(ValueError):
    """What was published does not keep the contract; the message names the field and the cure."""


def json_object(data: bytes, where: str, most: int | None = None) -> dict[str, Any]:
    """The JSON object in `data`, at most `most` bytes; raises ContractError, also for what could not be written back:
    NaN and infinity, which are no JSON, halves of a character, and what is nested deeper than MAX_DEPTH."""
    if most is not None and len(data) > most:
        raise ContractError(f"{where}: {len(data):,} bytes, at most {most:,} are allowed; publish a smaller one")
    checked = _check_sum(data, where)
    found = _json(data, where)
    if not isinstance(found, dict):
        raise ContractError(f"{where}: not a JSON object but {_kind(found)}; publish it again")
    if found.pop(_SUM_KEY, None) is not None and not checked:
        raise ContractError(
            f"{where}.{_SUM_KEY}: not the last member as it was written; leave it out of what you change"
        )
    if found.pop(_WRITER_KEY, None) is not None and not checked:
        raise ContractError(f"{where}.{_SUM_KEY}: missing, although its writer added one; write it again")
    _check_depth(found, where)
    if b"\\u" in data:  # the only way to half of a pair that makes one character
        try:
            json_bytes(found)
        except ContractError as error:
            raise ContractError(f"{where}: {error}") from error
    return found


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """UTF-8, indented by 2, a newline at the end; raises ContractError for what is no JSON, such as NaN."""
    try:
        return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise ContractError(f"cannot be written: {error}; publish finite numbers only") from error


def summed_bytes(value: Mapping[str, Any]) -> bytes:
    """As `json_bytes`, with a CRC-32 of all that is before it as the last member: `json_object` refuses it when bytes
    were changed on the way. It is no signature; who writes on purpose can make it anew."""
    before = json_bytes({**value, _WRITER_KEY: _WRITER})[: -len(_END)]
    return before + _SUM % binascii.crc32(before) + _END


def _check_sum(data: bytes, where: str) -> bool:
    """Whether it has a sum; raises ContractError when that is of other bytes."""
    found = _SUMMED.search(data, max(len(data) - _SUM_BYTES, 0))
    if found and int(found[1], 16) != binascii.crc32(data[: found.start()]):
        raise ContractError(f"{where}: its bytes are not those that were written ({_SUM_KEY}); write it again")
    return found is not None


def record_bytes(
    record: T, value: Mapping[str, Any], parse: Callable[[bytes], T], write: Callable[[Mapping[str, Any]], bytes]
) -> bytes:
    """The bytes of a record, whose JSON types are `value`: the one way to what is written to the store.

    Raises ContractError unless `parse` gives the same record back, so that nothing is written that cannot be read.
    """
    data = write(value)
    if parse(data) != record:
        kind = type(record).__name__.lower()
        raise ContractError(f"{kind}: cannot be written, as it would be read back as another; publish it again")
    return data


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC, ending in Z; raises ValueError for a moment without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; give datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Reader:
    """Reads the fields of one object; each method raises ContractError when the field is missing or wrong."""

    def __init__(self, found: Mapping[str, Any], where: str) -> None:
        self.found = found
        self.where = where

    def required(self, name: str, read: Callable[[str], T]) -> T:
        return read(name)

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """None when the field is absent or null."""
        return None if self.found.get(name) is None else read(name)

    def decoded(self, name: str) -> "Reader":
        """This field, a string, read as JSON."""
        return Reader({name: _json(self.text(name).encode(), f"{self.where}.{name}")}, self.where)

    def text(self, name: str) -> str:
        value = self._value(name)
        if not isinstance(value, str) or not value:
            raise self._wrong(name, "a text")
        return value

    def name(self, name: str) -> str:
        """A name: it is shown in answers, logs, terminals and tables, so it holds nothing that acts there."""
        return self.matching(name, NAME)

    def line(self, name: str, most: int = MAX_NAME) -> str:
        """A text of one line without control characters."""
        value = self.text(name)
        if len(value) > most or not value.isprintable():
            raise self._wrong(name, f"a text of one line of at most {most} characters")
        return value

    def label(self, name: str) -> str:
        """A name, or a whole number as one."""
        value = self._value(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return Reader({name: str(value)}, self.where).name(name)
        return self.name(name)

    def matching(self, name: str, rule: tuple[re.Pattern[str], str]) -> str:
        pattern, words = rule
        value = self.text(name)
        if not pattern.fullmatch(value):
            raise self._wrong(name, words)
        return value

    def same(self, name: str, expected: str) -> str:
        """What the key of a record says, too: a record under another key is not this one."""
        value = self.text(name)
        if value != expected:
            raise ContractError(f"{self.where}.{name}: is {value[:60]!r}, and its key says {expected}; make it again")
        return value

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        value = self._list(name)
        if not all(isinstance(item, str) for item in value):
            raise self._wrong(name, "a list of texts")
        if len(value) > most:
            raise self._too_many(name, len(value), most)
        return tuple(value)

    def version(self, name: str, known: str) -> str:
        value = self.text(name)
        if value != known:
            raise ContractError(
                f"{self.where}.{name}: this code knows version {known}, not {value}; deploy newer code first"
            )
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        value = self._value(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(name, f"a whole number from {low} to {high}")
        return value

    def day(self, name: str) -> date:
        text = self.text(name)
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise self._wrong(name, "an ISO date such as 2026-10-30") from error

    def moment(self, name: str) -> datetime:
        """A time in UTC."""
        text = self.text(name)
        try:
            if not text.endswith("Z"):
                raise ValueError(text)
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise self._wrong(name, "a time in UTC such as 2026-10-30T16:00:00Z") from error

    def object(self, name: str) -> "Reader":
        value = self._value(name)
        if not isinstance(value, dict) or not value:
            raise self._wrong(name, "an object with fields")
        return Reader(value, f"{self.where}.{name}")

    def objects(self, name: str) -> list["Reader"]:
        value = self._list(name)
        if not all(isinstance(row, dict) for row in value):
            raise self._wrong(name, "a list of objects")
        return [Reader(row, f"{self.where}.{name}[{i}]") for i, row in enumerate(value)]

    def scores(self, name: str) -> tuple[dict[str, Any], ...]:
        """The rows of a score table, whose members are names and numbers; none where it is missing."""
        rows = self.objects(name) if self.found.get(name) else []
        for row in rows:
            for member, value in row.found.items():
                if isinstance(value, str):
                    row.name(member)
                elif not isinstance(value, bool | None):
                    row.within(member, -LARGE, LARGE)
        return tuple(dict(row.found) for row in rows)

    def names(self, name: str, most: int) -> tuple[str, ...]:
        """A list of names."""
        value, (pattern, words) = self._value(name), NAME
        if not isinstance(value, list) or not all(isinstance(item, str) and pattern.fullmatch(item) for item in value):
            raise self._wrong(name, f"a list of texts, each {words}")
        if len(value) > most:
            raise self._too_many(name, len(value), most)
        return tuple(value)

    def number(self, name: str) -> float:
        return self._number(name, self._value(name))

    def within(self, name: str, low: float, high: float) -> float:
        value = self.number(name)
        if not low <= value <= high:
            raise self._wrong(name, f"a number from {low:g} to {high:g}")
        return value

    def price(self, name: str) -> float:
        """A number above zero."""
        value = self.number(name)
        if not 0 < value <= LARGEST:
            raise self._wrong(name, f"a price, above zero and at most {LARGEST:g}")
        return value

    def numbers(self, name: str) -> list[float]:
        return [self._number(name, item) for item in self._list(name)]

    def days(self, name: str, low: int, high: int) -> list[float]:
        """Whole days since 1970-01-01, each from `low` to `high`."""
        for value in self._list(name):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                shown = f"{str(value)[:60]!r}"
                raise ContractError(f"{self.where}.{name}: has {shown}; it must be days from {low} to {high}")
        return list(self.found[name])

    def rows(self, name: str) -> list[list[float]]:
        """A table: rows of numbers, all of one length."""
        value = self._list(name)
        if not all(isinstance(row, list) and len(row) == len(value[0]) for row in value):
            raise self._wrong(name, "a list of rows of one length")
        return [[self._number(name, item) for item in row] for row in value]

    def numbers_by_name(self, name: str) -> dict[str, float]:
        value = self._value(name)
        if not isinstance(value, dict):
            raise self._wrong(name, "an object of numbers")
        return {key: self._number(f"{name}.{key}", item) for key, item in value.items()}

    def levels(self, name: str, needed: tuple[float, ...], most: int) -> tuple[float, ...]:
        """Probabilities within (0, 1), ascending, `needed` among them."""
        levels = tuple(self.numbers(name))
        if len(levels) > most:
            raise self._too_many(name, len(levels), most)
        within = all(0 < level < 1 for level in levels)
        ascending = all(low < high for low, high in pairwise(levels))
        if not (within and ascending and set(needed) <= set(levels)):
            raise self._wrong(name, f"ascending within (0, 1) with {', '.join(map(str, needed))} among them")
        return levels

    def _value(self, name: str) -> Any:
        if self.found.get(name) is None:
            raise ContractError(f"{self.where}.{name}: missing; publish it again")
        return self.found[name]

    def _list(self, name: str) -> list[Any]:
        value = self._value(name)
        if not isinstance(value, list) or not value:
            raise self._wrong(name, "a list that is not empty")
        return value

    def _number(self, name: str, value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not -_MAX <= value <= _MAX:
            raise ContractError(f"{self.where}.{name}: has {str(value)[:60]!r}; it must be a finite number")
        return value

    def _too_many(self, name: str, found: int, most: int) -> ContractError:
        return ContractError(f"{self.where}.{name}: has {found} entries, at most {most} are allowed")

    def _wrong(self, name: str, wanted: str) -> ContractError:
        return ContractError(f"{self.where}.{name}: is {str(self.found[name])[:60]!r}; it must be {wanted}")


def _json(data: bytes, where: str) -> Any:
    def finite(text: str) -> float:
        if math.isinf(number := float(text)):
            raise ContractError(f"{where}: {text} is not finite; publish finite numbers only")
        return number

    def refuse(constant: str) -> None:
        raise ContractError(f"{where}: {constant} is not JSON; publish finite numbers only")

    try:
        return json.loads(data.decode("utf-8"), parse_float=finite, parse_constant=refuse)
    except ContractError:
        raise
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{where}: not UTF-8 JSON ({error}); publish it again") from error


def _check_depth(found: dict[str, Any], where: str) -> None:
    """Level by level: what is nested deeper than Python can walk must not be walked by recursion."""
    inside: list[dict[str, Any] | list[Any]] = [found]
    for _ in range(MAX_DEPTH):
        members = [each.values() if isinstance(each, dict) else each for each in inside]
        inside = [value for values in members for value in values if isinstance(value, dict | list)]
        if not inside:
            return
    raise ContractError(f"{where}: nested deeper than {MAX_DEPTH} lists and objects; publish it flatter")


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
