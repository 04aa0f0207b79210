"""Declared records: what is read and written follows from the annotations, for NamedTuples and dataclasses alike."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Any, NamedTuple

import pytest

from lambda_fn.contract import Pointer
from lambda_fn.fields import ContractError
from lambda_fn.record.official_forecast import Entry, Official, return_sd
from lambda_fn.store import schema
from lambda_fn.store.schema import Invalid
from tests.support import records


class Tuple(NamedTuple):
    first: Annotated[int, schema.whole(1, 9)]
    day: date
    moment: datetime | None = None
    second: Annotated[int, schema.whole(1, 9), "last"] = 9
    items: Annotated[tuple[str, ...], schema.list_of(schema.NAME)] = ()

    def check(self) -> None:
        if self.first > self.second:
            raise Invalid(".first", f"above {self.second}; give less")


@dataclass(frozen=True)
class Class:
    first: Annotated[int, schema.whole(1, 9)]
    inner: Tuple | None = None
    others: Annotated[dict[str, Any], schema.Others(("ignored",))] = field(default_factory=dict)


DAY, MOMENT = date(2026, 10, 30), datetime(2026, 10, 30, 16, tzinfo=UTC)
MEMBERS: dict[str, Any] = {"first": 1, "day": "2026-10-30"}


@pytest.mark.parametrize(
    ("more", "record"),
    [
        ({}, Tuple(1, DAY)),
        ({"moment": None, "last": None, "items": None}, Tuple(1, DAY)),
        ({"last": 2, "unknown": 1}, Tuple(1, DAY, second=2)),
        ({"moment": "2026-10-30T16:00:00Z", "items": ["a"]}, Tuple(1, DAY, MOMENT, items=("a",))),
    ],
)
def test_members_that_have_a_default_may_be_missing_or_null(more: dict[str, Any], record: Tuple) -> None:
    assert schema.parse(Tuple, MEMBERS | more, "record") == record


def test_a_record_is_written_in_the_order_of_its_fields_without_what_is_empty() -> None:
    assert list(schema.dump(Tuple(1, DAY)).items()) == [*MEMBERS.items(), ("last", 9)]
    assert schema.dump(Tuple(1, DAY, MOMENT, items=("a",))) == {
        **MEMBERS,
        "moment": "2026-10-30T16:00:00Z",
        "last": 9,
        "items": ["a"],
    }


def test_other_members_are_kept() -> None:
    members = {"first": 1, "more": [1], "ignored": 2}
    record = schema.parse(Class, members, "record")
    assert record == Class(1, others={"more": [1]})
    assert schema.dump(record) == {"first": 1, "more": [1]}


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({}, "record.first"),
        ({"first": 10}, "record.first"),
        ({"first": 1, "inner": {}}, "record.inner.first"),
        ({"first": 1, "inner": MEMBERS | {"last": 0}}, "record.inner.last"),
        ({"first": 1, "inner": MEMBERS | {"items": ["a", "<"]}}, "record.inner.items[1]"),
        ({"first": 1, "inner": MEMBERS | {"items": []}}, "record.inner.items"),
        ({"first": 1, "inner": MEMBERS | {"first": 3, "last": 2}}, "record.inner.first"),
        ({"first": 1, "inner": 1}, "record.inner"),
    ],
)
def test_an_error_names_the_whole_path(members: dict[str, Any], place: str) -> None:
    with pytest.raises(ContractError) as error:
        schema.parse(Class, members, "record")
    assert str(error.value).startswith(f"{place}: ")


PARSERS: dict[str, tuple[schema.Parser, list[Any]]] = {
    "numbers": (schema.numbers(0, 9, "a digit"), [{}, [], [10], [1.0, float("nan")], ["1"], [True]]),
    "rows": (schema.parse_rows, [{}, [], [1], [[1.0], [1.0, 2.0]], [[]], [["1"]]]),
    "list": (schema.list_of(schema.NAME), [{}, [], {"a": "a"}, "a", ["<"]]),
    "list that may be empty": (schema.list_of(schema.NAME, allow_empty=True), [{}, "a", ["<"]]),
    "map": (schema.map_of(schema.NAME), [[], {}, ["a"], {"a": "<"}]),
    "object": (schema.object_of({}), [[], {}]),
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_value_of_another_type_is_invalid(name: str) -> None:
    parser, odd = PARSERS[name]
    for value in (None, 5, 0.5, True, "text", *odd):
        with pytest.raises(Invalid):
            parser(value)


def test_an_entry_of_the_ledger_is_declared_like_the_forecast_that_it_repeats() -> None:
    shared = set(Entry._fields) & set(Official._fields)
    assert set(Entry._fields) - shared == {"kind", "family", "sha256"}
    assert {Entry.__annotations__[name] == Official.__annotations__[name] for name in shared} == {True}


def test_every_field_of_the_declared_records_is_written_and_read() -> None:
    official = records.official()._replace(notes=("a",), failure_reason="b", blocked_generation=2)
    official = official._replace(failed_generation=2, reason="c")
    official = official._replace(sd=[return_sd(official, day) for day in range(1, len(official.days) + 1)])
    assert Official.parse(official.to_json(), official.pair) == official
    assert len(schema.dump(official)) == len(Official._fields)
    assert {"withheld", "suspended"} <= schema.dump(official).keys()
    assert "extra" not in schema.dump(Pointer("a", "b", "1", "models:/b/1"))
