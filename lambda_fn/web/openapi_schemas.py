"""The parts of the OpenAPI document that routes name: schemas. Serving never imports this."""

from typing import Any

from lambda_fn.prices.limits import HIGHEST, LOWEST
from lambda_fn.record.distribution import LEAST
from lambda_fn.web.closes import MAX_VALUES
from lambda_fn.web.forecast import PRICE_DECIMALS, RETURN_DECIMALS
from lambda_fn.web.problem import MAX_SERIES
from lambda_fn.web.series import MAX_COLUMNS, MAX_FORECAST_BYTES

JsonSchema = dict[str, Any]


def _object(properties: dict[str, JsonSchema], optional: tuple[str, ...] = (), description: str = "") -> JsonSchema:
    """A closed object; what is not optional is required."""
    return {
        "type": "object",
        **({"description": description} if description else {}),
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(description: str = "", **more: Any) -> JsonSchema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def _list(items: JsonSchema, **more: Any) -> JsonSchema:
    return {"type": "array", "items": items, **more}


def _by_name(values: JsonSchema, description: str) -> JsonSchema:
    return {"type": "object", "description": description, "additionalProperties": values}


_NUMBER: JsonSchema = {"type": "number"}
_WHOLE: JsonSchema = {"type": "integer"}
_YES_NO: JsonSchema = {"type": "boolean"}
_DATE = _text(format="date")
_TIME = _text("UTC, ISO 8601", format="date-time")
_SHA256 = _text(pattern="^[0-9a-f]{64}$")
_MAYBE_TEXT: JsonSchema = {"type": ["string", "null"]}
_SCORE: JsonSchema = {
    "type": "object",
    "description": "Of one horizon: mean pinball loss over the levels, of the log return in percent, and skill_*, the "
    "part by which it is below a baseline's (0.05 = 5 % less loss). Out of sample, in yearly refits.",
    "properties": {"horizon": _WHOLE, "pinball": _NUMBER},
    "additionalProperties": {"type": ["number", "string", "null"]},
}

_DISTRIBUTION: dict[str, JsonSchema] = {
    "mean": {**_NUMBER, "description": "the point forecast"},
    "median": _NUMBER,
    "quantiles": _by_name(_NUMBER, 'by level, such as "0.05"; non-decreasing'),
    "intervals": _by_name(_ref("Interval"), 'central intervals by coverage in percent, such as "80"'),
}
_FRESHNESS: dict[str, JsonSchema] = {
    "checked_at": {**_TIME, "description": "when the store was last asked for a newer forecast, champion or record"},
    "stale": {
        **_YES_NO,
        "description": "the store could not be asked since, no newer forecast could be made, or it is late or expired",
    },
    "stale_reason": _MAYBE_TEXT,
}
_AGED: dict[str, JsonSchema] = {"age": _ref("Age"), **_FRESHNESS}
_ONE: dict[str, JsonSchema] = {
    "as_of": {"type": ["string", "null"], "format": "date", "description": "the date of the last close, if known"},
    "last_close": {**_NUMBER, "description": "the last close, as it was given"},
    "forecast": _list(_ref("Day"), minItems=1),
}
_BEHIND: dict[str, JsonSchema] = {
    "champion": _ref("ChampionSummary"),
    "prices": _text("the source of the prices: ecb, csv, or request when they were sent"),
    **_FRESHNESS,
}
_PAIR = _text("such as EURUSD", pattern="^[A-Z]{6}$")
_SUMMARY: dict[str, JsonSchema] = {
    "name": _text("the registered model"),
    "type": _text(),
    "version": _text(),
    "generation": {**_WHOLE, "description": "counts promotions"},
    "sha256": _SHA256,
    "family": _text(),
    "trained_through": _DATE,
    "features": _list(_text()),
    "scores": _list(_SCORE, description="against the baselines, by horizon"),
    "run_id": _MAYBE_TEXT,
    "activated_at": _TIME,
}
_SERIES: JsonSchema = {
    "type": "object",
    "properties": {
        "close": _ref("Column"),
        "as_of": _text("the date of the last close; dates the answer, and some champions need it", format="date"),
    },
    "required": ["close"],
    "additionalProperties": _ref("Column"),
    "maxProperties": MAX_COLUMNS + 1,
}

SCHEMAS: dict[str, JsonSchema] = {
    "Index": _object({"routes": _by_name(_text(), "summary by method and path")}),
    "Document": {"type": "object", "description": "OpenAPI 3.1"},
    "Interval": _object({"lower": _NUMBER, "upper": _NUMBER}),
    "Distribution": _object(_DISTRIBUTION),
    "Day": _object(
        {
            "date": {"type": ["string", "null"], "format": "date", "description": "null when as_of is not known"},
            "horizon": {**_WHOLE, "minimum": 1, "description": "business days after the last close"},
            **_DISTRIBUTION,
            "returns": _ref("Distribution"),
        },
        description=f"Prices, rounded to {PRICE_DECIMALS} decimals, and as `returns` the same as simple returns, "
        f"price / last_close - 1, rounded to {RETURN_DECIMALS}.",
    ),
    "ChampionSummary": _object(_SUMMARY),
    "Age": _object(
        {
            "business_days": {**_WHOLE, "minimum": 0, "description": "that have begun since the last close"},
            "state": _text(
                "late from two business days on; expired when every day that is forecast has begun",
                enum=["fresh", "late", "expired"],
            ),
            "sentence": _text("the same in words"),
        },
        description="How old the forecast's prices are.",
    ),
    "Official": _object(
        {
            "pair": _PAIR,
            **_ONE,
            "champion": _ref("ChampionSummary"),
            "prices": _text("the source of the prices: ecb or csv"),
            "made_at": {**_TIME, "description": "when this forecast was made and kept"},
            **_AGED,
        }
    ),
    "Probability": _object(
        {
            "pair": _PAIR,
            "as_of": {**_DATE, "description": "the date of the last close"},
            "last_close": _NUMBER,
            "date": {**_DATE, "description": "the day that is asked of"},
            "horizon": {**_WHOLE, "minimum": 1, "description": "its business days after the last close"},
            "below": {**_NUMBER, "description": "the price that was asked of, or that has the probability asked of"},
            "above": {**_NUMBER, "description": "the price that was asked of"},
            "probability": {**_NUMBER, "minimum": LEAST, "maximum": 1 - LEAST},
            "bound": {
                "enum": ["at_most", "at_least", None],
                "description": "no more is known than that the probability is at most, or at least, this",
            },
            "sentence": _text("the same in words"),
            **_AGED,
        },
        optional=("below", "above"),
    ),
    "Prediction": _object({"pair": _PAIR, **_ONE, **_BEHIND}),
    "OfSeries": _object(_ONE),
    "PredictionOfSeries": _object({"pair": _PAIR, "series": _list(_ref("OfSeries"), minItems=1), **_BEHIND}),
    "PredictionOrSeries": {"oneOf": [_ref("Prediction"), _ref("PredictionOfSeries")]},
    "Health": _object(
        {
            "status": _text(enum=["ok", "late", "expired"]),
            "pair": _PAIR,
            "champion": _object(
                {
                    **{name: _SUMMARY[name] for name in ("name", "type", "version", "generation", "sha256")},
                    "activated_at": _TIME,
                    "age_s": {**_NUMBER, "description": "seconds since it was activated"},
                }
            ),
            "prices": _text("the source of the prices: ecb or csv"),
            "as_of": {**_DATE, "description": "the last date of the prices"},
            "as_of_age_days": {**_WHOLE, "description": "calendar days since then"},
            **_AGED,
        }
    ),
    "Champion": {
        "type": "object",
        "description": "The pointer best_model_info.json without its golden forecasts, and what serving knows beside.",
        "properties": {
            "model_name": _text(),
            "model_type": _text(),
            "model_version": _text(),
            "model_uri": _text(),
            "run_id": _text(),
            "pair": _PAIR,
            "generation": _WHOLE,
            "champion": _object({"key": _text(), "sha256": _SHA256, "size": {**_WHOLE, "description": "bytes"}}),
            "trained_through": _DATE,
            "created_at": _TIME,
            "activated_at": _TIME,
            "serving_key": _text(),
            "metrics": _by_name(_NUMBER, "of the run that chose it"),
            "baseline_metrics": _by_name(_NUMBER, "of the random walk in the same run"),
            "scores": _list({"type": "object"}, description="every family of that run by horizon"),
            "metadata": {"type": "object", "description": "metadata_props of the champion file"},
            "intervals": _list(_text(), description="what `level` may ask for, in percent"),
            "inputs": _object(
                {
                    "columns": _list(_text(), description="price columns, close first"),
                    "date": _YES_NO,
                    "target_date": _YES_NO,
                    "window": {**_WHOLE, "description": "closes that it needs"},
                },
                description="what a POST must send; with date or target_date also as_of",
            ),
            **_AGED,
        },
        "required": ["model_name", "generation", "champion", "activated_at", "metadata", "inputs", *_AGED],
    },
    "Figure": _object(
        {"value": _NUMBER, "low": {"type": ["number", "null"]}, "high": {"type": ["number", "null"]}},
        description="With the bounds of its 95 % confidence interval; null while there are too few days for one.",
    ),
    "RecordOfHorizon": _object(
        {
            "horizon": _WHOLE,
            "n": {**_WHOLE, "description": "forecasts whose outcome is known"},
            "pinball": {**_NUMBER, "description": "mean loss, percent of log return"},
            "coverage": _by_name(_ref("Figure"), "how often the central interval held, by its coverage in percent"),
            "skill": _by_name(_ref("Figure"), "1 - loss / the benchmark's loss, by benchmark"),
        }
    ),
    "RecordSummary": _object(
        {
            "days": _WHOLE,
            "from": _MAYBE_TEXT,
            "through": _MAYBE_TEXT,
            "horizons": _list(_ref("RecordOfHorizon")),
            "reliability": _list(
                _object({name: _NUMBER for name in ("from", "to", "share", "low", "high")}),
                description="how often outcomes fell into each tenth of the forecast distribution, and what chance "
                "makes of a tenth in 95 of 100 records of this length",
            ),
        }
    ),
    "RecordDay": {
        "type": "object",
        "description": "One official forecast and what came, one business day ahead.",
        "properties": {
            "as_of": _DATE,
            "target_date": _DATE,
            "kind": _text(enum=["live", "late"]),
            "generation": _WHOLE,
            "family": _text(),
            "close": _NUMBER,
            "outcome": _NUMBER,
            "pinball": _NUMBER,
            "pit": {**_NUMBER, "description": "the outcome's place in the forecast distribution"},
            "note": _text("what is odd about the prices"),
        },
        "required": ["as_of", "target_date", "kind", "close", "outcome", "pinball", "pit"],
        "additionalProperties": {"type": ["boolean", "null"]},
    },
    "TrackRecord": _object(
        {
            "pair": _PAIR,
            "kind": _text(enum=["live", "backtest"]),
            "summary": {"oneOf": [_ref("RecordSummary"), {"type": "null"}]},
            "days": _list(_ref("RecordDay"), description="the newest, none of a backtest"),
            **_FRESHNESS,
        }
    ),
    "History": _object({"pair": _PAIR, "days": _list(_ref("RecordDay")), **_FRESHNESS}),
    "Column": _list(
        {"type": "number", "minimum": LOWEST, "maximum": HIGHEST},
        minItems=1,
        maxItems=MAX_VALUES,
        description="prices, oldest first, the last today's; all columns of a series have the same length",
    ),
    "Series": _SERIES,
    "SeriesList": _object(
        {"series": _list(_ref("Series"), minItems=1, maxItems=MAX_SERIES)},
        description=f"Fewer where the forecasts of all would be over {MAX_FORECAST_BYTES // 10**6} MB of JSON.",
    ),
    "Sent": {"oneOf": [_ref("Series"), _ref("SeriesList")]},
    "Problem": _object(
        {
            "type": _text("RFC 9457: about:blank, as the status says what kind of problem it is"),
            "title": _text("the status in words"),
            "status": _WHOLE,
            "detail": _text("what is wrong"),
            "code": _text("for programs"),
            "field": _text("where, such as series[2].close[17]"),
            "cure": _text("what to do about it"),
            "error": _object(
                {"code": _text(), "message": _text("detail"), "field": _text(), "cure": _text()},
                optional=("field",),
                description="the same in the form before this one; the next version of the API leaves it out",
            ),
        },
        optional=("field",),
        description="Problem details (RFC 9457).",
    ),
}
