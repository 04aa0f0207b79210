"""Champions that would harm whoever runs or serves them: changes of a sound one of `foreign`."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support import foreign

GOOD = foreign.champion_bytes()


def changed(change: Callable[[onnx.ModelProto], None], data: bytes = GOOD) -> bytes:
    model = onnx.load_from_string(data)
    change(model)
    return bytes(model.SerializeToString())


def rename(model: onnx.ModelProto, name: str) -> str:
    """Gives the node that makes the output `name` another name for it, so that a new node can make it."""
    for node in model.graph.node:
        node.output[:] = [f"plain_{name}" if out == name else out for out in node.output]
        node.input[:] = [f"plain_{name}" if used == name else used for used in node.input]
    return f"plain_{name}"


def endless(model: onnx.ModelProto) -> None:
    """A Loop that never ends, whose result is added to the mean."""
    plain = rename(model, "mean")
    true = numpy_helper.from_array(np.array(True), "go_on")
    inside = [helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", 7), ("c", 9), ("x", 11))]
    outside = [helper.make_tensor_value_info("again", 9, []), helper.make_tensor_value_info("y", 11, [])]
    nodes = [helper.make_node("Identity", ["c"], ["again"]), helper.make_node("Add", ["x", "x"], ["y"])]
    body = helper.make_graph(nodes, "body", inside, outside)
    start = numpy_helper.from_array(np.array(0.0), "nothing")
    model.graph.initializer.extend([true, start])
    model.graph.node.append(helper.make_node("Loop", ["", "go_on", "nothing"], ["sum"], body=body))
    model.graph.node.append(helper.make_node("Add", [plain, "sum"], ["mean"]))


def huge(model: onnx.ModelProto) -> None:
    """Two gigabytes of zeros, of which one is added to the mean."""
    plain = rename(model, "mean")
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**28]), "many"))
    zero = numpy_helper.from_array(np.array([0.0]), "z")
    model.graph.node.append(helper.make_node("ConstantOfShape", ["many"], ["zeros"], value=zero))
    model.graph.node.append(helper.make_node("ReduceMax", ["zeros"], ["one_zero"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", [plain, "one_zero"], ["mean"]))


def slow(model: onnx.ModelProto) -> None:
    """Thousands of nodes: within the bounds of the format, beyond the processor time that loading may take."""
    plain = rename(model, "mean")
    model.graph.initializer.append(numpy_helper.from_array(np.ones((1000, 1000)), "square"))
    before = "square"
    for i in range(60):
        model.graph.node.append(helper.make_node("MatMul", [before, "square"], [f"m{i}"]))
        model.graph.node.append(helper.make_node("Relu", [f"m{i}"], [f"r{i}"]))
        before = f"r{i}"
    model.graph.node.append(helper.make_node("ReduceMin", [before], ["least"], keepdims=0))
    model.graph.node.append(helper.make_node("Sub", ["least", "least"], ["nothing"]))
    model.graph.node.append(helper.make_node("Add", [plain, "nothing"], ["mean"]))


def day_three(factor: float) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        plain = rename(model, "quantiles")
        scale = np.ones((1, 3, 5))
        scale[0, 2, -1] = factor
        model.graph.initializer.append(numpy_helper.from_array(scale, "scale"))
        model.graph.node.append(helper.make_node("Mul", [plain, "scale"], ["quantiles"]))

    return change


def mean_times(factor: float) -> Callable[[onnx.ModelProto], None]:
    """The mean alone: quantiles stay."""

    def change(model: onnx.ModelProto) -> None:
        plain = rename(model, "mean")
        model.graph.initializer.append(numpy_helper.from_array(np.array(factor), "multiple"))
        model.graph.node.append(helper.make_node("Mul", [plain, "multiple"], ["mean"]))

    return change


def tomorrow_bad(model: onnx.ModelProto) -> None:
    """Wide beyond belief from the day after the last business day of the newest window on."""
    _bad_when(model, "Greater", 5)


def bad_on(*days: int) -> Callable[[onnx.ModelProto], None]:
    """Wide beyond belief when the last day that it forecasts is one of so many days after the newest close."""
    return lambda model: _bad_when(model, "Equal", *days)


def _bad_when(model: onnx.ModelProto, comparison: str, *days: int) -> None:
    plain = rename(model, "quantiles")
    edge = np.array([(foreign.AS_OF.toordinal() - 719_163) + number for number in days], dtype=np.int64)
    model.graph.initializer.append(numpy_helper.from_array(edge, "edge"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axis_one"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1.0), "unit"))
    shift = np.zeros((1, 1, 5))
    shift[0, 0, -1] = 3.0
    model.graph.initializer.append(numpy_helper.from_array(shift, "shift"))
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["target_date", "axis_one"], ["last_day"], keepdims=1),
            helper.make_node(comparison, ["last_day", "edge"], ["is_late"]),
            helper.make_node("Cast", ["is_late"], ["late_days"], to=TensorProto.DOUBLE),
            helper.make_node("ReduceMax", ["late_days", "axis_one"], ["late"], keepdims=1),
            helper.make_node("Unsqueeze", ["late", "axis_one"], ["late_column"]),
            helper.make_node("Mul", ["late_column", "shift"], ["excess"]),
            helper.make_node("Add", ["excess", "unit"], ["bad_factor"]),
            helper.make_node("Mul", [plain, "bad_factor"], ["quantiles"]),
        ]
    )


def mixed(model: onnx.ModelProto) -> None:
    """The mean of each window takes a little from the others of its batch: alone it is another forecast."""
    plain, graph = rename(model, "mean"), model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "over_windows"))
    graph.initializer.append(numpy_helper.from_array(np.array(0.001), "little"))
    graph.initializer.append(numpy_helper.from_array(np.array(0.999), "most"))
    graph.node.append(helper.make_node("ReduceMean", [plain, "over_windows"], ["of_all"], keepdims=1))
    graph.node.append(helper.make_node("Mul", ["of_all", "little"], ["from_others"]))
    graph.node.append(helper.make_node("Mul", [plain, "most"], ["own"]))
    graph.node.append(helper.make_node("Add", ["own", "from_others"], ["mean"]))


def random(model: onnx.ModelProto) -> None:
    """A mean that is another one each time."""
    plain, graph = rename(model, "mean"), model.graph
    graph.node.append(helper.make_node("RandomNormalLike", [plain], ["noise"], scale=1e-6))
    graph.node.append(helper.make_node("Add", [plain, "noise"], ["mean"]))


def heavy(model: onnx.ModelProto) -> None:
    """31 MB of weights, and sound."""
    plain, graph = rename(model, "mean"), model.graph
    graph.initializer.append(numpy_helper.from_array(np.full(4_000_000, 0.5), "weights"))
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "over_all"))
    graph.initializer.append(numpy_helper.from_array(np.array(0.5), "half"))
    graph.node.append(helper.make_node("Mul", ["weights", "half"], ["quarters"]))
    graph.node.append(helper.make_node("ReduceMax", ["quarters", "over_all"], ["quarter"], keepdims=0))
    graph.node.append(helper.make_node("Sub", ["quarter", "quarter"], ["nothing"]))
    graph.node.append(helper.make_node("Add", [plain, "nothing"], ["mean"]))
