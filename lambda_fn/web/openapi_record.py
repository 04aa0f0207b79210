"""The schemas of the track record in the OpenAPI document. Serving never imports this."""

from lambda_fn.web.openapi_types import (
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
    return {"oneOf": [ref(name), {"type": "null"}]}


RECORD_SCHEMAS: dict[str, JsonSchema] = {
    "Figure": closed(
        {"value": NUMBER, "low": {"type": ["number", "null"]}, "high": {"type": ["number", "null"]}},
        description="With the bounds of its 95 % confidence interval; null while there are too few days for one.",
    ),
    "RecordOfHorizon": closed(
        {
            "horizon": WHOLE,
            "n": {**WHOLE, "description": "forecasts whose outcome is known"},
            "pinball": {**NUMBER, "description": "mean loss, percent of log return"},
            "coverage": by_name(ref("Figure"), "how often the central interval held, by its coverage in percent"),
            "skill": by_name(ref("Figure"), "1 - loss / the benchmark's loss, by benchmark"),
        }
    ),
    "RecordSummary": closed(
        {
            "family": text("whose forecasts they are, of a backtest"),
            "days": WHOLE,
            "from": MAYBE_TEXT,
            "through": MAYBE_TEXT,
            "horizons": list_of(ref("RecordOfHorizon")),
            "reliability": list_of(
                closed({name: NUMBER for name in ("from", "to", "share", "low", "high")}),
                description="how often outcomes fell into each tenth of the forecast distribution, and what chance "
                "makes of a tenth in 95 of 100 records of this length",
            ),
        },
        optional=("family",),
    ),
    "RecordDay": {
        "type": "object",
        "description": "One official forecast and what came, one business day ahead.",
        "properties": {
            "as_of": DATE,
            "target_date": DATE,
            "kind": text(enum=["live", "late"]),
            "generation": WHOLE,
            "family": text(),
            "close": NUMBER,
            "outcome": NUMBER,
            "pinball": NUMBER,
            "pit": {**NUMBER, "description": "the outcome's place in the forecast distribution"},
            "note": text("what is odd about the prices"),
        },
        "required": ["as_of", "target_date", "kind", "close", "outcome", "pinball", "pit"],
        "additionalProperties": {"type": ["boolean", "null"]},
    },
    "TrackRecord": closed(
        {
            "pair": PAIR,
            "kind": text(enum=["live", "backtest"]),
            "summary": {"oneOf": [ref("RecordSummary"), {"type": "null"}]},
            "days": list_of(ref("RecordDay"), description="the newest, none of a backtest"),
            **FRESHNESS,
        }
    ),
    "RecordOfDay": closed(
        {
            "days": WHOLE,
            "coverage": by_name(ref("Figure"), "how often the central interval held, by its coverage in percent"),
            "skill": by_name(ref("Figure"), "1 - loss / the benchmark's loss, by benchmark"),
        },
        description="Of forecasts of the next business day.",
    ),
    "PairKnown": closed(
        {
            "pair": PAIR,
            "base": text("the currency that is priced"),
            "quote": text("the currency that it is priced in"),
            "as_of": DATE,
            "last_close": NUMBER,
            "champion": text("its registered name"),
            **{kind: _maybe("RecordOfDay") for kind in ("live", "backtest")},
        },
        optional=("as_of", "last_close", "champion", "live", "backtest"),
        description="Without a record yet, the pair alone.",
    ),
    "Pooled": closed(
        {
            "pairs": {**WHOLE, "description": "that have rows in it"},
            "days": WHOLE,
            "from": DATE,
            "through": DATE,
            "horizons": list_of(
                closed(
                    {
                        "horizon": WHOLE,
                        "n": {**WHOLE, "description": "forecasts whose outcome is known"},
                        "coverage": by_name(ref("Figure"), "how often the central interval held"),
                        "skill": by_name(
                            ref("Figure"),
                            "1 - loss / the benchmark's loss, each pair's as shares of its benchmark's mean loss",
                        ),
                    }
                )
            ),
        },
        description="Of all pairs; a day counts as a whole, as pairs go together on it.",
    ),
    "Pairs": closed(
        {
            "default": {**PAIR, "description": "which answers where no pair is named"},
            "pairs": list_of(ref("PairKnown"), description="in the order in which the operator named them"),
            "pooled": {
                "oneOf": [closed({kind: _maybe("Pooled") for kind in ("live", "backtest")}), {"type": "null"}],
                "description": "null with one pair, and until the first ingest",
            },
            **FRESHNESS,
        },
        optional=tuple(FRESHNESS),
    ),
    "History": closed({"pair": PAIR, "days": list_of(ref("RecordDay")), **FRESHNESS}),
}
