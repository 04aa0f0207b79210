"""Tensor protocols of the champion: the Open Inference Protocol (KServe, Triton) and MLflow's scoring protocol."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Annotated, Literal, NotRequired, TypedDict

from lambda_fn.champion.base import OUTPUTS, BaseChampion, Rows
from lambda_fn.champion.cache import Serving
from lambda_fn.champion.sandbox import SandboxedChampion
from lambda_fn.contract import DATE, FIRST_DAY, LAST_DAY, TARGET_DATE
from lambda_fn.web.errors import MAX_ANSWER_BYTES, MAX_SERIES, Problem, bad_body, format_name, format_value
from lambda_fn.web.price_body import parse_json, parse_prices, run
from lambda_fn.web.request import Request

NUMBER_BYTES = 24  # of a number in a response, at most
DATATYPES = ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
_TENSOR_CURE = 'send {"inputs": [{"name": "close", "shape": [1, n], "datatype": "FP64", "data": [...]}]}'
_DAYS_CURE = "send days since 1970-01-01 as whole numbers"
_FORM_CURES = {  # by form of MLflow's protocol
    "inputs": 'send an object, for example {"close": [[...]]}',
    "instances": 'send a list of objects, for example {"close": [...]}',
    "dataframe_split": 'send an object, for example {"columns": ["close"], "data": [[[...]]]}',
    "dataframe_records": 'send a list of objects, for example {"close": [...]}',
}


Shape = Annotated[list[Annotated[int, ("minimum", -1)]], ("minItems", 1)]
_Row = Annotated[list[float], "a whole window, oldest first, or the days of target_date", ("minItems", 1)]
_Rows = Annotated[list[_Row], ("minItems", 1), ("maxItems", MAX_SERIES)]
_Records = Annotated[
    list[Annotated[dict[str, _Row], "by the champion's inputs"]], ("minItems", 1), ("maxItems", MAX_SERIES)
]


class Tensor(TypedDict):
    name: str
    datatype: Literal["FP64", "INT64"]
    shape: Shape


class Model(TypedDict):
    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


class _Output(Tensor):
    data: list[float]


class Inferred(TypedDict):
    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[_Output]


class _Predictions(TypedDict):
    """Prices: quantiles [rows][days][levels] and mean [rows][days].

    Attributes:
        sd: standard deviation of the log return [rows][days], if the champion has this output.
    """

    quantiles: list[list[list[float]]]
    mean: list[list[float]]
    sd: NotRequired[list[list[float]]]


class Invoked(TypedDict):
    predictions: _Predictions


class _InputTensor(Tensor):
    data: Annotated[Annotated[list[float], ("minItems", 1)] | _Rows, "flat, or one row for each window"]


class _OutputName(TypedDict):
    name: Literal["quantiles", "mean", "sd"]


class Infer(TypedDict):
    id: NotRequired[Annotated[str, "returned in the response"]]
    inputs: Annotated[list[_InputTensor], ("minItems", 1)]
    outputs: NotRequired[list[_OutputName]]


class _Inputs(TypedDict):
    inputs: Annotated[dict[str, _Rows], "by input"]


class _Instances(TypedDict):
    instances: _Records


class _DataframeRecords(TypedDict):
    dataframe_records: _Records


class _Split(TypedDict):
    columns: list[str]
    data: Annotated[list[_Rows], ("maxItems", MAX_SERIES)]


class _DataframeSplit(TypedDict):
    dataframe_split: _Split


Invocation = _Inputs | _Instances | _DataframeRecords | _DataframeSplit


def input_lengths(champion: BaseChampion) -> dict[str, int]:
    """Return the champion's inputs with the length of a row of each."""
    metadata = champion.metadata
    return {name: metadata.horizon if name == TARGET_DATE else metadata.window for name in champion.inputs}


def parse_tensors(inputs: Mapping[str, object], champion: BaseChampion, prefix: str = "") -> Rows:
    """Parse each input as a list of rows [batch][length]: prices, or whole days since 1970-01-01.

    Raises Problem: 400 with the place, for example `inputs.close[2][17]`.
    """
    lengths = input_lengths(champion)
    for name in inputs:
        _check_name(name, lengths, prefix)
    tensors = {name: _parse_rows(f"{prefix}{name}", inputs.get(name), name, length) for name, length in lengths.items()}
    batch = len(tensors["close"])
    _check_batch(batch, champion, f"{prefix}close")
    for name, rows in tensors.items():
        if len(rows) != batch:
            place = f"{prefix}{name}"
            message = f"{place} has {len(rows)} rows, close has {batch}"
            raise bad_body(place, message, "send one row of each input for each window")
    return tensors


def _parse_rows(place: str, rows: object, name: str, length: int) -> Sequence[Sequence[float]]:
    """Parse the rows of one input.

    Args:
        place: the input's place in the body.
        rows: its JSON value; None if it is missing.
        name: its name, which tells days from prices.
        length: of each row.
    """
    if rows is None:
        raise bad_body(place, f"{place} is missing: the champion uses it", f"send rows of {length} values")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_SERIES:
        raise bad_body(place, f"{place} is {format_value(rows)}", f"send a list of 1 to {MAX_SERIES} rows")
    numbers: list[Sequence[float]] = []
    for i, row in enumerate(rows):
        if name not in (DATE, TARGET_DATE):
            numbers.append(parse_prices(f"{place}[{i}]", row))
            continue
        if not isinstance(row, list):
            raise bad_body(f"{place}[{i}]", f"{place}[{i}] is {format_value(row)}, not a list", _DAYS_CURE)
        for j, day in enumerate(row):
            if type(day) is not int or not FIRST_DAY <= day <= LAST_DAY:
                day_place = f"{place}[{i}][{j}]"
                raise bad_body(day_place, f"{day_place} is {format_value(day)}, not a day", _DAYS_CURE)
        numbers.append(row)
    for i, row in enumerate(numbers):
        if len(row) != length:
            message = f"{place}[{i}] has {len(row)} values, the champion needs {length}"
            raise bad_body(f"{place}[{i}]", message, f"send exactly {length}, oldest first")
    return numbers


def _check_name(name: str, names: Mapping[str, int], prefix: str) -> None:
    """Raise Problem (400) for a name that is not an input of the champion."""
    if name not in names:
        place = f"{prefix}{format_name(name)}"
        raise bad_body(place, f"{place} is not an input of the champion", f"valid names are {', '.join(names)}")


def _check_batch(batch: int, champion: BaseChampion, place: str) -> None:
    """Raise Problem (400) for more windows than a request may have, or than fit into a response."""
    numbers = champion.metadata.horizon * (len(champion.metadata.levels) + len(champion.outputs) - 1)
    max_batch = min(MAX_SERIES, max(MAX_ANSWER_BYTES // (NUMBER_BYTES * numbers), 1))
    if not 1 <= batch <= max_batch:
        raise bad_body(place, f"{place} has {batch} rows", f"send 1 to {max_batch} rows")


def model(serving: Serving, path_args: Mapping[str, str]) -> Model:
    """Describe the champion's tensors. Raises Problem (404) for another name or version in the path."""
    _check_model(serving, path_args)
    champion = serving.champion
    pointer = serving.active.pointer
    return {
        "name": pointer.model_name,
        "versions": [pointer.model_version],
        "platform": "onnxruntime_onnx",
        "inputs": [_describe_tensor(tensor, [-1, length]) for tensor, length in input_lengths(champion).items()],
        "outputs": [_describe_tensor(name, shape) for name, shape in _output_shapes(champion, -1).items()],
    }


def _output_shapes(champion: BaseChampion, batch: int) -> dict[str, list[int]]:
    """Return the champion's outputs with their shapes."""
    horizon, levels = champion.metadata.horizon, len(champion.metadata.levels)
    return {name: [batch, horizon, levels] if name == OUTPUTS[0] else [batch, horizon] for name in champion.outputs}


def infer(serving: Serving, request: Request) -> Inferred:
    """Run the champion by the Open Inference Protocol and return its outputs, not rounded.

    Raises Problem: 404 for another model, 400 for an invalid body, and as `run` does.
    """
    _check_model(serving, request.path_args)
    body = parse_json(request.body())
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), list):
        raise bad_body("inputs", f"the body is {format_value(body)} without a list of inputs", _TENSOR_CURE)
    names = input_lengths(serving.champion)
    if len(body["inputs"]) > len(names):
        raise bad_body("inputs", f"inputs has {len(body['inputs'])} tensors", f"send {', '.join(names)}, each once")
    inputs = dict(_parse_tensor(f"inputs[{i}]", tensor) for i, tensor in enumerate(body["inputs"]))
    tensors = parse_tensors(inputs, serving.champion)
    available = serving.champion.outputs
    match body.get("outputs"):
        case None:
            requested = list(available)
        case list() as items if all(isinstance(item, dict) and item.get("name") in available for item in items):
            requested = list(dict.fromkeys(item["name"] for item in items))
        case other:
            cure = f"name {', '.join(available[:-1])} and {available[-1]}, or omit it"
            raise bad_body("outputs", f"outputs is {format_value(other)}", cure)
    forecast = run(serving.champion, tensors, "inputs")
    days: Sequence[Sequence[float]] = list(chain.from_iterable(forecast.quantiles))
    numbers = {"quantiles": days, "mean": forecast.mean, "sd": forecast.sd or []}
    outputs: dict[str, _Output] = {
        name: {**_describe_tensor(name, shape), "data": list(chain.from_iterable(numbers[name]))}
        for name, shape in _output_shapes(serving.champion, len(forecast.mean)).items()
    }
    pointer = serving.active.pointer
    result: Inferred = {
        "model_name": pointer.model_name,
        "model_version": pointer.model_version,
        "outputs": [outputs[output] for output in requested],
    }
    if isinstance(body.get("id"), str):
        result["id"] = body["id"]
    return result


def _check_model(serving: Serving, path_args: Mapping[str, str]) -> None:
    """Raise Problem (404) for a model that is not the champion."""
    pointer, name, version = serving.active.pointer, path_args["name"], path_args.get("version")
    if name != pointer.model_name or version not in (None, pointer.model_version):
        model = name if version is None else f"{name}, version {version}"
        cure = f"use {pointer.model_name}, version {pointer.model_version}"
        raise Problem(404, "no_model", f"{model[:80]} is not the champion", cure, field="name")


def _describe_tensor(name: str, shape: list[int]) -> Tensor:
    return {"name": name, "datatype": "INT64" if name in (DATE, TARGET_DATE) else "FP64", "shape": shape}


def _parse_tensor(place: str, tensor: object) -> tuple[str, object]:
    """Return the name and the rows of a tensor. `data` may be flat or nested, according to its shape."""
    match tensor:
        case {
            "name": str() as name,
            "shape": [int() as rows, int() as length],
            "data": list() as data,
            **others,
        } if not (isinstance(rows, bool) or isinstance(length, bool)):
            if (datatype := others.get("datatype", "FP64")) not in DATATYPES:
                message = f"{place}.datatype is {format_value(datatype)}, not a type of numbers"
                raise bad_body(f"{place}.datatype", message, f"send one of {', '.join(DATATYPES)}")
            nested = bool(data) and isinstance(data[0], list)
            if rows < 1 or len(data) != (rows if nested else rows * length):
                count = f"{len(data)} {'rows' if nested else 'values'}"
                message = f"{place}.data has {count}, but its shape is [{rows}, {length}]"
                raise bad_body(f"{place}.data", message, "send as many values as the shape says")
            return name, data if nested else [data[row * length : (row + 1) * length] for row in range(rows)]
    message = f"{place} is {format_value(tensor)} without name, shape [rows, length] and data"
    raise bad_body(place, message, _TENSOR_CURE)


def invoke(champion: SandboxedChampion, data: bytes) -> Invoked:
    """Run the champion by MLflow's scoring protocol, as `infer` does by the other."""
    body = parse_json(data)
    cure = f"send one of {', '.join(_FORM_CURES)}"
    if not isinstance(body, dict):
        raise bad_body("body", f"the body is {format_value(body)}, not an object", cure)
    forms = [name for name in _FORM_CURES if name in body]
    if len(forms) != 1:
        raise bad_body("body", f"the body has {' and '.join(forms) or 'none of the forms'}", cure)
    [form] = forms
    inputs = parse_tensors(_read_columns(form, body[form], champion), champion, f"{form}.")
    forecast = run(champion, inputs, form)
    predictions: _Predictions = {"quantiles": forecast.quantiles, "mean": forecast.mean}
    if forecast.sd is not None:
        predictions["sd"] = forecast.sd
    return {"predictions": predictions}


def _read_columns(form: str, value: object, champion: BaseChampion) -> dict[str, object]:
    """Return a list of rows for each input of one of MLflow's forms; a row without an input is None there.

    Raises Problem (400) before anything is built of another form, too many rows, or a name that is not an input.
    """
    names = input_lengths(champion)
    match form, value:
        case "inputs", dict():
            return value
        case (("instances" | "dataframe_records"), list()) if value and all(isinstance(row, dict) for row in value):
            _check_batch(len(value), champion, form)
            for row in value:
                for name in row:
                    _check_name(name, names, f"{form}.")
            return {name: [row.get(name) for row in value] for name in names if any(name in row for row in value)}
        case "dataframe_split", {"columns": list() as columns, "data": list() as data} if all(
            isinstance(row, list) and len(row) == len(columns) for row in data
        ):
            _check_batch(len(data), champion, f"{form}.data")
            columns = list(map(str, columns))
            if len(set(columns)) < len(columns):
                raise bad_body(f"{form}.columns", f"{form}.columns has a name twice", "send each column once")
            for name in columns:
                _check_name(name, names, f"{form}.columns.")
            return {name: [row[columns.index(name)] for row in data] for name in names if name in columns}
    raise bad_body(form, f"{form} is {format_value(value)}", _FORM_CURES[form])
