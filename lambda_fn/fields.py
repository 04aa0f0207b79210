"""Fields of what was read from JSON, checked one by one; every error names the field and the cure."""

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")
_MAX = sys.float_info.max  # JSON's whole numbers can be beyond it
PAIR = re.compile("[A-Z]{6}"), "six capitals such as EURUSD"
SOURCE = re.compile("[a-z][a-z0-9_]*"), "lower-case letters, such as ecb or csv"
KEY = re.compile(r"(?!(.*/)?\.{1,2}(/|$))[\w.=@+-]+(/[\w.=@+-]+)*", re.ASCII), "a key such as models/champions/x.onnx"
SHA256 = re.compile("[0-9a-f]{64}"), "a sha256: 64 hexadecimal digits in lower case"


class ContractError(ValueError):
    """What was published does not keep the contract; the message names the field and the cure."""


def json_object(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `data`; raises ContractError, also for NaN and infinity, which are no JSON."""
    found = _json(data, where)
    if not isinstance(found, dict):
        raise ContractError(f"{where}: not a JSON object but {_kind(found)}; publish it again")
    return found


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """UTF-8, indented by 2, a newline at the end; raises ContractError for NaN and infinity."""
    try:
        return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()
    except ValueError as error:
        raise ContractError(f"cannot be written: {error}; publish finite numbers only") from error


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

    def label(self, name: str) -> str:
        """A text, or a whole number as a text."""
        value = self._value(name)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text(name)

    def matching(self, name: str, rule: tuple[re.Pattern[str], str]) -> str:
        pattern, words = rule
        value = self.text(name)
        if not pattern.fullmatch(value):
            raise self._wrong(name, words)
        return value

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

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._value(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, "a list of texts")
        return tuple(value)

    def number(self, name: str) -> float:
        return self._number(name, self._value(name))

    def numbers(self, name: str) -> list[float]:
        return [self._number(name, item) for item in self._list(name)]

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

    def levels(self, name: str, needed: tuple[float, ...]) -> tuple[float, ...]:
        """Probabilities within (0, 1), ascending, `needed` among them."""
        levels = tuple(self.numbers(name))
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


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
