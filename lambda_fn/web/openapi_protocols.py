"""Schemas of the protocols that others made. Serving never imports this."""

from lambda_fn.web.errors import MAX_SERIES
from lambda_fn.web.openapi_types import NUMBER, YES_NO, JsonSchema, by_name, closed, list_of, ref, text

_SHAPE = list_of({"type": "integer", "minimum": -1}, minItems=1)
_DATATYPE = text(enum=["FP64", "INT64"])
_ROW = list_of(NUMBER, minItems=1, description="a whole window, oldest first, or the days of target_date")
_ROWS = list_of(_ROW, minItems=1, maxItems=MAX_SERIES)
_RECORDS = list_of(by_name(_ROW, "by the champion's inputs"), minItems=1, maxItems=MAX_SERIES)
_DATA = {"oneOf": [list_of(NUMBER, minItems=1), _ROWS], "description": "flat, or a row a window"}

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
            "id": text("comes back with the answer"),
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
                {
                    "quantiles": list_of(list_of(list_of(NUMBER))),
                    "mean": list_of(list_of(NUMBER)),
                },
                description="prices: quantiles [rows][days][levels] and mean [rows][days]",
            )
        }
    ),
}
