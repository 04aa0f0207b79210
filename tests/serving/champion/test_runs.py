"""Runs of a champion in this process: what is loaded, what it must give, and how a run ends that takes too long."""

import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from lambda_fn.champion.base import ForecastError, TooSlow
from lambda_fn.champion.runtime import Champion, Watchdog
from lambda_fn.fields import ContractError
from tests.support import foreign
from tests.support.hostile import GOOD, changed, random, rename

CLOSE = foreign.closes(foreign.WINDOW)[None]
PATIENCE_S = 10


def in_single_precision(name: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        plain = rename(model, name)
        model.graph.node.append(helper.make_node("Cast", [plain], [name], to=TensorProto.FLOAT))
        output = next(output for output in model.graph.output if output.name == name)
        output.type.tensor_type.elem_type = TensorProto.FLOAT

    return change


def without_the_last_day(model: onnx.ModelProto) -> None:
    """A mean of a day less than the quantiles have."""
    plain = rename(model, "mean")
    for name, number in (("first", 0), ("beyond", foreign.HORIZON - 1), ("days", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([number]), name))
    model.graph.node.append(helper.make_node("Slice", [plain, "first", "beyond", "days"], ["mean"]))


REFUSED: dict[str, Callable[[onnx.ModelProto], None]] = {
    "random": random,
    "a mean in single precision": in_single_precision("mean"),
    "quantiles in single precision": in_single_precision("quantiles"),
    "a mean of a day less": without_the_last_day,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_champion_may_do_is_not_loaded(name: str) -> None:
    with pytest.raises(ContractError):
        Champion.load(changed(REFUSED[name]))


class Failing:
    """A session whose run fails, after the watchdog has ended it or by itself."""

    def __init__(self, ended: bool) -> None:
        self._ended = ended

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="close")]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="quantiles"), SimpleNamespace(name="mean")]

    def run(self, names: list[str], inputs: Mapping[str, Any], options: ort.RunOptions) -> None:
        options.terminate = self._ended
        raise ort_errors.Fail("no result")


@pytest.mark.parametrize("ended", [False, True])
def test_a_run_that_was_ended_was_too_slow(ended: bool) -> None:
    champion = Champion(Failing(ended), foreign.metadata(), "0" * 64, 1.0)
    with pytest.raises(ForecastError) as failed:
        champion.run({"close": CLOSE})
    assert isinstance(failed.value, TooSlow) == ended


def test_a_run_beyond_its_time_is_ended_and_no_other() -> None:
    watch = Watchdog()
    long, short = SimpleNamespace(terminate=False), SimpleNamespace(terminate=False)
    with watch.limit(long, 1_000), watch.limit(short, 0.01):
        deadline = time.monotonic() + PATIENCE_S
        while not short.terminate and time.monotonic() < deadline:
            time.sleep(0.01)
    assert (short.terminate, long.terminate) == (True, False)


def test_a_sound_champion_is_loaded() -> None:
    assert Champion.load(GOOD).run({"close": CLOSE}).mean.shape == (1, foreign.HORIZON)
