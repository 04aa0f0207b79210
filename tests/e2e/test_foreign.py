"""A champion that training knows nothing of, in architecture and in features, goes live in containers that run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import NormalDist
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lambda_fn.champion.model_inputs import input_arrays, table_inputs
from lambda_fn.champion.runtime import Champion
from lambda_fn.prices.price_file import parse
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from tests.support import foreign
from tests.support.e2e import front
from tests.support.e2e.bridge import Bridge
from tests.support.e2e.deployment import checked_since, deployed
from tests.support.e2e.front import PREDICT, generation, get, post
from tests.support.e2e.steps import Steps
from tests.support.server_process import HttpReply

WINDOW, HORIZON, UNITS, RECENT = 30, 5, 6, 10
LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
PRICES = foreign.price_file(80, ["eurgbp"])


def weights() -> dict[str, Any]:
    """Made up: nothing here was trained."""
    random = np.random.default_rng(0)
    scores = [NormalDist().inv_cdf(level) for level in LEVELS]

    def some(*shape: int) -> Any:
        return random.normal(0, 0.5, shape).astype(np.float32)

    return {
        "gates": some(1, 3 * UNITS, 2),
        "recurrence": some(1, 3 * UNITS, UNITS),
        "dense": some(UNITS, HORIZON),
        "scores": np.array(scores),
        "root": np.sqrt(np.arange(1.0, HORIZON + 1))[None],
        "small": np.array(0.003),
        "percent": np.array(0.01),
        "per_mille": np.array(100, np.float32),
        "one": np.array(1.0),
        "seven": np.array(7),
        "axis_0": np.array([0]),
        "axis_1": np.array([1]),
        "axis_2": np.array([2]),
        "first": np.array([0]),
        "second": np.array([1]),
        "recent": np.array([WINDOW - 1 - RECENT]),
        "last": np.array([WINDOW - 1]),
        "end": np.array([WINDOW]),
    }


def returns(column: str) -> list[onnx.NodeProto]:
    """Log returns of a price column, [batch, window - 1], under its name with _returns."""
    return [
        helper.make_node("Log", [column], [f"{column}_log"]),
        helper.make_node("Slice", [f"{column}_log", "second", "end", "axis_1"], [f"{column}_after"]),
        helper.make_node("Slice", [f"{column}_log", "first", "last", "axis_1"], [f"{column}_before"]),
        helper.make_node("Sub", [f"{column}_after", f"{column}_before"], [f"{column}_returns"]),
        helper.make_node("Unsqueeze", [f"{column}_returns", "axis_2"], [f"{column}_step"]),
    ]


def recurrent_mean() -> list[onnx.NodeProto]:
    """A gated recurrent unit over the returns of both pairs: the mean log return, [batch, horizon]."""
    return [
        helper.make_node("Concat", ["close_step", "eurgbp_step"], ["steps"], axis=2),
        helper.make_node("Cast", ["steps"], ["narrow"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["narrow", "per_mille"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["sequence"], perm=[1, 0, 2]),
        helper.make_node(
            "GRU", ["sequence", "gates", "recurrence"], ["", "hidden"], hidden_size=UNITS, linear_before_reset=1
        ),
        helper.make_node("Squeeze", ["hidden", "axis_0"], ["state"]),
        helper.make_node("MatMul", ["state", "dense"], ["raw"]),
        helper.make_node("Tanh", ["raw"], ["bounded"]),
        helper.make_node("Cast", ["bounded"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["wide", "small"], ["drift"]),
    ]


def weekday_spread() -> list[onnx.NodeProto]:
    """The root mean square of the recent returns, wider on later weekdays: [batch, horizon]."""
    return [
        helper.make_node("Slice", ["close_returns", "recent", "last", "axis_1"], ["lately"]),
        helper.make_node("Mul", ["lately", "lately"], ["squares"]),
        helper.make_node("ReduceMean", ["squares", "axis_1"], ["variance"], keepdims=1),
        helper.make_node("Sqrt", ["variance"], ["deviation"]),
        helper.make_node("Mod", ["target_date", "seven"], ["weekday"]),
        helper.make_node("Cast", ["weekday"], ["weekday_number"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["weekday_number", "percent"], ["later"]),
        helper.make_node("Add", ["one", "later"], ["effect"]),
        helper.make_node("Mul", ["deviation", "root"], ["calm"]),
        helper.make_node("Mul", ["calm", "effect"], ["spread"]),
    ]


def prices_out() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Slice", ["close", "last", "end", "axis_1"], ["last_close"]),
        helper.make_node("Exp", ["drift"], ["growth"]),
        helper.make_node("Mul", ["last_close", "growth"], ["mean"]),
        helper.make_node("Unsqueeze", ["spread", "axis_2"], ["spread_column"]),
        helper.make_node("Mul", ["spread_column", "scores"], ["deviations"]),
        helper.make_node("Exp", ["deviations"], ["factors"]),
        helper.make_node("Unsqueeze", ["mean", "axis_2"], ["mean_column"]),
        helper.make_node("Mul", ["mean_column", "factors"], ["quantiles"]),
    ]


def recurrent_champion() -> bytes:
    """Closes, another pair and weekdays through a recurrent network: nothing that this project trains."""
    nodes = [*returns("close"), *returns("eurgbp"), *recurrent_mean(), *weekday_spread(), *prices_out()]
    double, value = TensorProto.DOUBLE, helper.make_tensor_value_info
    inputs = [value(name, double, ["batch", WINDOW]) for name in ("close", "eurgbp")]
    inputs.append(value("target_date", TensorProto.INT64, ["batch", HORIZON]))
    outputs = [value("quantiles", double, ["batch", "step", "level"]), value("mean", double, ["batch", "step"])]
    initial = [numpy_helper.from_array(array, name) for name, array in weights().items()]
    graph = helper.make_graph(nodes, "recurrent", inputs, outputs, initial)
    metadata = foreign.metadata(
        WINDOW, HORIZON, LEVELS, family="recurrent", features=("returns", "eurgbp returns", "weekday")
    )
    return foreign.with_props(graph, metadata.to_props())


def test_a_foreign_champion_goes_live_in_running_containers(
    image: str, step: Steps, bridge: Bridge, store: Store, settings: Settings, store_environ: Mapping[str, str]
) -> None:
    data = recurrent_champion()
    sent = {"close": [1.1] * WINDOW, "as_of": "2026-10-30"}
    with (
        deployed(image, bridge, store, settings, store_environ) as deployment,
        front.fallback(image, store_environ) as fallback,
    ):
        with step("a champion of closes is live"):
            deployment.promote(foreign.champion_bytes(), 1, PRICES)
            assert [generation(one.ask(PREDICT)) for one in (deployment.api, fallback)] == [1, 1]
        with step("a recurrent champion of two pairs and the weekday goes live"):
            delivery = deployment.promote(data, 2, PRICES)
            assert delivery.invocation.payload["outcome"] == "activated", delivery
            activated = datetime.now(UTC)
            for ask in (deployment.api.ask, fallback.ask):
                assert_forecast(checked_since(ask, activated), Champion.load(data))
                assert_takes_its_own_columns(ask(post("/api/predict", sent)))
        card = deployment.api.ask(get("/api/champion")).json
        assert card["metadata"]["family"] == "recurrent"
        assert card["inputs"] == {"columns": ["close", "eurgbp"], "date": False, "target_date": True, "window": WINDOW}


def assert_forecast(answer: HttpReply, champion: Champion) -> None:
    """Every number is what the file gives for the live window when it is run here."""
    assert generation(answer) == 2
    quantiles, mean, *_ = champion.forecast(input_arrays(table_inputs(champion, parse(PRICES))))
    days = answer.json["forecast"]
    np.testing.assert_allclose([day["mean"] for day in days], mean[0], atol=1e-6)
    found = [[day["quantiles"][f"{level:g}"] for level in LEVELS] for day in days]
    np.testing.assert_allclose(found, quantiles[0], atol=1e-6)
    assert len({day["median"] for day in days}) == HORIZON  # not a walk: the network is at work


def assert_takes_its_own_columns(answer: HttpReply) -> None:
    """What the new champion wants is asked of callers too, by name."""
    assert answer.status == 400
    assert "eurgbp" in str(answer.json["error"])
