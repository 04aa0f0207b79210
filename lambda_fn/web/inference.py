"""The Open Inference Protocol, version 2, for the champion: what KServe's and Triton's clients ask over HTTP.

Source: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from itertools import chain
from typing import Any

from lambda_fn.champion.cache import Serving
from lambda_fn.contract import DATE, TARGET_DATE
from lambda_fn.web import tensors
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.problem import Problem, bad_body, shown
from lambda_fn.web.series import json_of

SERVER: JsonObject = {"name": "eurusd-forecast", "version": "2", "extensions": []}
OUTPUTS = ("quantiles", "mean")
DATATYPES = ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
_CURE = 'send {"inputs": [{"name": "close", "shape": [1, n], "datatype": "FP64", "data": [...]}]}'


def model(serving: Serving, name: str, version: str | None) -> JsonObject:
    """The champion's tensors; raises Problem (404) for another name or version."""
    _check_named(serving, name, version)
    champion = serving.champion
    inputs = [_described(tensor, [-1, length]) for tensor, length in tensors.lengths(champion).items()]
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
    names = tensors.lengths(serving.champion)
    if len(found["inputs"]) > len(names):
        raise bad_body("inputs", f"inputs has {len(found['inputs'])} tensors", f"send {', '.join(names)}, each once")
    rows = {}
    for i, tensor in enumerate(found["inputs"]):
        input_name, values = _parse_tensor(f"inputs[{i}]", tensor)
        rows[input_name] = values
    forecast = tensors.run(serving.champion, tensors.parse_tensors(rows, serving.champion), "inputs")
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
