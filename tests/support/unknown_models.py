"""A feature and an architecture that the project does not know, as ONNX by onnx.helper alone, and the same in numpy."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.support import foreign

Array = NDArray[np.float64]
STEPS, WIDTH = 16, 4  # of the attention: days looked at, and size of a head
RSI_DAYS = 14
SHAPE = 0.004 * np.sqrt(np.arange(1, foreign.HORIZON + 1))[:, None] * (np.array(foreign.LEVELS) - 0.5)[None, :]


def weights() -> dict[str, Array]:
    """The attention's matrices; large enough that every one of them shows in the forecast."""
    rng = np.random.default_rng(7)
    return {
        "query": 30 * rng.standard_normal((1, WIDTH)),
        "key": 30 * rng.standard_normal((1, WIDTH)),
        "value": rng.standard_normal((1, WIDTH)),
        "output": rng.standard_normal((WIDTH, foreign.HORIZON)),
    }


def attention_file() -> bytes:
    """Scaled dot-product self-attention over the last returns (Vaswani et al. 2017, equation 1)."""
    nodes = [
        helper.make_node("Slice", ["return", "from_16", "end", "axis"], ["recent"]),
        helper.make_node("Unsqueeze", ["recent", "two"], ["tokens"]),
        helper.make_node("MatMul", ["tokens", "query"], ["queries"]),
        helper.make_node("MatMul", ["tokens", "key"], ["keys"]),
        helper.make_node("MatMul", ["tokens", "value"], ["values"]),
        helper.make_node("Transpose", ["keys"], ["keys_t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["queries", "keys_t"], ["products"]),
        helper.make_node("Div", ["products", "root"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["attention"], axis=-1),
        helper.make_node("MatMul", ["attention", "values"], ["mixed"]),
        helper.make_node("ReduceMean", ["mixed", "axis"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "output"], ["log_mean"]),
    ]
    constants = {**weights(), "from_16": np.array([-STEPS]), "root": np.array(np.sqrt(WIDTH))}
    return _model(nodes, constants, "attention", ["Return"])


def attention_mean(close: Array) -> Array:
    """The same by numpy, [batch, horizon]."""
    w = weights()
    tokens = np.diff(np.log(close), axis=1)[:, -STEPS:, None]
    scores = (tokens @ w["query"]) @ (tokens @ w["key"]).transpose(0, 2, 1) / np.sqrt(WIDTH)
    attention = np.exp(scores - scores.max(axis=-1, keepdims=True))
    attention /= attention.sum(axis=-1, keepdims=True)
    log_mean = (attention @ (tokens @ w["value"])).mean(axis=1) @ w["output"]
    return np.asarray(close[:, -1:] * np.exp(log_mean))


def rsi_file() -> bytes:
    """A forecast from one new feature, the relative strength index of fourteen days (Wilder 1978)."""
    nodes = [
        helper.make_node("Slice", ["return", "from_14", "end", "axis"], ["recent"]),
        helper.make_node("Relu", ["recent"], ["gains"]),
        helper.make_node("Abs", ["recent"], ["moves"]),
        helper.make_node("ReduceSum", ["gains", "axis"], ["gain"], keepdims=1),
        helper.make_node("ReduceSum", ["moves", "axis"], ["move"], keepdims=1),
        helper.make_node("Div", ["gain", "move"], ["rsi"]),
        helper.make_node("MatMul", ["rsi", "slope"], ["log_mean"]),
    ]
    constants = {"from_14": np.array([-RSI_DAYS]), "slope": _slope()}
    return _model(nodes, constants, "rsi", ["RSI_14"])


def rsi_mean(close: Array) -> Array:
    """The same by numpy, [batch, horizon]."""
    recent = np.diff(np.log(close), axis=1)[:, -RSI_DAYS:]
    rsi = np.maximum(recent, 0).sum(axis=1, keepdims=True) / np.abs(recent).sum(axis=1, keepdims=True)
    return np.asarray(close[:, -1:] * np.exp(rsi @ _slope()))


def _slope() -> Array:
    return 0.001 * np.arange(1.0, foreign.HORIZON + 1)[None, :]


def _model(
    nodes: Sequence[onnx.NodeProto], constants: dict[str, NDArray[np.generic]], family: str, features: Sequence[str]
) -> bytes:
    """The log returns before the nodes, and the distribution around `log_mean` after them."""
    shared: dict[str, NDArray[np.generic]] = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "minus_one": np.array([-1]),
        "end": np.array([foreign.WINDOW]),
        "axis": np.array([1]),
        "two": np.array([2]),
        "shape": SHAPE[None],
    }
    before = [
        helper.make_node("Log", ["close"], ["log_close"]),
        helper.make_node("Slice", ["log_close", "one", "end", "axis"], ["later"]),
        helper.make_node("Slice", ["log_close", "zero", "minus_one", "axis"], ["earlier"]),
        helper.make_node("Sub", ["later", "earlier"], ["return"]),
    ]
    after = [
        helper.make_node("Slice", ["close", "minus_one", "end", "axis"], ["last"]),
        helper.make_node("Exp", ["log_mean"], ["growth"]),
        helper.make_node("Mul", ["last", "growth"], ["mean"]),
        helper.make_node("Unsqueeze", ["mean", "two"], ["column"]),
        helper.make_node("Exp", ["shape"], ["factor"]),
        helper.make_node("Mul", ["column", "factor"], ["quantiles"]),
    ]
    double = TensorProto.DOUBLE
    graph = helper.make_graph(
        [*before, *nodes, *after],
        family,
        [helper.make_tensor_value_info("close", double, ["batch", foreign.WINDOW])],
        [
            helper.make_tensor_value_info("quantiles", double, ["batch", "step", "level"]),
            helper.make_tensor_value_info("mean", double, ["batch", "step"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in {**shared, **constants}.items()],
    )
    return foreign.with_props(graph, foreign.metadata(family=family, features=tuple(features)).to_props())
