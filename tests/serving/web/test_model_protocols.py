"""Tensors and forms of tensors, checked before a champion sees them: the field that a problem names."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lambda_fn.champion.base import BaseChampion, Rows
from lambda_fn.champion.sandbox import Forecast, SandboxedChampion
from lambda_fn.contract import DATE, FIRST_DAY, LAST_DAY, MAX_HORIZON, MAX_LEVELS, TARGET_DATE
from lambda_fn.web import model_protocols
from lambda_fn.web.errors import MAX_SERIES, Problem
from lambda_fn.web.model_protocols import parse_tensors
from tests.support import foreign

ROW: list[float] = foreign.closes(foreign.WINDOW).tolist()
DAYS = list(range(20_000, 20_000 + foreign.WINDOW))
TARGETS = list(range(20_030, 20_030 + foreign.HORIZON))
ROOM = 30  # rows that an answer of the widest champion has room for


class Declared(SandboxedChampion):
    """A champion of a random walk with these inputs beside the close."""

    def __init__(self, *names: str, **of_metadata: Any) -> None:
        BaseChampion.__init__(self, foreign.metadata(**of_metadata), "0" * 64, ["close", *names])

    def run(self, inputs: Rows) -> Forecast:
        horizon, levels = self.metadata.horizon, np.array(self.metadata.levels)
        walk = np.repeat(np.array(inputs["close"])[:, -1:], horizon, axis=1)
        roots = np.sqrt(np.arange(1, horizon + 1))[:, None]
        return Forecast((walk[:, :, None] * (1 + 0.005 * roots * (levels - 0.5))).tolist(), walk.tolist())


PLAIN, DATED = Declared(), Declared(DATE, TARGET_DATE)
LEVELS = tuple(sorted({0.025, 0.975, *(round(0.1 + 0.8 * i / (MAX_LEVELS - 3), 6) for i in range(MAX_LEVELS - 2))}))
WIDEST = Declared(horizon=MAX_HORIZON, levels=LEVELS)


def dated(**changes: object) -> dict[str, object]:
    return {"close": [ROW], DATE: [DAYS], TARGET_DATE: [TARGETS], **changes}


def test_days_of_the_calendar_are_taken() -> None:
    ends = [FIRST_DAY, *DAYS[1:-1], LAST_DAY]
    tensors = parse_tensors(dated(date=[ends]), DATED)
    assert tensors[DATE] == [ends]
    assert {type(day) for row in (*tensors[DATE], *tensors[TARGET_DATE]) for day in row} == {int}


# The champion, its tensors, and the field that is wrong.
TENSORS: dict[str, tuple[SandboxedChampion, dict[str, object], str]] = {
    "a day before the calendar": (DATED, dated(date=[[FIRST_DAY - 1, *DAYS[1:]]]), "date[0][0]"),
    "a day after the calendar": (DATED, dated(target_date=[[*TARGETS[:-1], LAST_DAY + 1]]), "target_date[0][2]"),
    "half a day": (DATED, dated(date=[[*DAYS[:-1], 0.5]]), "date[0][19]"),
    "days that are no list": (DATED, dated(date=[5]), "date[0]"),
    "no days": (DATED, {"close": [ROW]}, "date"),
    "no rows": (PLAIN, {"close": []}, "close"),
    "a number": (PLAIN, {"close": 5}, "close"),
    "a text": (PLAIN, {"close": "1.1"}, "close"),
    "a row too many": (PLAIN, {"close": [ROW] * (MAX_SERIES + 1)}, "close"),
    "a row that is empty": (PLAIN, {"close": [[]]}, "close[0]"),
    "a row that is short": (PLAIN, {"close": [ROW, ROW[1:]]}, "close[1]"),
    "another name": (PLAIN, {"close": [ROW], "volume": [ROW]}, "volume"),
    "rows of days too few": (DATED, dated(close=[ROW, ROW]), "date"),
    "more rows than an answer has room for": (WIDEST, {"close": [ROW] * (ROOM + 1)}, "close"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_wrong_tensor_is_refused_by_its_place(name: str) -> None:
    champion, tensors, field = TENSORS[name]
    with pytest.raises(Problem) as refused:
        parse_tensors(tensors, champion, "inputs.")
    assert (refused.value.status, refused.value.field) == (400, f"inputs.{field}")


def test_as_many_rows_as_an_answer_has_room_for_are_taken() -> None:
    assert len(parse_tensors({"close": [ROW] * ROOM}, WIDEST)["close"]) == ROOM
    assert len(parse_tensors({"close": [ROW] * MAX_SERIES}, PLAIN)["close"]) == MAX_SERIES


def split(names: list[str], *rows: Sequence[object]) -> dict[str, object]:
    return {"dataframe_split": {"columns": names, "data": list(rows)}}


def records(form: str, rows: int, **more: object) -> dict[str, object]:
    return {form: [{"close": ROW, **more}] * rows}


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {"close": [ROW]}},
        records("instances", 1),
        records("dataframe_records", 1),
        split(["close"], [ROW]),
    ],
)
def test_every_form_gives_the_same(body: dict[str, object]) -> None:
    predictions = model_protocols.invoke(PLAIN, json.dumps(body).encode())["predictions"]
    assert predictions["mean"] == [[ROW[-1]] * foreign.HORIZON]


# The champion, a body, and the field that is wrong.
BODIES: dict[str, tuple[SandboxedChampion, dict[str, object], str]] = {
    "another name of a column": (PLAIN, split(["close", "volume"], [ROW, ROW]), "dataframe_split.columns.volume"),
    "only another name": (PLAIN, split(["volume"], [ROW]), "dataframe_split.columns.volume"),
    "a column twice": (PLAIN, split(["close", "close"], [ROW, ROW]), "dataframe_split.columns"),
    "columns without rows": (PLAIN, split(["close"]), "dataframe_split.data"),
    "a row of columns too many": (PLAIN, split(["close"], *[[ROW]] * (MAX_SERIES + 1)), "dataframe_split.data"),
    "more columns than an answer has room for": (
        WIDEST,
        split(["close"], *[[ROW]] * (ROOM + 1)),
        "dataframe_split.data",
    ),
    "another name in an instance": (PLAIN, records("instances", 1, volume=ROW), "instances.volume"),
    "another name in a record": (PLAIN, records("dataframe_records", 2, volume=ROW), "dataframe_records.volume"),
    "an instance too many": (PLAIN, records("instances", MAX_SERIES + 1), "instances"),
    "more instances than an answer has room for": (WIDEST, records("instances", ROOM + 1), "instances"),
    "no instances": (PLAIN, {"instances": []}, "instances"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_wrong_form_is_refused_by_its_place(name: str) -> None:
    champion, body, field = BODIES[name]
    with pytest.raises(Problem) as refused:
        model_protocols.invoke(champion, json.dumps(body).encode())
    assert (refused.value.status, refused.value.field) == (400, field)
