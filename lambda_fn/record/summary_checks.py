"""Parsers of the track record, of the record of all pairs, and of the summaries in them and in a backtest.

Pages and answers read the members that are declared here without further checks. Other members are kept as they are.
"""

from typing import Any

from lambda_fn.fields import LARGE, MAX_HORIZON
from lambda_fn.store import schema
from lambda_fn.store.schema import Invalid, Parser, list_of, map_of, number, object_of, whole

MAX_COUNT = 10_000_000  # forecasts or days: more than any record has
KINDS = ("live", "late")
MADE_FROM = "made_from"  # member of a record: digests of its rows, and by source of the closes they were computed from
POOLED = ("live", "backtest")
INSIDE = ("inside_50", "inside_80", "inside_95")
MAX_ROWS = 1_000  # days, horizons or rows of a score table


def parse_record(data: bytes, pair: str) -> dict[str, Any]:
    """Parse the record of `pair`, `serving/record.json`. Raises ContractError naming the field and the cure."""
    return schema.parse_as(_RECORD, schema.keyed_object(data, "record", pair=pair), "record")


def parse_pairs(data: bytes) -> dict[str, Any]:
    """Parse the record of all pairs, `serving/pairs.json`. Raises ContractError naming the field and the cure."""
    return schema.parse_as(_PAIRS, schema.keyed_object(data, "pairs"), "pairs")


def one_day_summary(summary: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the figures of a summary for horizon 1; None if it has none."""
    first = next((row for row in (summary or {}).get("horizons", ()) if row["horizon"] == 1), None)
    return first and {"days": first["n"], "coverage": first["coverage"], "skill": first["skill"]}


def parse_book_record(data: bytes) -> dict[str, Any]:
    """Parse the record of the reference books, `serving/book-record.json`. Raises ContractError."""
    return schema.parse_as(_BOOK_RECORD, schema.keyed_object(data, "book record"), "book record")


def check_backtest(backtest: dict[str, Any] | None) -> None:
    """Check the backtest in a pointer, if any. Raises ContractError."""
    if backtest is not None:
        schema.parse_as(_parse_summary, backtest, "pointer.backtest")


def _parse_summary(value: Any) -> dict[str, Any]:
    """Parse the summary of a record or a backtest, which has a period and reliability if anything is scored."""
    members = _SUMMARY(value)
    return members | (_SCORED if members["horizons"] else _UNSCORED)(value)


def _parse_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid.of(value, "true, false or null")
    return value


def _figures(low: float) -> Parser:
    """Return a parser of estimates by name: a value from `low` to 1, and the bounds of its interval or two nulls."""
    value, bound = number(low, 1), number(low - 1, LARGE)
    parse_value, parse_all = object_of({"value": value}), object_of({"value": value, "low": bound, "high": bound})

    def parse_figure(figure: Any) -> dict[str, Any]:
        members = parse_value(figure)
        if not {"low", "high"} <= figure.keys():
            raise Invalid("", "low or high is missing; rebuild the record")
        return members if figure["low"] is figure["high"] is None else parse_all(figure)

    return map_of(parse_figure, allow_empty=True)


_FIGURES = {"coverage": _figures(0.0), "skill": _figures(-LARGE)}
_COUNT = whole(0, MAX_COUNT)
_PERIOD = dict.fromkeys(("from", "through"), schema.DAY)
_HORIZON = {"horizon": whole(1, MAX_HORIZON), "n": whole(1, MAX_COUNT), **_FIGURES}
_LOSS = {"pinball": number(0, LARGE)}
_SUMMARY = object_of(
    {
        "days": _COUNT,
        "horizons": list_of(object_of(_HORIZON | _LOSS, {"touched": _figures(0.0)}), MAX_ROWS, allow_empty=True),
    }
)
_BIN = object_of(dict.fromkeys(("from", "to", "share", "low", "high"), number(0, 1)))
_EVENT = object_of({"event": schema.NAME, "n": whole(1, MAX_COUNT), "coverage": _FIGURES["coverage"]})
_SCORED = object_of(
    {**_PERIOD, "reliability": list_of(_BIN, MAX_ROWS, allow_empty=True)},
    {"events": list_of(_EVENT, MAX_ROWS, allow_empty=True), "t_garch": number(-LARGE, LARGE), "note": schema.TEXT},
)
_UNSCORED = object_of({}, _PERIOD)
_NEWEST_ROW = object_of(
    {
        **dict.fromkeys(("as_of", "target_date"), schema.DAY),
        "kind": schema.text("|".join(KINDS), " or ".join(KINDS)),
        "generation": schema.GENERATION,
        "family": schema.NAME,
        **dict.fromkeys(("close", "outcome"), schema.PRICE),
        **_LOSS,
        "pit": number(0, 1),
    },
    {**dict.fromkeys(INSIDE, _parse_flag), "note": schema.TEXT},
)
_CHECK = object_of(
    {"name": schema.NAME, "days": _COUNT, "value": number(-LARGE, 1), "degraded": _parse_flag},
    {"low": number(-LARGE, 1), "high": number(0, 1)},
)
_RECORD = object_of(
    {**dict.fromkeys(KINDS, _parse_summary), "newest": list_of(_NEWEST_ROW, MAX_ROWS, allow_empty=True)},
    {
        "backtest": _parse_summary,
        "checks": list_of(_CHECK, MAX_ROWS, allow_empty=True),
        MADE_FROM: map_of(schema.SHA256, allow_empty=True),
    },
    keep=True,
)
_BRIEF = object_of({"days": _COUNT, **_FIGURES})
_PAIR_ROW = object_of(
    {"pair": schema.PAIR, "as_of": schema.DAY, "last_close": schema.PRICE, "champion": schema.NAME},
    dict.fromkeys(POOLED, _BRIEF),
)
_POOLED = object_of({"pairs": _COUNT, "days": _COUNT, **_PERIOD, "horizons": list_of(object_of(_HORIZON))})
_PAIRS = object_of(
    {
        "pairs": list_of(_PAIR_ROW, MAX_ROWS, allow_empty=True),
        "pooled": object_of({}, dict.fromkeys(POOLED, _POOLED)),
    },
    keep=True,
)
_BOOK_HORIZON = object_of(
    {"horizon": whole(1, MAX_HORIZON), "n": whole(1, MAX_COUNT), "covered": _figures(0.0)}
    | dict.fromkeys(("shortfall", "pinball"), map_of(lambda value: value, allow_empty=True)),
    keep=True,
)
_BOOK_DAY = object_of(
    {
        **dict.fromkeys(("as_of", "target_date"), schema.DAY),
        **dict.fromkeys(("book", "kind"), schema.NAME),
        **dict.fromkeys(("profit", "value_at_risk_95", "value_at_risk_99"), number(-LARGE, LARGE)),
    },
    keep=True,
)
_BOOK_RECORD = object_of(
    {
        "books": map_of(list_of(_BOOK_HORIZON, MAX_ROWS, allow_empty=True)),
        "newest": list_of(_BOOK_DAY, MAX_ROWS, allow_empty=True),
    },
    keep=True,
)
