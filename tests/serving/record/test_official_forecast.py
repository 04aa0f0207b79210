"""An official forecast is read as it was written, and one odd member is refused by its name."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lambda_fn.fields import ContractError, summed_bytes
from lambda_fn.record.official_forecast import Official
from tests.support import records

PAIR = "EURUSD"
OFFICIAL = records.official()
BEFORE, EARLIER = ((OFFICIAL.as_of - timedelta(days=days)).isoformat() for days in (1, 2))
AS_OF = OFFICIAL.as_of.isoformat()
SOUND = OFFICIAL._replace(closes={EARLIER: 1.1, BEFORE: 1.1, AS_OF: 1.1})
Change = Callable[[dict[str, Any]], object]


def test_it_is_read_as_it_was_written() -> None:
    assert Official.parse(SOUND.to_json(), PAIR) == SOUND


ODD: dict[str, tuple[Change, str]] = {
    "closes out of order": (
        lambda record: record.update(closes={BEFORE: 1.1, EARLIER: 1.1, AS_OF: 1.1}),
        "forecast.closes:",
    ),
    "closes that end before": (
        lambda record: record["closes"].update({AS_OF: record["closes"].pop(AS_OF), "2026-10-31": 1.1}),
        "forecast.closes:",
    ),
    "days of closes in another form": (
        lambda record: record.update(closes={BEFORE.replace("-", ""): 1.1, AS_OF: 1.1}),
        "forecast.closes:",
    ),
    "another last close": (lambda record: record.update(last_close=1.1001), "forecast.last_close:"),
    "a first day that is known": (lambda record: record["days"].__setitem__(0, AS_OF), "forecast.days:"),
    "a mean just above its quantiles": (
        lambda record: record["mean"].__setitem__(2, 1.2 * (1 + 1e-11)),
        "forecast.mean:",
    ),
    "a price beyond all prices": (lambda record: record["quantiles"][2].__setitem__(2, 1.1e100), "forecast.quantiles:"),
    "a window of no days": (lambda record: record["card"]["inputs"].update(window=0), "forecast.card.inputs.window:"),
    "a score without end": (
        lambda record: record["card"].update(scores=[{"loss": 1e10}]),
        "forecast.card.scores[0].loss:",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_member_is_refused(name: str) -> None:
    change, place = ODD[name]
    record = json.loads(SOUND.to_json())
    del record["crc32"], record["writer"]
    change(record)
    with pytest.raises(ContractError) as refused:
        Official.parse(summed_bytes(record), PAIR)
    assert str(refused.value).startswith(place)


def test_a_mean_may_be_a_rounding_above_its_quantiles() -> None:
    rounded = SOUND._replace(mean=[1.2 * (1 + 1e-13), *SOUND.mean[1:]])
    assert Official.parse(rounded.to_json(), PAIR) == rounded
