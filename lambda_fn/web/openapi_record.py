"""Schemas of the OpenAPI document: the track record."""

from lambda_fn.web.openapi_schemas import (
    DATE,
    FRESHNESS,
    MAYBE_TEXT,
    NUMBER,
    PAIR,
    WHOLE,
    JsonSchema,
    by_name,
    closed,
    list_of,
    ref,
    text,
)


def _maybe(name: str) -> JsonSchema:
    """Return a reference to a schema, or null."""
    return {"oneOf": [ref(name), {"type": "null"}]}


_COVERAGE = by_name(ref("Figure"), "fraction of outcomes in the central interval, by its nominal coverage in percent")
_SKILL = by_name(ref("Figure"), "1 - loss / loss of the benchmark, by benchmark")

RECORD_SCHEMAS: dict[str, JsonSchema] = {
    "Figure": closed(
        {"value": NUMBER, "low": {"type": ["number", "null"]}, "high": {"type": ["number", "null"]}},
        description="A value with its 95 % confidence interval; the bounds are null while there are too few days.",
    ),
    "RecordOfHorizon": closed(
        {
            "horizon": WHOLE,
            "n": {**WHOLE, "description": "number of forecasts whose outcome is known"},
            "pinball": {**NUMBER, "description": "mean pinball loss, of the log return in percent"},
            "coverage": _COVERAGE,
            "skill": _SKILL,
        }
    ),
    "RecordSummary": closed(
        {
            "family": text("model of the forecasts; only in a backtest"),
            "days": WHOLE,
            "from": MAYBE_TEXT,
            "through": MAYBE_TEXT,
            "horizons": list_of(ref("RecordOfHorizon")),
            "reliability": list_of(
                closed({name: NUMBER for name in ("from", "to", "share", "low", "high")}),
                description="share of outcomes in each tenth of the forecast distribution, with the 95 % sampling "
                "range of a perfect forecast",
            ),
        },
        optional=("family",),
    ),
    "RecordDay": {
        "type": "object",
        "description": "One official forecast and its outcome, one business day ahead.",
        "properties": {
            "as_of": DATE,
            "target_date": DATE,
            "kind": text(enum=["live", "late"]),
            "generation": WHOLE,
            "family": text(),
            "close": NUMBER,
            "outcome": NUMBER,
            "pinball": NUMBER,
            "pit": {
                **NUMBER,
                "description": "probability integral transform: forecast probability of a rate below the outcome",
            },
            "note": text("anything unusual about the prices"),
        },
        "required": ["as_of", "target_date", "kind", "close", "outcome", "pinball", "pit"],
        "additionalProperties": {"type": ["boolean", "null"]},
    },
    "TrackRecord": closed(
        {
            "pair": PAIR,
            "kind": text(enum=["live", "backtest"]),
            "summary": {"oneOf": [ref("RecordSummary"), {"type": "null"}]},
            "days": list_of(ref("RecordDay"), description="the latest days; empty for a backtest"),
            **FRESHNESS,
        }
    ),
    "RecordOfDay": closed(
        {
            "days": WHOLE,
            "coverage": _COVERAGE,
            "skill": _SKILL,
        },
        description="Scores of forecasts for the next business day.",
    ),
    "PairKnown": closed(
        {
            "pair": PAIR,
            "base": text("base currency"),
            "quote": text("quote currency"),
            "as_of": DATE,
            "last_close": NUMBER,
            "champion": text("registered name of the champion"),
            **{kind: _maybe("RecordOfDay") for kind in ("live", "backtest")},
        },
        optional=("as_of", "last_close", "champion", "live", "backtest"),
        description="A served pair; without a record yet, only the names.",
    ),
    "Pooled": closed(
        {
            "pairs": {**WHOLE, "description": "number of pairs with rows in the record"},
            "days": WHOLE,
            "from": DATE,
            "through": DATE,
            "horizons": list_of(
                closed(
                    {
                        "horizon": WHOLE,
                        "n": {**WHOLE, "description": "number of forecasts whose outcome is known"},
                        "coverage": _COVERAGE,
                        "skill": by_name(
                            ref("Figure"),
                            "1 - loss / loss of the benchmark; losses are relative to each pair's mean benchmark loss",
                        ),
                    }
                )
            ),
        },
        description="Scores over all pairs, averaged by day, because the pairs move together within a day.",
    ),
    "Pairs": closed(
        {
            "default": {**PAIR, "description": "the pair of requests without `pair`"},
            "pairs": list_of(ref("PairKnown"), description="ordered as in the setting PAIRS"),
            "pooled": {
                "oneOf": [closed({kind: _maybe("Pooled") for kind in ("live", "backtest")}), {"type": "null"}],
                "description": "null for a single pair, and before the first ingest",
            },
            **FRESHNESS,
        },
        optional=tuple(FRESHNESS),
    ),
    "History": closed({"pair": PAIR, "days": list_of(ref("RecordDay")), **FRESHNESS}),
}
