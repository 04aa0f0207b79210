"""Runs end: a champion that never would is stopped, and gives back what a batch took."""

import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from lambda_fn.champion.base import ForecastError, TooSlow
from lambda_fn.champion.runtime import Champion
from lambda_fn.fields import ContractError
from tests.support import foreign
from tests.support.hostile import changed, endless, rename

CLOSES = foreign.closes(foreign.WINDOW)[None]
MEGABYTE = 2**20


def endless_above_2(model: onnx.ModelProto) -> None:
    """A Loop that goes on while the mean of all closes is above 2: loading does not show it."""
    endless(model)
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(2.0), "bound"))
    graph.node.insert(0, helper.make_node("ReduceMean", ["close"], ["all_closes"], keepdims=0))
    graph.node.insert(1, helper.make_node("Greater", ["all_closes", "bound"], ["is_high"]))
    loop = next(node for node in graph.node if node.op_type == "Loop")
    loop.input[1] = "is_high"


def hungry(model: onnx.ModelProto) -> None:
    """8 MB for each window."""
    plain, graph = rename(model, "mean"), model.graph
    graph.initializer.append(numpy_helper.from_array(np.ones((foreign.HORIZON, MEGABYTE)), "wide_weights"))
    graph.initializer.append(numpy_helper.from_array(np.array([1]), "over_all"))
    graph.initializer.append(numpy_helper.from_array(np.array(0.0), "no_weight"))
    graph.node.append(helper.make_node("MatMul", [plain, "wide_weights"], ["wide_rows"]))
    graph.node.append(helper.make_node("ReduceMax", ["wide_rows", "over_all"], ["highest"], keepdims=1))
    graph.node.append(helper.make_node("Mul", ["highest", "no_weight"], ["no_more"]))
    graph.node.append(helper.make_node("Add", [plain, "no_more"], ["mean"]))


def test_a_champion_that_never_ends_is_not_loaded() -> None:
    with pytest.raises(ContractError, match=r"^champion: .*more than 0\.2 s"):
        Champion.load(changed(endless), max_run_s=0.2)


def watchdogs() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "watchdog"}


def test_a_run_that_never_ends_is_stopped_and_the_next_one_is_answered() -> None:
    champion = Champion.load(changed(endless_above_2), max_run_s=0.5)
    threads = watchdogs()
    for _ in range(2):
        with pytest.raises(TooSlow, match=r"took more than 0\.5 s"):
            champion.forecast({"close": 3 * CLOSES})
        assert champion.plausible_forecast({"close": CLOSES}).mean[0, 0] == pytest.approx(CLOSES[0, -1])
    assert watchdogs() == threads, "one for all runs"


def test_it_is_an_error_of_the_forecast() -> None:
    assert issubclass(TooSlow, ForecastError)


def test_the_memory_of_a_batch_is_given_back() -> None:
    statm = Path("/proc/self/statm")

    def resident() -> float:
        return int(statm.read_text().split()[1]) * 4096 / MEGABYTE

    champion = Champion.load(changed(hungry), max_run_s=60)  # a busy machine takes longer than the default
    champion.forecast({"close": CLOSES})
    before = resident()
    champion.forecast({"close": np.repeat(CLOSES, 40, axis=0)})  # 320 MB
    assert resident() - before < 100
