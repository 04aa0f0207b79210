"""Declared records: parsers, writers and errors follow from the annotations of a NamedTuple or a dataclass.

`generation: Annotated[int | None, whole(1, MAX_GENERATION)] = None` is a field with the parser of its member.
A date, a datetime or another record needs no more than its type. A field with a default may be missing or null, and is
not written when it is None or empty. A text after the parser is the member's name, if that differs. `Others` marks the
field with all members that are not declared. A method `check` has the rules about several fields.
"""

import math
import re
import sys
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from functools import cache
from operator import lt
from typing import Any, NamedTuple, TypeVar

from lambda_fn import fields, settings
from lambda_fn.fields import CONTRACT_VERSION, MAX_GENERATION, MAX_LEVELS, MAX_NAME, NEEDED_LEVELS, ContractError

T = TypeVar("T")
Parser = Callable[[Any], Any]  # returns what a record contains for a JSON value, or raises Invalid
Parsers = Mapping[str, Parser]
NONE: Parsers = {}


class Invalid(Exception):
    """A value is invalid: the path to it, such as ".champion.size", and what is wrong."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path, self.message = path, message

    @classmethod
    def of(cls, value: Any, requirement: str, verb: str = "is") -> "Invalid":
        return cls("", f"{verb} {str(value)[:60]!r}; it must be {requirement}")

    def within(self, place: str) -> "Invalid":
        return Invalid(place + self.path, self.message)


class Others(NamedTuple):
    """Marks the field with the members that are neither declared nor in `ignored`."""

    ignored: tuple[str, ...] = ()


def parse(record: type[T], members: Any, where: str) -> T:
    """Make a record. Raises ContractError with the path to what is invalid, which begins with `where`."""
    declared: Any = record
    parsed: T = parse_as(record_of(declared), members, where)
    return parsed


def parse_as(parser: Callable[[Any], T], value: Any, where: str) -> T:
    """Parse a value. Raises ContractError as `parse` does."""
    try:
        return parser(value)
    except Invalid as fault:
        raise ContractError(f"{where}{fault.path}: {fault.message}") from None


def read_object(data: bytes, where: str, required: Parsers) -> dict[str, Any]:
    """Return these members of a JSON object, such as a response. Raises ContractError."""
    return parse_as(object_of(required), fields.json_object(data, where), where)


def keyed_object(data: bytes, where: str, **key: str) -> dict[str, Any]:
    """Return the members of a record of this version; `key` are those that its key in the store contains too.

    A record under another key is another record. Raises ContractError.
    """
    members = fields.json_object(data, where)
    check_version(members, where)
    for name, expected in key.items():
        value = parse_as(object_of({name: TEXT}), members, where)[name]
        if value != expected:
            message = f"{value[:60]!r} differs from {expected} in the key of the record; write it again"
            raise ContractError(f"{where}.{name}: {message}")
    return members


def check_version(members: Mapping[str, Any], where: str) -> None:
    """Check `contract_version`, before other members, which may differ in another version. Raises ContractError."""
    version = parse_as(object_of({"contract_version": TEXT}), members, where)["contract_version"]
    if version != CONTRACT_VERSION:
        message = f"this code supports version {CONTRACT_VERSION}, not {version}; deploy newer code first"
        raise ContractError(f"{where}.contract_version: {message}")


def dump(record: Any) -> dict[str, Any]:
    """Return the members of a record as JSON types, in the order of its fields."""
    declaration = _read_declaration(record.__class__)
    members = {name: _to_json(getattr(record, field)) for name, field in declaration.names.items()}
    optional = declaration.optional
    present = {name: value for name, value in members.items() if name not in optional or value not in (None, {}, [])}
    return {**present, **getattr(record, declaration.others)} if declaration.others else present


def _to_json(value: Any) -> Any:
    """Return JSON types. Lists are returned as they are, because those of records have only numbers."""
    match value:
        case datetime():
            return fields.utc_text(value)
        case date():
            return value.isoformat()
        case tuple():
            return [_to_json(item) for item in value]
        case dict():
            return {name: _to_json(item) for name, item in value.items()}
    return dump(value) if hasattr(value, "__dataclass_fields__") else value


class _Declaration(NamedTuple):
    """What the annotations of a record declare; `names` are its fields by member."""

    names: dict[str, str]
    required: dict[str, Parser]
    optional: dict[str, Parser]
    others: str = ""
    ignored: tuple[str, ...] = ()


@cache
def _read_declaration(record: Any) -> _Declaration:
    if hasattr(record, "_field_defaults"):  # a NamedTuple
        defaults = {*record._field_defaults}
    else:
        import dataclasses  # imports inspect; the records of a cold GET are NamedTuples

        missing = dataclasses.MISSING
        defaults = {x.name for x in dataclasses.fields(record) if not x.default is x.default_factory is missing}
    declaration = _Declaration({}, {}, {})
    for field, annotation in record.__annotations__.items():
        declared, *rename = getattr(annotation, "__metadata__", (annotation,))
        if isinstance(declared, Others):
            declaration = declaration._replace(others=field, ignored=declared.ignored)
        else:
            name = rename[0] if rename else field
            declaration.names[name] = field
            (declaration.optional if field in defaults else declaration.required)[name] = _parser_of(declared)
    return declaration


def _parser_of(declared: Any) -> Parser:
    """Return the parser that an annotation declares: itself, or that of a date, a datetime or a record, or None."""
    [declared, *_] = getattr(declared, "__args__", (declared,))
    return BY_TYPE.get(declared) or (record_of(declared) if isinstance(declared, type) else declared)


@cache
def record_of(record: Any) -> Parser:
    """Return the parser of a record, a NamedTuple or a dataclass."""
    declaration = _read_declaration(record)
    parse_members, names = object_of(declaration.required, declaration.optional), declaration.names
    declared, check = {*names, *declaration.ignored}, getattr(record, "check", None)

    def parse_record(value: Any) -> Any:
        members = {names[name]: member for name, member in parse_members(value).items()}
        if declaration.others:
            members[declaration.others] = {name: member for name, member in value.items() if name not in declared}
        parsed = record(**members)
        if check:
            check(parsed)
        return parsed

    return parse_record


def object_of(required: Parsers, optional: Parsers = NONE, keep: bool = False) -> Callable[[Any], dict[str, Any]]:
    """Return a parser of objects, which returns these members, or the object as it is if `keep`."""

    def parse_object(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not (value or required or optional):
            raise Invalid.of(value, "an object that is not empty")
        members, name = {}, ""
        try:
            for name, parser in required.items():
                if (member := value.get(name)) is None:
                    raise Invalid("", "missing; publish it again")
                members[name] = parser(member)
            for name, parser in optional.items():
                if (member := value.get(name)) is not None:
                    members[name] = parser(member)
        except Invalid as fault:
            raise fault.within(f".{name}") from None
        return value if keep else members

    return parse_object


def map_of(item: Parser | type, special: Parsers = NONE, allow_empty: bool = False) -> Parser:
    """Return a parser of objects with any members; those in `special` have their own parsers."""
    parse_item, requirement = _parser_of(item), "an object" if allow_empty else "an object that is not empty"

    def parse_map(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not (value or allow_empty):
            raise Invalid.of(value, requirement)
        members, name = {}, ""
        try:
            for name, member in value.items():
                members[name] = special.get(name, parse_item)(member)
        except Invalid as fault:
            raise fault.within(f".{name}") from None
        return members

    return parse_map


def list_of(item: Parser | type, max_count: int = sys.maxsize, allow_empty: bool = False) -> Parser:
    """Return a parser of lists, as tuples."""
    parse_item, requirement = _parser_of(item), "a list" if allow_empty else "a list that is not empty"

    def parse_list(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not (value or allow_empty):
            raise Invalid.of(value, requirement)
        if len(value) > max_count:
            raise Invalid("", f"has {len(value)} entries, at most {max_count} are allowed")
        items: list[Any] = []
        try:
            for member in value:
                items.append(parse_item(member))
        except Invalid as fault:
            raise fault.within(f"[{len(items)}]") from None
        return tuple(items)

    return parse_list


def text(pattern: str | re.Pattern[str], requirement: str, is_line: bool = False) -> Callable[[Any], str]:
    """Return a parser of strings that match the pattern and, if `is_line`, have no control characters."""
    matches = re.compile(pattern).fullmatch

    def parse_text(value: Any) -> str:
        if not isinstance(value, str) or not matches(value) or (is_line and not value.isprintable()):
            raise Invalid.of(value, requirement)
        return value

    return parse_text


def line(max_length: int) -> Callable[[Any], str]:
    """Return a parser of one line of text."""
    return text(f"(?s).{{1,{max_length}}}", f"a string of one line of at most {max_length} characters", is_line=True)


def converted(convert: Callable[[str], T], requirement: str) -> Callable[[Any], T]:
    """Return a parser that converts strings; `convert` raises ValueError for invalid ones."""

    def parse_converted(value: Any) -> T:
        try:
            return convert(TEXT(value))
        except ValueError:
            raise Invalid.of(value, requirement) from None

    return parse_converted


def number(low: float, high: float, requirement: str = "", types: Collection[type] = (int, float)) -> Parser:
    """Return a parser of numbers from `low` to `high`, which `requirement` describes, of these types; none is bool."""
    requirement = requirement or f"a number from {low:g} to {high:g}"

    def parse_number(value: Any) -> Any:
        if type(value) not in types or not low <= value <= high:
            raise Invalid.of(value, requirement)
        return value

    return parse_number


def whole(low: int, high: int) -> Parser:
    """Return a parser of integers from `low` to `high`."""
    return number(low, high, f"a whole number from {low} to {high}", (int,))


def numbers(low: float, high: float, requirement: str, types: Collection[type] = (int, float)) -> Parser:
    """Return a parser of lists of such numbers that are not empty, which is fast for long lists."""
    valid = frozenset(types)

    def parse_numbers(value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise Invalid.of(value, "a list that is not empty")
        is_valid = valid.issuperset(map(type, value)) and low <= min(value) and max(value) <= high
        if not is_valid or not all(map(math.isfinite, value)):  # min and max may miss NaN
            odd = next(item for item in value if type(item) not in valid or not low <= item <= high)
            raise Invalid.of(odd, requirement, "has")
        return value

    return parse_numbers


def parse_rows(value: Any) -> list[list[float]]:
    """Parse a list of rows of numbers, all of one length."""
    if not isinstance(value, list) or not value or not all(isinstance(row, list) for row in value):
        raise Invalid.of(value, "a list of rows")
    if len({*map(len, value)}) > 1:
        raise Invalid.of(value, "a list of rows of equal length")
    return [parse_numbers(row) for row in value]


def parse_levels(value: Any) -> tuple[float, ...]:
    """Parse quantile levels: ascending within (0, 1), with NEEDED_LEVELS among them."""
    levels = tuple(parse_numbers(value))
    if len(levels) > MAX_LEVELS:
        raise Invalid("", f"has {len(levels)} entries, at most {MAX_LEVELS} are allowed")
    if not all(map(lt, (0, *levels), (*levels, 1))) or not {*NEEDED_LEVELS} <= {*levels}:
        raise Invalid.of(value, f"ascending within (0, 1) with {', '.join(map(str, NEEDED_LEVELS))} among them")
    return levels


def parse_scores(value: Any) -> tuple[dict[str, Any], ...]:
    """Parse the rows of a score table, whose members are names and numbers."""
    return SCORE_ROWS(value) if value else ()


def parse_label(value: Any) -> str:
    """Parse a name, or an integer as a name."""
    return NAME(str(value) if type(value) is int else value)


def _parse_score(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else (NAME if isinstance(value, str) else SCORE)(value)


def _parse_moment(value: str) -> datetime:
    if not value.endswith("Z"):
        raise ValueError(value)
    return datetime.fromisoformat(value)


# A name must not start with a sign that begins a formula (= + - @), nor contain control characters, quotes or brackets.
NAME_PATTERN = rf"\w[\w .,:;+*/%^@()=-]{{0,{MAX_NAME - 1}}}"
TEXT = text("(?s).+", "a string that is not empty")
NAME = text(NAME_PATTERN, f"a string of up to {MAX_NAME} characters, the first a letter or digit")
PAIR = text("[A-Z]{6}", "six capital letters such as EURUSD")
SOURCE = text("[a-z][a-z0-9_]{0,19}", "up to 20 lower-case letters, such as ecb or csv")
SHA256 = text("[0-9a-f]{64}", "a sha256: 64 hexadecimal digits in lower case")
KEY = text(settings.KEY, "a key such as models/champions/x.onnx")
STACK = text(settings.STACK, settings.STACK_RULE)
GENERATION = whole(1, MAX_GENERATION)
parse_numbers = numbers(-fields.LARGEST_FLOAT, fields.LARGEST_FLOAT, "a finite number")
NUMBER = number(-fields.LARGEST_FLOAT, fields.LARGEST_FLOAT, "a finite number")
PRICE = number(5e-324, fields.LARGEST, f"a price, above zero and at most {fields.LARGEST:g}")
SCORE = number(-fields.LARGE, fields.LARGE)
DAY = converted(date.fromisoformat, "an ISO date such as 2026-10-30")
MOMENT = converted(_parse_moment, "a time in UTC such as 2026-10-30T16:00:00Z")
BY_TYPE: dict[Any, Parser] = {date: DAY, datetime: MOMENT}
SCORE_ROWS = list_of(map_of(_parse_score, allow_empty=True))
