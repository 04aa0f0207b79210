"""The champion by the Open Inference Protocol (KServe, Triton) and MLflow's scoring protocol: tensors, not prices."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from lambda_fn.champion.base import BaseChampion, Died, ForecastError, Rows, TooSlow
from lambda_fn.champion.cache import Serving
from lambda_fn.champion.sandbox import Forecast, SandboxedChampion
from lambda_fn.contract import DATE, FIRST_DAY, LAST_DAY, TARGET_DATE
from lambda_fn.store.object_store import Unavailable
from lambda_fn.web.errors import MAX_ANSWER_BYTES, MAX_SERIES, Problem, bad_body, shown, shown_name
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.price_body import json_of, parse_prices

NUMBER_BYTES = 24  # of a number in an answer, at most


def lengths(champion: BaseChampion) -> dict[str, int]:
    """The inputs that the champion wants, and how long a row of each is."""
    window, horizon = champion.metadata.window, champion.metadata.horizon
    dates = {DATE: window} if champion.wants_date else {}
    targets = {TARGET_DATE: horizon} if champion.wants_target_date else {}
    return {**dict.fromkeys(champion.columns, window), **dates, **targets}


def parse_tensors(found: Mapping[str, object], champion: BaseChampion, prefix: str = "") -> Rows:
    """Each input [batch][length], prices and whole days since 1970-01-01, from lists of rows.

    Raises Problem: 400 naming the place, such as `inputs.close[2][17]`.
    """
    wanted = lengths(champion)
    for name in found:
        check_name(name, wanted, prefix)
    tensors = {name: _tensor(f"{prefix}{name}", found.get(name), name, length) for name, length in wanted.items()}
    batch = len(tensors["close"])
    check_rows(batch, champion, f"{prefix}close")
    for name, rows in tensors.items():
        if len(rows) != batch:
            place = f"{prefix}{name}"
            raise bad_body(place, f"{place} has {len(rows)} rows, close has {batch}", "send one row of each a window")
    return tensors


def run(champion: SandboxedChampion, tensors: Rows, place: str, several: str = "rows") -> Forecast:
    """quantiles [batch][horizon][levels] and mean [batch][horizon], prices; raises Problem. `several` is what a caller
    sends of windows: fewer of them are the cure for what takes too long."""
    try:
        return champion.plausible_forecast(tensors)
    except (Died, TooSlow, Unavailable) as error:
        raise unanswered(error, several) from error
    except ForecastError as error:
        raise bad_body(place, str(error), "check the prices") from error


def unanswered(error: Died | TooSlow | Unavailable, several: str) -> Problem:
    """Return the 503 of a champion that was stopped, that ended the process that ran it, or that no process can run."""
    if isinstance(error, TooSlow):
        return Problem(503, "too_slow", str(error), f"send fewer {several} at once", headers={"Retry-After": "1"})
    if isinstance(error, Unavailable):
        return Problem(503, "busy", "no process can run the champion now", "try again", headers={"Retry-After": "5"})
    cure = "ask GET /api/predict for the official forecast; the operator publishes another champion"
    return Problem(503, "champion_failed", str(error), cure, headers={"Retry-After": "60"})


def _tensor(place: str, rows: object, name: str, length: int) -> Sequence[Sequence[float]]:
    if rows is None:
        raise bad_body(place, f"{place} is missing: the champion uses it", f"send rows of {length} values")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_SERIES:
        raise bad_body(place, f"{place} is {shown(rows)}", f"send a list of 1 to {MAX_SERIES} rows")
    read = _days if name in (DATE, TARGET_DATE) else parse_prices
    found: list[Sequence[float]] = [read(f"{place}[{i}]", row) for i, row in enumerate(rows)]
    for i, row in enumerate(found):
        if len(row) != length:
            words = f"{place}[{i}] has {len(row)} values, the champion takes {length}"
            raise bad_body(f"{place}[{i}]", words, f"send exactly {length}, oldest first")
    return found


def _days(place: str, values: object) -> list[int]:
    if not isinstance(values, list):
        raise bad_body(place, f"{place} is {shown(values)}", "send a list of days since 1970-01-01")
    for i, value in enumerate(values):
        if type(value) is not int or not FIRST_DAY <= value <= LAST_DAY:
            words = f"{place}[{i}] is {shown(value)}, no day"
            raise bad_body(f"{place}[{i}]", words, "send days since 1970-01-01 as whole numbers")
    return values


def columns_of(rows: Sequence[Mapping[str, object]], champion: BaseChampion, prefix: str) -> dict[str, object]:
    """Turn rows of named values into a list for each input; a name that a row lacks is None there.

    Raises Problem: 400 for too many rows, and for a name that is no input, before anything is built of them.
    """
    check_rows(len(rows), champion, prefix.rstrip("."))
    names = lengths(champion)
    for row in rows:
        for name in row:
            check_name(name, names, prefix)
    return {name: [row.get(name) for row in rows] for name in names if any(name in row for row in rows)}


def check_name(name: str, names: Mapping[str, int], prefix: str) -> None:
    """Raise Problem (400) for a name that is no input of the champion."""
    if name not in names:
        place = f"{prefix}{shown_name(name)}"
        raise bad_body(place, f"{place} is no input of the champion", f"send {', '.join(names)}")


def check_rows(rows: int, champion: BaseChampion, place: str) -> None:
    """Raise Problem (400) for more windows than a request may have, or than an answer has room for."""
    numbers = champion.metadata.horizon * (len(champion.metadata.levels) + 1)
    most = min(MAX_SERIES, max(MAX_ANSWER_BYTES // (NUMBER_BYTES * numbers), 1))
    if not 1 <= rows <= most:
        raise bad_body(place, f"{place} has {rows} rows", f"send 1 to {most} rows")


OUTPUTS = ("quantiles", "mean")
DATATYPES = ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
_CURE = 'send {"inputs": [{"name": "close", "shape": [1, n], "datatype": "FP64", "data": [...]}]}'


def model(serving: Serving, name: str, version: str | None) -> JsonObject:
    """The champion's tensors; raises Problem (404) for another name or version."""
    _check_named(serving, name, version)
    champion = serving.champion
    inputs = [_described(tensor, [-1, length]) for tensor, length in lengths(champion).items()]
    horizon, levels = champion.metadata.horizon, len(champion.metadata.levels)
    outputs = [_described("quantiles", [-1, horizon, levels]), _described("mean", [-1, horizon])]
    pointer = serving.active.pointer
    return {
        "name": pointer.model_name,
        "versions": [pointer.model_version],
        "platform": "onnxruntime_onnx",
        "inputs": inputs,
        "outputs": outputs,
    }


def infer(serving: Serving, name: str, version: str | None, body: bytes) -> JsonObject:
    """The champion's outputs for these inputs, as it gives them."""
    _check_named(serving, name, version)
    found = json_of(body)
    if not isinstance(found, dict) or not isinstance(found.get("inputs"), list):
        raise bad_body("inputs", f"the body is {shown(found)} without a list of inputs", _CURE)
    names = lengths(serving.champion)
    if len(found["inputs"]) > len(names):
        raise bad_body("inputs", f"inputs has {len(found['inputs'])} tensors", f"send {', '.join(names)}, each once")
    rows = {}
    for i, tensor in enumerate(found["inputs"]):
        input_name, values = _parse_tensor(f"inputs[{i}]", tensor)
        rows[input_name] = values
    forecast = run(serving.champion, parse_tensors(rows, serving.champion), "inputs")
    batch, horizon, levels = len(forecast.mean), len(forecast.mean[0]), len(forecast.quantiles[0][0])
    days = chain.from_iterable(forecast.quantiles)
    outputs: dict[str, JsonObject] = {
        "quantiles": {"shape": [batch, horizon, levels], "data": list(chain.from_iterable(days))},
        "mean": {"shape": [batch, horizon], "data": list(chain.from_iterable(forecast.mean))},
    }
    pointer = serving.active.pointer
    return {
        "model_name": pointer.model_name,
        "model_version": pointer.model_version,
        **({"id": found["id"]} if isinstance(found.get("id"), str) else {}),
        "outputs": [
            {**_described(name, outputs[name]["shape"]), "data": outputs[name]["data"]}
            for name in _requested(found.get("outputs"))
        ],
    }


def _check_named(serving: Serving, name: str, version: str | None) -> None:
    pointer = serving.active.pointer
    if name != pointer.model_name or version not in (None, pointer.model_version):
        cure = f"ask for {pointer.model_name}, version {pointer.model_version}"
        asked = name if version is None else f"{name}, version {version}"
        raise Problem(404, "no_model", f"{asked[:80]} is not the champion", cure, field="name")


def _described(name: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": "INT64" if name in (DATE, TARGET_DATE) else "FP64", "shape": shape}


def _parse_tensor(place: str, tensor: object) -> tuple[str, object]:
    """Its name and its rows; `data` may be flat or nested, as its shape says."""
    match tensor:
        case {
            "name": str() as name,
            "shape": [int() as rows, int() as length],
            "data": list() as data,
            **others,
        } if not (isinstance(rows, bool) or isinstance(length, bool)):
            if (datatype := others.get("datatype", "FP64")) not in DATATYPES:
                words = f"{place}.datatype is {shown(datatype)}, and prices are numbers"
                raise bad_body(f"{place}.datatype", words, f"send one of {', '.join(DATATYPES)}")
            nested = bool(data) and isinstance(data[0], list)
            if rows < 1 or len(data) != (rows if nested else rows * length):
                words = (
                    f"{place}.data has {len(data)} {'rows' if nested else 'values'}, its shape is [{rows}, {length}]"
                )
                raise bad_body(f"{place}.data", words, "send as many values as the shape says")
            return name, data if nested else [data[row * length : (row + 1) * length] for row in range(rows)]
    raise bad_body(place, f"{place} is {shown(tensor)} without name, shape [rows, length] and data", _CURE)


def _requested(outputs: object) -> list[str]:
    """Return the names of the requested outputs, by default all."""
    if outputs is None:
        return list(OUTPUTS)
    match outputs:
        case list() if all(isinstance(output, dict) and output.get("name") in OUTPUTS for output in outputs):
            return list(dict.fromkeys(output["name"] for output in outputs))
    raise bad_body("outputs", f"outputs is {shown(outputs)}", f"name {' and '.join(OUTPUTS)}, or leave it out")


FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
CURE = f"send one of {', '.join(FORMS)}"


def answer(champion: SandboxedChampion, body: bytes) -> JsonObject:
    """`predictions` with quantiles and mean of each row, as the champion gives them."""
    found = json_of(body)
    if not isinstance(found, dict):
        raise bad_body("body", f"the body is {shown(found)}, not an object", CURE)
    forms = [name for name in FORMS if name in found]
    if len(forms) != 1:
        given = " and ".join(forms) or "none of the forms"
        raise bad_body("body", f"the body has {given}", CURE)
    [form] = forms
    inputs = parse_tensors(_columns(form, found[form], champion), champion, f"{form}.")
    forecast = run(champion, inputs, form)
    return {"predictions": {"quantiles": forecast.quantiles, "mean": forecast.mean}}


def _columns(form: str, value: object, champion: BaseChampion) -> dict[str, object]:
    match form, value:
        case "inputs", dict():
            return value
        case (("instances" | "dataframe_records"), list()) if value and all(isinstance(row, dict) for row in value):
            return columns_of(value, champion, f"{form}.")
        case "dataframe_split", {"columns": list() as names, "data": list() as rows} if all(
            isinstance(row, list) and len(row) == len(names) for row in rows
        ):
            check_rows(len(rows), champion, f"{form}.data")
            if len(set(map(str, names))) < len(names):
                raise bad_body(f"{form}.columns", f"{form}.columns has a name twice", "send each column once")
            for name in names:
                check_name(str(name), lengths(champion), f"{form}.columns.")
            named = [dict(zip(map(str, names), row, strict=True)) for row in rows]
            return columns_of(named, champion, f"{form}.")
    raise bad_body(form, f"{form} is {shown(value)}", _CURES[form])


_CURES = {
    "inputs": 'send an object such as {"close": [[...]]}',
    "instances": 'send a list of objects such as {"close": [...]}',
    "dataframe_records": 'send a list of objects such as {"close": [...]}',
    "dataframe_split": 'send an object such as {"columns": ["close"], "data": [[[...]]]}',
}
