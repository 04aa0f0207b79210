"""Champions that this project's training knows nothing of, built with onnx.helper alone, and a store that has one."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lambda_fn.champion.model_inputs import input_arrays, table_inputs
from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import ChampionFile, Golden, Metadata, Pointer
from lambda_fn.prices.business_days import is_business_day
from lambda_fn.prices.price_file import parse, serialise
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store

LEVELS = (0.025, 0.25, 0.5, 0.75, 0.975)
WINDOW = 20
HORIZON = 3
AS_OF = date(2026, 10, 30)
CREATED = datetime(2026, 10, 30, 16, 5, tzinfo=UTC)


def metadata(
    window: int = WINDOW, horizon: int = HORIZON, levels: Sequence[float] = LEVELS, prices: str = "ecb", **changes: Any
) -> Metadata:
    """Metadata of a champion of this module; `changes` by field."""
    known: dict[str, Any] = {
        "contract_version": "1",
        "pair": "EURUSD",
        "family": "foreign",
        "prices": prices,
        "window": window,
        "horizon": horizon,
        "levels": tuple(levels),
        "features": ("level",),
        "trained_through": AS_OF,
        "prices_sha256": "0" * 64,
        "code_version": "test",
    }
    return Metadata(**(known | changes))


def champion_bytes(
    extra: Sequence[str] = (),
    dated: bool = False,
    drift: float = 0.0,
    spread: float = 0.005,
    props: Mapping[str, str | None] | None = None,
    last: int = 1,
    **of_metadata: Any,
) -> bytes:
    """A champion whose quantile at step h and level p is `center * (1 + spread * sqrt(h) * (p - 0.5))`, where center
    is the mean of the `last` closes times `1 + drift`; so drift 0.5 is implausible, spread 0 too narrow, spread -1
    descending and drift NaN not finite.

    `extra` columns take part with weight 0, so that they are real inputs. `dated` adds `date` and `target_date`,
    which widen the spread by a thousandth of itself on each day after the last date. `props` overrides single
    metadata_props (None removes one).
    """
    found = metadata(**of_metadata)
    window, horizon, levels = found.window, found.horizon, np.array(found.levels)
    shape = np.sqrt(np.arange(1, horizon + 1))[:, None] * (levels - 0.5)[None, :]
    constants = {
        "start": np.array([window - last]),
        "end": np.array([window]),
        "axis": np.array([1]),
        "drift": np.array(1.0 + drift),
        "shape": (spread * shape)[None],
        "one": np.array(1.0),
        "zero": np.array(0.0),
        "steps": np.ones((1, horizon)),
        "two": np.array([2]),
        "last_row": np.array([window - 1]),
        "thousandth": np.array(0.001),
    }
    nodes = [
        helper.make_node("Slice", ["close", "start", "end", "axis"], ["recent"]),
        helper.make_node("ReduceMean", ["recent", "axis"], ["average"], keepdims=1),
        helper.make_node("Mul", ["average", "drift"], ["center_0"]),
        *_with_extras(extra),
        helper.make_node("Mul", [f"center_{len(extra)}", "steps"], ["mean"]),
        *(_with_dates() if dated else [helper.make_node("Identity", ["shape"], ["wide"])]),
        helper.make_node("Add", ["one", "wide"], ["factor"]),
        helper.make_node("Unsqueeze", ["mean", "two"], ["column"]),
        helper.make_node("Mul", ["column", "factor"], ["quantiles"]),
    ]
    double, whole = TensorProto.DOUBLE, TensorProto.INT64
    inputs = [helper.make_tensor_value_info(name, double, ["batch", window]) for name in ("close", *extra)]
    if dated:
        inputs.append(helper.make_tensor_value_info("date", whole, ["batch", window]))
        inputs.append(helper.make_tensor_value_info("target_date", whole, ["batch", horizon]))
    outputs = [
        helper.make_tensor_value_info("quantiles", double, ["batch", "step", "level"]),
        helper.make_tensor_value_info("mean", double, ["batch", "step"]),
    ]
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, initial)
    return with_props(graph, found.to_props() | dict(props or {}))


def with_props(graph: onnx.GraphProto, props: Mapping[str, str | None]) -> bytes:
    """The graph as a model file of opset 21, ai.onnx.ml 3 and IR 10 with these metadata_props."""
    opsets = [helper.make_opsetid("", 21)]
    if any(node.domain for node in graph.node):
        opsets.append(helper.make_opsetid("ai.onnx.ml", 3))
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    helper.set_model_props(model, {name: value for name, value in props.items() if value is not None})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def price_rows(n: int = 60, as_of: date = AS_OF, source: str = "ecb") -> list[date]:
    """The last `n` business days up to `as_of`, ascending."""
    days: list[date] = []
    while len(days) < n:
        if is_business_day(as_of, source):
            days.append(as_of)
        as_of -= timedelta(days=1)
    return days[::-1]


def closes(n: int = 60, start: float = 1.1) -> NDArray[np.float64]:
    """A calm made-up walk of `n` prices."""
    return np.asarray(start * (1 + 0.01 * np.sin(np.arange(n) / 3)))


def price_file(n: int = 60, extra: Sequence[str] = (), as_of: date = AS_OF, source: str = "ecb") -> bytes:
    """A price table of `n` rows with `close` and the `extra` columns."""
    columns = {"close": closes(n).tolist()}
    columns |= {name: closes(n, 100.0 + i).tolist() for i, name in enumerate(extra)}
    return serialise(price_rows(n, as_of, source), columns)


def pointer_to(data: bytes, prices: bytes, generation: int | None, **changes: Any) -> Pointer:
    """The pointer for these champion bytes, golden at the end of `prices`; `changes` by field."""
    champion = Champion.load(data)
    inputs = input_arrays(table_inputs(champion, parse(prices)))
    forecast = champion.run(inputs)  # unchecked: a hostile publisher would not check it either
    golden = Golden(
        {name: values[0].tolist() for name, values in inputs.items()},
        forecast.quantiles[0].tolist(),
        forecast.mean[0].tolist(),
    )
    known: dict[str, Any] = {
        "model_type": "Foreign",
        "model_name": "EURUSD_Foreign",
        "model_version": str(generation or 1),
        "model_uri": "models:/EURUSD_Foreign@champion",
        "run_id": "f" * 32,
        "model_alias": "champion",
        "metrics": {"rmse": 0.005},
        "baseline_metrics": {"rmse": 0.006, "directional_accuracy": 0.5},
        "contract_version": "1",
        "generation": generation,
        "pair": champion.metadata.pair,
        "champion": ChampionFile(
            keys.champion_key(champion.sha256, champion.metadata.pair), champion.sha256, len(data)
        ),
        "trained_through": champion.metadata.trained_through,
        "created_at": CREATED,
        "scores": ({"family": "foreign", "horizon": 1, "pinball": 0.08},),
        "golden": (golden,),
    }
    return Pointer(**(known | changes))


def publish_to(
    store: Store,
    data: bytes | None = None,
    generation: int | None = 1,
    prices: bytes | None = None,
    key: str = "models/best_model_info.json",
    **changes: Any,
) -> Pointer:
    """Writes the price file (unless there is one), the champion bytes and, last, the pointer; does not activate."""
    data = champion_bytes() if data is None else data
    champion = Champion.load(data)
    extra = [name for name in champion.columns if name != "close"]
    prices = price_file(max(60, champion.metadata.window), extra) if prices is None else prices
    pointer = pointer_to(data, prices, generation, **changes)
    store.create(keys.price_key(champion.metadata.pair, champion.metadata.prices), prices)
    store.create(keys.champion_key(hashlib.sha256(data).hexdigest(), champion.metadata.pair), data)
    put(store, key, pointer.to_json())
    return pointer


def put(store: Store, key: str, data: bytes) -> None:
    """Writes or overwrites, whatever is there."""
    while not store.create(key, data):
        store.delete(key)


def _with_extras(extra: Sequence[str]) -> list[onnx.NodeProto]:
    nodes = []
    for i, name in enumerate(extra):
        nodes += [
            helper.make_node("Slice", [name, "last_row", "end", "axis"], [f"last_{name}"]),
            helper.make_node("Mul", [f"last_{name}", "zero"], [f"nothing_{name}"]),
            helper.make_node("Add", [f"center_{i}", f"nothing_{name}"], [f"center_{i + 1}"]),
        ]
    return nodes


def _with_dates() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Slice", ["date", "last_row", "end", "axis"], ["today"]),
        helper.make_node("Sub", ["target_date", "today"], ["ahead"]),
        helper.make_node("Cast", ["ahead"], ["days"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["days", "thousandth"], ["wider"]),
        helper.make_node("Add", ["one", "wider"], ["widening"]),
        helper.make_node("Unsqueeze", ["widening", "two"], ["by_step"]),
        helper.make_node("Mul", ["shape", "by_step"], ["wide"]),
    ]
