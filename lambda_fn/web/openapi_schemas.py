"""The parts of the OpenAPI document that routes name: schemas. Serving never imports this."""

from lambda_fn.prices.limits import HIGHEST, LOWEST
from lambda_fn.record.interpolation import MIN_PROBABILITY
from lambda_fn.web.errors import MAX_SERIES
from lambda_fn.web.forecast import PRICE_DECIMALS, RETURN_DECIMALS
from lambda_fn.web.openapi_protocols import PROTOCOL_SCHEMAS
from lambda_fn.web.openapi_record import RECORD_SCHEMAS
from lambda_fn.web.openapi_types import (
    DATE,
    FRESHNESS,
    MAYBE_TEXT,
    NUMBER,
    PAIR,
    SHA256,
    TIME,
    WHOLE,
    YES_NO,
    JsonSchema,
    by_name,
    closed,
    list_of,
    ref,
    text,
)
from lambda_fn.web.price_body import MAX_COLUMNS, MAX_FORECAST_BYTES, MAX_VALUES

_SCORE: JsonSchema = {
    "type": "object",
    "description": "Of one horizon: mean pinball loss over the levels, of the log return in percent, and skill_*, the "
    "part by which it is below a baseline's (0.05 = 5 % less loss). Out of sample, in yearly refits.",
    "properties": {"horizon": WHOLE, "pinball": NUMBER},
    "additionalProperties": {"type": ["number", "string", "null"]},
}

_DISTRIBUTION: dict[str, JsonSchema] = {
    "mean": {**NUMBER, "description": "the point forecast"},
    "median": NUMBER,
    "quantiles": by_name(NUMBER, 'by level, such as "0.05"; non-decreasing'),
    "intervals": by_name(ref("Interval"), 'central intervals by coverage in percent, such as "80"'),
}
_AGED: dict[str, JsonSchema] = {"age": ref("Age"), **FRESHNESS}
_ONE: dict[str, JsonSchema] = {
    "as_of": {"type": ["string", "null"], "format": "date", "description": "the date of the last close, if known"},
    "last_close": {**NUMBER, "description": "the last close, as it was given"},
    "forecast": list_of(ref("Day"), minItems=1),
}
_BEHIND: dict[str, JsonSchema] = {
    "champion": ref("ChampionSummary"),
    "prices": text("the source of the prices: ecb, csv, or request when they were sent"),
    **FRESHNESS,
}
_SUMMARY: dict[str, JsonSchema] = {
    "name": text("the registered model"),
    "type": text(),
    "version": text(),
    "generation": {**WHOLE, "description": "counts promotions"},
    "sha256": SHA256,
    "family": text(),
    "trained_through": DATE,
    "features": list_of(text()),
    "scores": list_of(_SCORE, description="against the baselines, by horizon"),
    "run_id": MAYBE_TEXT,
    "activated_at": TIME,
}
_SERIES: JsonSchema = {
    "type": "object",
    "properties": {
        "close": ref("Column"),
        "as_of": text("the date of the last close; dates the answer, and some champions need it", format="date"),
    },
    "required": ["close"],
    "additionalProperties": ref("Column"),
    "maxProperties": MAX_COLUMNS + 1,
}

SCHEMAS: dict[str, JsonSchema] = {
    "Index": closed({"routes": by_name(text(), "summary by method and path")}),
    "Document": {"type": "object", "description": "OpenAPI 3.1"},
    "Interval": closed({"lower": NUMBER, "upper": NUMBER}),
    "Distribution": closed(_DISTRIBUTION),
    "Day": closed(
        {
            "date": {"type": ["string", "null"], "format": "date", "description": "null when as_of is not known"},
            "horizon": {**WHOLE, "minimum": 1, "description": "business days after the last close"},
            **_DISTRIBUTION,
            "returns": ref("Distribution"),
        },
        description=f"Prices, rounded to {PRICE_DECIMALS} decimals, and as `returns` the same as simple returns, "
        f"price / last_close - 1, rounded to {RETURN_DECIMALS}.",
    ),
    "ChampionSummary": closed(_SUMMARY),
    "Age": closed(
        {
            "business_days": {**WHOLE, "minimum": 0, "description": "that have begun since the last close"},
            "state": text(
                "late from two business days on; expired when every day that is forecast has begun",
                enum=["fresh", "late", "expired"],
            ),
            "sentence": text("the same in words"),
        },
        description="How old the forecast's prices are.",
    ),
    "Official": closed(
        {
            "pair": PAIR,
            **_ONE,
            "champion": ref("ChampionSummary"),
            "prices": text("the source of the prices: ecb or csv"),
            "made_at": {**TIME, "description": "when this forecast was made and kept"},
            **_AGED,
        }
    ),
    "Probability": closed(
        {
            "pair": PAIR,
            "as_of": {**DATE, "description": "the date of the last close"},
            "last_close": NUMBER,
            "date": {**DATE, "description": "the day that is asked of"},
            "horizon": {**WHOLE, "minimum": 1, "description": "its business days after the last close"},
            "below": {**NUMBER, "description": "the price that was asked of, or that has the probability asked of"},
            "above": {**NUMBER, "description": "the price that was asked of"},
            "probability": {**NUMBER, "minimum": MIN_PROBABILITY, "maximum": 1 - MIN_PROBABILITY},
            "bound": {
                "enum": ["at_most", "at_least", None],
                "description": "no more is known than that the probability is at most, or at least, this",
            },
            "sentence": text("the same in words"),
            **_AGED,
        },
        optional=("below", "above"),
    ),
    "Prediction": closed({"pair": PAIR, **_ONE, **_BEHIND}),
    "OfSeries": closed(_ONE),
    "PredictionOfSeries": closed({"pair": PAIR, "series": list_of(ref("OfSeries"), minItems=1), **_BEHIND}),
    "PredictionOrSeries": {"oneOf": [ref("Prediction"), ref("PredictionOfSeries")]},
    "Health": closed(
        {
            "status": text(enum=["ok", "late", "expired"]),
            "pair": PAIR,
            "champion": closed(
                {
                    **{name: _SUMMARY[name] for name in ("name", "type", "version", "generation", "sha256")},
                    "activated_at": TIME,
                    "age_s": {**NUMBER, "description": "seconds since it was activated"},
                }
            ),
            "prices": text("the source of the prices: ecb or csv"),
            "as_of": {**DATE, "description": "the last date of the prices"},
            "as_of_age_days": {**WHOLE, "description": "calendar days since then"},
            **_AGED,
        }
    ),
    "Champion": {
        "type": "object",
        "description": "The pointer best_model_info.json without its golden forecasts, and what serving knows beside.",
        "properties": {
            "model_name": text(),
            "model_type": text(),
            "model_version": text(),
            "model_uri": text(),
            "run_id": text(),
            "pair": PAIR,
            "generation": WHOLE,
            "champion": closed({"key": text(), "sha256": SHA256, "size": {**WHOLE, "description": "bytes"}}),
            "trained_through": DATE,
            "events_known_through": {**DATE, "description": "the last day whose scheduled news the champion knows"},
            "event_days_left": {"type": "integer", "description": "until then"},
            "created_at": TIME,
            "activated_at": TIME,
            "serving_key": text(),
            "metrics": by_name(NUMBER, "of the run that chose it"),
            "baseline_metrics": by_name(NUMBER, "of the random walk in the same run"),
            "scores": list_of({"type": "object"}, description="every family of that run by horizon"),
            "metadata": {"type": "object", "description": "metadata_props of the champion file"},
            "intervals": list_of(text(), description="what `level` may ask for, in percent"),
            "inputs": closed(
                {
                    "columns": list_of(text(), description="price columns, close first"),
                    "date": YES_NO,
                    "target_date": YES_NO,
                    "window": {**WHOLE, "description": "closes that it needs"},
                },
                description="what a POST must send; with date or target_date also as_of",
            ),
            **_AGED,
        },
        "required": ["model_name", "generation", "champion", "activated_at", "metadata", "inputs", *_AGED],
    },
    **RECORD_SCHEMAS,
    **PROTOCOL_SCHEMAS,
    "Column": list_of(
        {"type": "number", "minimum": LOWEST, "maximum": HIGHEST},
        minItems=1,
        maxItems=MAX_VALUES,
        description="prices, oldest first, the last today's; all columns of a series have the same length",
    ),
    "Series": _SERIES,
    "SeriesList": closed(
        {"series": list_of(ref("Series"), minItems=1, maxItems=MAX_SERIES)},
        description=f"Fewer where the forecasts of all would be over {MAX_FORECAST_BYTES // 10**6} MB of JSON.",
    ),
    "Sent": {"oneOf": [ref("Series"), ref("SeriesList")]},
    "Problem": closed(
        {
            "type": text("RFC 9457: about:blank, as the status says what kind of problem it is"),
            "title": text("the status in words"),
            "status": WHOLE,
            "detail": text("what is wrong"),
            "code": text("for programs"),
            "field": text("where, such as series[2].close[17]"),
            "cure": text("what to do about it"),
            "error": closed(
                {"code": text(), "message": text("detail"), "field": text(), "cure": text()},
                optional=("field",),
                description="the same in the form before this one; the next version of the API leaves it out",
            ),
        },
        optional=("field",),
        description="Problem details (RFC 9457).",
    ),
}
