"""Schemas of the OpenAPI document: forecasts, the service, the protocols and request bodies."""

from typing import Any

from lambda_fn.prices.plausibility import HIGHEST, LOWEST
from lambda_fn.record.interpolation import MIN_PROBABILITY
from lambda_fn.web.errors import MAX_SERIES
from lambda_fn.web.forecast import PRICE_DECIMALS, RETURN_DECIMALS
from lambda_fn.web.price_body import MAX_COLUMNS, MAX_FORECAST_BYTES, MAX_VALUES

JsonSchema = dict[str, Any]


def closed(properties: dict[str, JsonSchema], optional: tuple[str, ...] = (), description: str = "") -> JsonSchema:
    """Return an object without further members; those that are not optional are required."""
    return {
        "type": "object",
        **({"description": description} if description else {}),
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def ref(name: str) -> JsonSchema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", **keywords: Any) -> JsonSchema:
    """Return a string with further JSON Schema keywords."""
    return {"type": "string", **({"description": description} if description else {}), **keywords}


def list_of(items: JsonSchema, **keywords: Any) -> JsonSchema:
    """Return an array with further JSON Schema keywords."""
    return {"type": "array", "items": items, **keywords}


def by_name(values: JsonSchema, description: str) -> JsonSchema:
    """Return an object with any names."""
    return {"type": "object", "description": description, "additionalProperties": values}


NUMBER: JsonSchema = {"type": "number"}
WHOLE: JsonSchema = {"type": "integer"}
YES_NO: JsonSchema = {"type": "boolean"}
DATE = text(format="date")
TIME = text("UTC, ISO 8601", format="date-time")
SHA256 = text(pattern="^[0-9a-f]{64}$")
MAYBE_TEXT: JsonSchema = {"type": ["string", "null"]}
PAIR = text("currency pair, for example EURUSD", pattern="^[A-Z]{6}$")
FRESHNESS: dict[str, JsonSchema] = {
    "checked_at": {
        **TIME,
        "description": "last successful check of the store for a newer forecast, champion or record",
    },
    "stale": {
        **YES_NO,
        "description": "true if the store has failed since, a newer forecast could not be made, or the forecast is "
        "late or expired",
    },
    "stale_reason": MAYBE_TEXT,
}

_SCORE: JsonSchema = {
    "type": "object",
    "description": "Out-of-sample scores at one horizon, from yearly refits: mean pinball loss over the levels, of the "
    "log return in percent, and skill_*, the fraction by which it is below a baseline's loss (0.05 is 5 % less).",
    "properties": {"horizon": WHOLE, "pinball": NUMBER},
    "additionalProperties": {"type": ["number", "string", "null"]},
}
_DISTRIBUTION: dict[str, JsonSchema] = {
    "mean": {**NUMBER, "description": "point forecast"},
    "median": NUMBER,
    "quantiles": by_name(NUMBER, 'by level, for example "0.05"; non-decreasing'),
    "intervals": by_name(ref("Interval"), 'central intervals by coverage in percent, for example "80"'),
}
_AGED: dict[str, JsonSchema] = {"age": ref("Age"), **FRESHNESS}
_FORECAST: dict[str, JsonSchema] = {
    "as_of": {"type": ["string", "null"], "format": "date", "description": "date of the last close, if known"},
    "last_close": {**NUMBER, "description": "last close of the prices"},
    "forecast": list_of(ref("Day"), minItems=1),
}
_SOURCE: dict[str, JsonSchema] = {
    "champion": ref("ChampionSummary"),
    "prices": text("source of the prices: ecb, csv, or request for prices in the body"),
    **FRESHNESS,
}
_SUMMARY: dict[str, JsonSchema] = {
    "name": text("registered name of the model"),
    "type": text(),
    "version": text(),
    "generation": {**WHOLE, "description": "deployment number; each published champion has a higher one"},
    "sha256": SHA256,
    "family": text(),
    "trained_through": DATE,
    "features": list_of(text()),
    "scores": list_of(_SCORE, description="scores against the baselines, by horizon"),
    "run_id": MAYBE_TEXT,
    "activated_at": TIME,
}

FORECAST_SCHEMAS: dict[str, JsonSchema] = {
    "Index": closed({"routes": by_name(text(), "summary by method and path")}),
    "Document": {"type": "object", "description": "OpenAPI 3.1"},
    "Interval": closed({"lower": NUMBER, "upper": NUMBER}),
    "Distribution": closed(_DISTRIBUTION),
    "Day": closed(
        {
            "date": {"type": ["string", "null"], "format": "date", "description": "null if as_of is unknown"},
            "horizon": {**WHOLE, "minimum": 1, "description": "business days after the last close"},
            **_DISTRIBUTION,
            "returns": ref("Distribution"),
        },
        description=f"Prices, rounded to {PRICE_DECIMALS} decimals. `returns` has the same distribution as simple "
        f"returns, price / last_close - 1, rounded to {RETURN_DECIMALS} decimals.",
    ),
    "ChampionSummary": closed(_SUMMARY),
    "Age": closed(
        {
            "business_days": {
                **WHOLE,
                "minimum": 0,
                "description": "business days that have begun since the last close",
            },
            "state": text(
                "late from two business days on; expired when every forecast day has begun",
                enum=["fresh", "late", "expired"],
            ),
            "sentence": text("the age as a sentence"),
        },
        description="Age of the forecast's prices.",
    ),
    "Official": closed(
        {
            "pair": PAIR,
            **_FORECAST,
            "champion": ref("ChampionSummary"),
            "prices": text("source of the prices: ecb or csv"),
            "made_at": {**TIME, "description": "time at which this forecast was issued and stored"},
            **_AGED,
        }
    ),
    "Probability": closed(
        {
            "pair": PAIR,
            "as_of": {**DATE, "description": "date of the last close"},
            "last_close": NUMBER,
            "date": {**DATE, "description": "the forecast day"},
            "horizon": {**WHOLE, "minimum": 1, "description": "its business days after the last close"},
            "below": {**NUMBER, "description": "the price of the query, or the price for the query's probability"},
            "above": {**NUMBER, "description": "the price of the query"},
            "probability": {**NUMBER, "minimum": MIN_PROBABILITY, "maximum": 1 - MIN_PROBABILITY},
            "bound": {
                "enum": ["at_most", "at_least", None],
                "description": "at_most or at_least if `probability` is only a bound",
            },
            "sentence": text("the answer as a sentence"),
            **_AGED,
        },
        optional=("below", "above"),
    ),
    "Prediction": closed({"pair": PAIR, **_FORECAST, **_SOURCE}),
    "OfSeries": closed(_FORECAST),
    "PredictionOfSeries": closed({"pair": PAIR, "series": list_of(ref("OfSeries"), minItems=1), **_SOURCE}),
    "PredictionOrSeries": {"oneOf": [ref("Prediction"), ref("PredictionOfSeries")]},
    "Health": closed(
        {
            "status": text(enum=["ok", "late", "expired"]),
            "pair": PAIR,
            "champion": closed(
                {
                    **{name: _SUMMARY[name] for name in ("name", "type", "version", "generation", "sha256")},
                    "activated_at": TIME,
                    "age_s": {**NUMBER, "description": "seconds since activation"},
                }
            ),
            "prices": text("source of the prices: ecb or csv"),
            "as_of": {**DATE, "description": "date of the last close"},
            "as_of_age_days": {**WHOLE, "description": "calendar days since then"},
            **_AGED,
        }
    ),
    "Champion": {
        "type": "object",
        "description": "The pointer best_model_info.json without its golden forecasts, and fields of the service.",
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
            "events_known_through": {**DATE, "description": "last day of the champion's calendar of scheduled news"},
            "event_days_left": {"type": "integer", "description": "calendar days until then"},
            "created_at": TIME,
            "activated_at": TIME,
            "serving_key": text(),
            "metrics": by_name(NUMBER, "metrics of the training run that selected it"),
            "baseline_metrics": by_name(NUMBER, "metrics of the random walk in the same run"),
            "scores": list_of({"type": "object"}, description="scores of every model in that run, by horizon"),
            "metadata": {"type": "object", "description": "metadata_props of the champion file"},
            "intervals": list_of(text(), description="values of `level`, in percent"),
            "inputs": closed(
                {
                    "columns": list_of(text(), description="price columns, close first"),
                    "date": YES_NO,
                    "target_date": YES_NO,
                    "window": {**WHOLE, "description": "number of closes that it needs"},
                },
                description="required members of a POST; as_of is required, too, if date or target_date is true",
            ),
            **_AGED,
        },
        "required": ["model_name", "generation", "champion", "activated_at", "metadata", "inputs", *_AGED],
    },
}

_SHAPE = list_of({"type": "integer", "minimum": -1}, minItems=1)
_DATATYPE = text(enum=["FP64", "INT64"])
_ROW = list_of(NUMBER, minItems=1, description="a whole window, oldest first, or the days of target_date")
_ROWS = list_of(_ROW, minItems=1, maxItems=MAX_SERIES)
_RECORDS = list_of(by_name(_ROW, "by the champion's inputs"), minItems=1, maxItems=MAX_SERIES)
_DATA = {"oneOf": [list_of(NUMBER, minItems=1), _ROWS], "description": "flat, or one row for each window"}

PROTOCOL_SCHEMAS: dict[str, JsonSchema] = {
    "Nothing": {"type": "object", "additionalProperties": False},
    "Live": closed({"live": YES_NO}),
    "Ready": closed({"ready": YES_NO}),
    "ModelReady": closed({"name": text(), "ready": YES_NO}),
    "ServerMetadata": closed({"name": text(), "version": text(), "extensions": list_of(text())}),
    "Tensor": closed({"name": text(), "datatype": _DATATYPE, "shape": _SHAPE}),
    "Model": closed(
        {
            "name": text(),
            "versions": list_of(text()),
            "platform": text(),
            "inputs": list_of(ref("Tensor")),
            "outputs": list_of(ref("Tensor")),
        }
    ),
    "Infer": {
        "type": "object",
        "properties": {
            "id": text("returned in the response"),
            "inputs": list_of(
                {
                    "type": "object",
                    "properties": {"name": text(), "datatype": _DATATYPE, "shape": _SHAPE, "data": _DATA},
                    "required": ["name", "shape", "datatype", "data"],
                },
                minItems=1,
            ),
            "outputs": list_of(
                {"type": "object", "properties": {"name": text(enum=["quantiles", "mean"])}, "required": ["name"]}
            ),
        },
        "required": ["inputs"],
    },
    "Inferred": closed(
        {
            "model_name": text(),
            "model_version": text(),
            "id": text(),
            "outputs": list_of(
                closed({"name": text(), "datatype": _DATATYPE, "shape": _SHAPE, "data": list_of(NUMBER)})
            ),
        },
        optional=("id",),
    ),
    "Invocation": {
        "oneOf": [
            {"type": "object", "properties": {"inputs": by_name(_ROWS, "by input")}, "required": ["inputs"]},
            {"type": "object", "properties": {"instances": _RECORDS}, "required": ["instances"]},
            {"type": "object", "properties": {"dataframe_records": _RECORDS}, "required": ["dataframe_records"]},
            {
                "type": "object",
                "properties": {
                    "dataframe_split": {
                        "type": "object",
                        "properties": {"columns": list_of(text()), "data": list_of(_ROWS, maxItems=MAX_SERIES)},
                        "required": ["columns", "data"],
                    }
                },
                "required": ["dataframe_split"],
            },
        ]
    },
    "Invoked": closed(
        {
            "predictions": closed(
                {"quantiles": list_of(list_of(list_of(NUMBER))), "mean": list_of(list_of(NUMBER))},
                description="prices: quantiles [rows][days][levels] and mean [rows][days]",
            )
        }
    ),
}

BODY_SCHEMAS: dict[str, JsonSchema] = {
    "Column": list_of(
        {"type": "number", "minimum": LOWEST, "maximum": HIGHEST},
        minItems=1,
        maxItems=MAX_VALUES,
        description="prices, oldest first, the last one today's; all columns of a series have the same length",
    ),
    "Series": {
        "type": "object",
        "properties": {
            "close": ref("Column"),
            "as_of": text("date of the last close; dates the response, required by some champions", format="date"),
        },
        "required": ["close"],
        "additionalProperties": ref("Column"),
        "maxProperties": MAX_COLUMNS + 1,
    },
    "SeriesList": closed(
        {"series": list_of(ref("Series"), minItems=1, maxItems=MAX_SERIES)},
        description=f"Fewer series if their forecasts would exceed {MAX_FORECAST_BYTES // 10**6} MB of JSON.",
    ),
    "Sent": {"oneOf": [ref("Series"), ref("SeriesList")]},
    "Problem": closed(
        {
            "type": text("RFC 9457: about:blank, because the status says what kind of problem it is"),
            "title": text("name of the status"),
            "status": WHOLE,
            "detail": text("what is wrong"),
            "code": text("for programs"),
            "field": text("place in the request, for example series[2].close[17]"),
            "cure": text("what to do about it"),
            "error": closed(
                {"code": text(), "message": text("detail"), "field": text(), "cure": text()},
                optional=("field",),
                description="the same in the older format, which the next version of the API drops",
            ),
        },
        optional=("field",),
        description="Problem details (RFC 9457).",
    ),
}
