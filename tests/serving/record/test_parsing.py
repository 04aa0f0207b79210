"""Each record that is read is checked where it is parsed: one odd member is refused, and the error names its place."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambda_fn import fields
from lambda_fn.fields import MAX_FEATURES
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.price_file import serialise
from lambda_fn.record.issue import after_prices
from lambda_fn.record.official_forecast import MAX_NOTES, Entry, Official
from lambda_fn.record.summary_checks import MAX_ROWS, parse_pairs, parse_record
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.s3 import open_store
from tests.support import foreign

PAIR = "EURUSD"
NOW = datetime(2026, 10, 30, 17, tzinfo=UTC)
NEXT_DAY = next_business_days(foreign.AS_OF, 1, "ecb")
PARSERS: dict[str, Callable[[bytes], object]] = {
    "forecast": lambda data: Official.parse(data, PAIR),
    "ledger": lambda data: Entry.parse(data, PAIR, foreign.AS_OF),
    "record": lambda data: parse_record(data, PAIR),
    "pairs": parse_pairs,
}
# A record of several pairs, which one pair does not make.
PAIRS: dict[str, Any] = {
    "contract_version": "1",
    "pairs": [{"pair": PAIR, "as_of": "2026-10-30", "last_close": 1.1, "champion": "EURUSD_Foreign", "live": None}],
    "pooled": {"live": None},
}
Change = Callable[[dict[str, Any]], None]


def put(*path: str | int, value: Any) -> Change:
    """A change of the member at `path`."""

    def change(record: Any) -> None:
        for name in path[:-1]:
            record = record[name]
        record[path[-1]] = value(record[path[-1]]) if callable(value) else value

    return change


# The record, the change, and the place that the error names.
ODD: dict[str, tuple[str, Change, str]] = {
    "closes that go on after the forecast": (
        "forecast",
        lambda record: record["closes"].update({"2030-01-02": 1.1}),
        "forecast.closes",
    ),
    "closes that fall": (
        "forecast",
        put("closes", value=lambda closes: dict(reversed(closes.items()))),
        "forecast.closes",
    ),
    "a close beyond all prices": (
        "forecast",
        lambda record: record["closes"].update({NEXT_DAY[0].isoformat(): 1e101}),
        f"forecast.closes.{NEXT_DAY[0]}",
    ),
    "days that fall": ("forecast", put("days", value=lambda days: days[::-1]), "forecast.days"),
    "a day of quantiles too few": ("forecast", put("quantiles", value=lambda rows: rows[:-1]), "forecast.quantiles"),
    "a quantile too few": (
        "forecast",
        put("quantiles", value=lambda rows: [row[:-1] for row in rows]),
        "forecast.quantiles",
    ),
    "a benchmark of a day too few": (
        "forecast",
        put("benchmarks", "ewma", value=lambda rows: rows[:-1]),
        "forecast.ewma",
    ),
    "a mean too few": ("forecast", put("mean", value=lambda mean: mean[:-1]), "forecast"),
    "days that begin on the forecast's own day": (
        "forecast",
        put("days", value=lambda days: [NEXT_DAY[0].isoformat(), *days[1:]]),
        "forecast.days",
    ),
    "a mean just above its quantiles": (
        "forecast",
        lambda record: record["mean"].__setitem__(0, record["quantiles"][0][-1] * (1 + 1e-9)),
        "forecast.mean",
    ),
    "a card without a window": ("forecast", put("card", "inputs", "window", value=0), "forecast.card.inputs.window"),
    "a note that is no text": ("forecast", lambda record: record.update(notes=[1]), "forecast.notes[0]"),
    "too many notes": ("forecast", lambda record: record.update(notes=["x"] * (MAX_NOTES + 1)), "forecast.notes"),
    "too many features": (
        "forecast",
        put("champion", "features", value=[f"f{number}" for number in range(MAX_FEATURES + 1)]),
        "forecast.champion.features",
    ),
    "an unknown kind": ("ledger", put("kind", value="early"), "ledger.kind"),
    "days of a ledger that fall": ("ledger", put("days", value=lambda days: days[::-1]), "ledger.days"),
    "an unknown kind of day": ("record", put("newest", 0, "kind", value="early"), "record.newest[0].kind"),
    "inside that is a text": ("record", put("newest", 0, "inside_50", value="yes"), "record.newest[0].inside_50"),
    "inside that is a number": ("record", put("newest", 0, "inside_80", value=1), "record.newest[0].inside_80"),
    "coverage that is a list": (
        "record",
        put("live", "horizons", 0, "coverage", value=[]),
        "record.live.horizons[0].coverage",
    ),
    "skill that is missing": (
        "record",
        lambda record: record["live"]["horizons"][0].pop("skill"),
        "record.live.horizons[0].skill",
    ),
    "a backtest with days below zero": ("record", put("backtest", value={"days": -1}), "record.backtest.days"),
    "a pair's coverage that is a list": (
        "pairs",
        put("pairs", 0, "live", value={"days": 1, "coverage": [], "skill": {}}),
        "pairs.pairs[0].live.coverage",
    ),
    "more days than a record keeps": (
        "record",
        put("newest", value=lambda days: days[:1] * (MAX_ROWS + 1)),
        "record.newest",
    ),
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The records of a store with one scored day."""
    settings = Settings.from_env({"STORE_DIR": str(tmp_path_factory.mktemp("records"))})
    store = open_store(settings)
    foreign.publish_to(store)
    refresh(store, settings, NOW)
    closes = foreign.closes(60).tolist()
    prices = serialise([*foreign.price_rows(), *NEXT_DAY], {"close": [*closes, closes[-1]]})
    foreign.put(store, keys.price_key(PAIR, "ecb"), prices)
    after_prices(store, settings, NOW + timedelta(days=3), corrected=False)
    stored = {
        "forecast": keys.forecast_key(PAIR),
        "ledger": keys.ledger_key(PAIR, foreign.AS_OF),
        "record": keys.record_key(PAIR),
    }
    return {"pairs": PAIRS, **{name: fields.json_object(store.read(key).data, name) for name, key in stored.items()}}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_member_is_refused_and_named(name: str, records: dict[str, dict[str, Any]]) -> None:
    record, change, place = ODD[name]
    sound = records[record]
    PARSERS[record](fields.summed_bytes(sound))
    odd = json.loads(json.dumps(sound))
    change(odd)
    with pytest.raises(fields.ContractError) as refused:
        PARSERS[record](fields.summed_bytes(odd))
    assert str(refused.value).startswith(f"{place}:"), refused.value
