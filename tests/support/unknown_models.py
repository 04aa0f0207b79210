"""Features and architectures that the project does not know, as ONNX by onnx.helper alone, and the same in numpy."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestRegressor

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


HIDDEN = 8


def lstm_weights() -> dict[str, NDArray[np.float32]]:
    """In ONNX's form: the gates input, output, forget, cell one below the other."""
    rng = np.random.default_rng(11)
    shapes = {
        "w": (1, 4 * HIDDEN, 1),
        "r": (1, 4 * HIDDEN, HIDDEN),
        "b": (1, 8 * HIDDEN),
        "head": (foreign.HORIZON, HIDDEN),
        "bias": (foreign.HORIZON,),
    }
    scale = {"w": 20.0, "head": 0.003, "bias": 0.0005}
    numbers = {name: scale.get(name, 0.3) * rng.standard_normal(shape) for name, shape in shapes.items()}
    return {name: values.astype(np.float32) for name, values in numbers.items()}


def lstm_file() -> bytes:
    """An LSTM over the last returns with a linear head, in the nodes that PyTorch's exporter writes for such a module.

    The initial states are zeros of the size of the batch, which is taken from the shape of the input.
    """
    nodes = [
        helper.make_node("Slice", ["return", "from_16", "end", "axis"], ["recent"]),
        helper.make_node("Cast", ["recent"], ["recent_32"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["recent_32", "two"], ["batch_first"]),
        helper.make_node("Shape", ["batch_first"], ["dims"]),
        helper.make_node("Gather", ["dims", "index_0"], ["batch_size"], axis=0),
        helper.make_node("Unsqueeze", ["batch_size", "zero"], ["batch_dim"]),
        helper.make_node("Concat", ["one", "batch_dim", "hidden_dim"], ["state_shape"], axis=0),
        helper.make_node("Expand", ["zero_32", "state_shape"], ["h_0"]),
        helper.make_node("Expand", ["zero_32", "state_shape"], ["c_0"]),
        helper.make_node("Transpose", ["batch_first"], ["time_first"], perm=[1, 0, 2]),
        helper.make_node(
            "LSTM", ["time_first", "w", "r", "b", "", "h_0", "c_0"], ["states", "h_n", "c_n"], hidden_size=HIDDEN
        ),
        helper.make_node("Squeeze", ["states", "one"], ["outputs"]),
        helper.make_node("Transpose", ["outputs"], ["outputs_batch_first"], perm=[1, 0, 2]),
        helper.make_node("Gather", ["outputs_batch_first", "index_last"], ["last_output"], axis=1),
        helper.make_node("Gemm", ["last_output", "head", "bias"], ["log_mean_32"], alpha=1.0, beta=1.0, transB=1),
        helper.make_node("Cast", ["log_mean_32"], ["log_mean"], to=TensorProto.DOUBLE),
    ]
    constants: dict[str, NDArray[np.generic]] = {
        **lstm_weights(),
        "from_16": np.array([-STEPS]),
        "index_0": np.array(0),
        "index_last": np.array(-1),
        "hidden_dim": np.array([HIDDEN]),
        "zero_32": np.zeros((1, 1, 1), np.float32),
    }
    return _model(nodes, constants, "torch_lstm", ["Return"])


def lstm_mean(close: Array) -> Array:
    """The same by numpy, [batch, horizon]."""
    weights = {name: value.astype(np.float64) for name, value in lstm_weights().items()}
    w, r, (bias_w, bias_r) = weights["w"][0], weights["r"][0], np.split(weights["b"][0], 2)
    h = c = np.zeros((len(close), HIDDEN))
    for returns in np.diff(np.log(close), axis=1)[:, -STEPS:].astype(np.float32).T:
        gates = returns[:, None] @ w.T + h @ r.T + bias_w + bias_r
        i, o, f, g = np.split(gates, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
    return np.asarray(close[:, -1:] * np.exp(h @ weights["head"].T + weights["bias"]))


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def forest() -> RandomForestRegressor:
    """A scikit-learn forest that forecasts all days from the last returns, fitted on noise."""
    rng = np.random.default_rng(13)
    returns, later = 0.005 * rng.standard_normal((400, STEPS)), 0.002 * rng.standard_normal((400, foreign.HORIZON))
    return RandomForestRegressor(n_estimators=7, max_depth=4, random_state=0).fit(returns, later)


def forest_file() -> bytes:
    """The forest as TreeEnsembleRegressor of ai.onnx.ml, as scikit-learn's converters write it."""
    attributes = _tree_attributes(forest())
    nodes = [
        helper.make_node("Slice", ["return", "from_16", "end", "axis"], ["recent"]),
        helper.make_node("Cast", ["recent"], ["recent_32"], to=TensorProto.FLOAT),
        helper.make_node("TreeEnsembleRegressor", ["recent_32"], ["log_mean_32"], domain="ai.onnx.ml", **attributes),
        helper.make_node("Cast", ["log_mean_32"], ["log_mean"], to=TensorProto.DOUBLE),
    ]
    return _model(nodes, {"from_16": np.array([-STEPS])}, "sklearn_forest", ["Return"])


def forest_mean(close: Array) -> Array:
    """The same by scikit-learn, [batch, horizon]."""
    returns = np.diff(np.log(close), axis=1)[:, -STEPS:]
    return np.asarray(close[:, -1:] * np.exp(forest().predict(returns)))


def _tree_attributes(model: RandomForestRegressor) -> dict[str, Any]:
    """A row for each node of each tree; each leaf gives its share of the average."""
    nodes: dict[str, list[Any]] = defaultdict(list)
    for number, estimator in enumerate(model.estimators_):
        tree = estimator.tree_
        for at in range(tree.node_count):
            is_leaf = tree.children_left[at] < 0
            nodes["nodes_treeids"].append(number)
            nodes["nodes_nodeids"].append(at)
            nodes["nodes_featureids"].append(0 if is_leaf else int(tree.feature[at]))
            nodes["nodes_values"].append(0.0 if is_leaf else float(tree.threshold[at]))
            nodes["nodes_modes"].append("LEAF" if is_leaf else "BRANCH_LEQ")
            nodes["nodes_truenodeids"].append(0 if is_leaf else int(tree.children_left[at]))
            nodes["nodes_falsenodeids"].append(0 if is_leaf else int(tree.children_right[at]))
            for target, value in enumerate(tree.value[at][:, 0]) if is_leaf else ():
                nodes["target_treeids"].append(number)
                nodes["target_nodeids"].append(at)
                nodes["target_ids"].append(target)
                nodes["target_weights"].append(float(value) / len(model.estimators_))
    return {**nodes, "n_targets": foreign.HORIZON, "aggregate_function": "SUM", "post_transform": "NONE"}


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
