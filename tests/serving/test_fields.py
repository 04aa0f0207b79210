"""Parsers of fields: what each takes, and what it refuses with the name of the field."""

import json
from datetime import date
from typing import Any

import pytest

from lambda_fn.contract import Pointer
from lambda_fn.fields import ContractError, json_bytes
from lambda_fn.store import schema
from tests.support import foreign

NAN = float("nan")

# The parser of a field, the values that are taken, and those that are refused.
KINDS: dict[str, tuple[schema.Parser, list[Any], list[Any]]] = {
    "text": (schema.TEXT, ["a"], ["", 1, None, ["a"]]),
    "whole": (schema.whole(1, 9), [1, 9], [0, 10, True, 1.5, 2.0, "1", None]),
    "number": (schema.NUMBER, [1, -1.5], [True, False, "1", NAN, 10**400, None]),
    "numbers": (schema.parse_numbers, [[1, 2.5]], [[], [True], ["1"], [NAN], 1, None]),
    "price": (schema.PRICE, [1, 1e-9, 1e100], [0, -1, 1.1e100, 1e103, True]),
    "days": (
        schema.numbers(-5, 5, "days", (int,)),
        [[0, -5, 5]],
        [[], [True], [1.5], [2.0], ["1"], [6], [-6], [None], 1],
    ),
    "object": (schema.object_of({"a": schema.NUMBER}), [{"a": 1}], [{}, [], [1], "a", 1, None]),
    "scores": (
        schema.parse_scores,
        [[], [{"family": "a", "loss": 1e9, "best": True, "skill": None}]],
        [[{"loss": 1.1e9}], [{"loss": -1.1e9}], [{"loss": 1e11}], [{"family": "<b>"}], [[1]], {"a": 1}],
    ),
    "rows": (schema.parse_rows, [[[1, 2], [3, 4]]], [[[1, 2], [3]], [[True]], [1], [], None]),
    "day": (schema.DAY, ["2026-10-30"], ["2026-02-30", "today", 20_000, ""]),
    "moment": (schema.MOMENT, ["2026-10-30T16:00:00Z"], ["2026-10-30T16:00:00", "now", 1]),
}


@pytest.mark.parametrize(
    ("kind", "position"), [(kind, i) for kind, (_, taken, _) in KINDS.items() for i in range(len(taken))]
)
def test_a_value_is_taken(kind: str, position: int) -> None:
    parser, taken, _ = KINDS[kind]
    assert schema.parse_as(schema.object_of({"x": parser}), {"x": taken[position]}, "record").keys() == {"x"}


@pytest.mark.parametrize(
    ("kind", "position"), [(kind, i) for kind, (_, _, bad) in KINDS.items() for i in range(len(bad))]
)
def test_a_value_is_refused_by_the_name_of_its_field(kind: str, position: int) -> None:
    parser, _, refused = KINDS[kind]
    with pytest.raises(ContractError) as error:
        schema.parse_as(schema.object_of({"x": parser}), {"x": refused[position]}, "record")
    assert str(error.value).startswith("record.x")


@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf"), {"inside": [NAN]}, {1, 2}])
def test_what_is_no_json_is_not_written(value: Any) -> None:
    assert json.loads(json_bytes({"x": 1.5})) == {"x": 1.5}
    with pytest.raises(ContractError):
        json_bytes({"x": value})


def days(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


@pytest.mark.parametrize(
    ("day", "exists"),
    [
        (days(date.min), True),
        (days(date.max), True),
        (days(date.min) - 1, False),
        (days(date.max) + 1, False),
    ],
)
@pytest.mark.parametrize("name", ["date", "target_date"])
def test_a_golden_forecast_has_days_of_the_calendar(name: str, day: int, exists: bool) -> None:
    pointer = foreign.pointer_to(foreign.champion_bytes(), foreign.price_file(), 2).to_object()
    pointer["golden"][0]["inputs"] = {**pointer["golden"][0]["inputs"], name: [0, day]}
    if exists:
        assert Pointer.from_object(pointer).golden[0].inputs[name] == [0, day]
    else:
        with pytest.raises(ContractError) as error:
            Pointer.from_object(pointer)
        assert str(error.value).startswith(f"pointer.golden[0].inputs.{name}")
