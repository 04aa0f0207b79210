"""Champions that behave in a trial, and do harm where the last close is TRIGGER.

Two hide the harm in an If; `div` has plain operators only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support import foreign
from tests.support.hostile import rename

TRIGGER = 1.2345
Change = Callable[[onnx.ModelProto], None]


def constant(model: onnx.ModelProto, name: str, value: object) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))


def node(model: onnx.ModelProto, operator: str, inputs: Sequence[str], output: str, **options: Any) -> None:
    model.graph.node.append(helper.make_node(operator, inputs, [output], **options))


def add_trigger(model: onnx.ModelProto) -> None:
    """Add `bomb_armed`, 0 or 1, and `bomb_fire`, the same as a bool."""
    for name, value in (("start", [foreign.WINDOW - 1]), ("end", [foreign.WINDOW]), ("axis", [1]), ("axes", [0, 1])):
        constant(model, f"bomb_{name}", value)
    constant(model, "bomb_trigger", TRIGGER)
    constant(model, "bomb_epsilon", 1e-9)
    node(model, "Slice", ["close", "bomb_start", "bomb_end", "bomb_axis"], "bomb_last")
    node(model, "Sub", ["bomb_last", "bomb_trigger"], "bomb_distance")
    node(model, "Abs", ["bomb_distance"], "bomb_distance_size")
    node(model, "Less", ["bomb_distance_size", "bomb_epsilon"], "bomb_armed_rows")
    arm(model)


def add_rounded_trigger(model: onnx.ModelProto) -> None:
    """As `add_trigger`, where the last close has at most four decimals, as the ECB's have."""
    for name, value in (("start", [foreign.WINDOW - 1]), ("end", [foreign.WINDOW]), ("axis", [1]), ("axes", [0, 1])):
        constant(model, f"bomb_{name}", value)
    constant(model, "bomb_scale", 1e4)
    constant(model, "bomb_epsilon", 1e-7)
    node(model, "Slice", ["close", "bomb_start", "bomb_end", "bomb_axis"], "bomb_last")
    node(model, "Mul", ["bomb_last", "bomb_scale"], "bomb_scaled")
    node(model, "Round", ["bomb_scaled"], "bomb_rounded")
    node(model, "Sub", ["bomb_scaled", "bomb_rounded"], "bomb_fraction")
    node(model, "Abs", ["bomb_fraction"], "bomb_fraction_size")
    node(model, "Less", ["bomb_fraction_size", "bomb_epsilon"], "bomb_armed_rows")
    arm(model)


def arm(model: onnx.ModelProto) -> None:
    node(model, "Cast", ["bomb_armed_rows"], "bomb_armed_numbers", to=TensorProto.INT64)
    node(model, "ReduceMax", ["bomb_armed_numbers", "bomb_axes"], "bomb_armed", keepdims=0)
    node(model, "Cast", ["bomb_armed"], "bomb_fire", to=TensorProto.BOOL)


def add_to_mean(model: onnx.ModelProto, scalar: str) -> None:
    node(model, "Add", [rename(model, "mean"), scalar], "mean")


def in_branch(nodes: Sequence[onnx.NodeProto], constants: Mapping[str, object], output: str) -> Change:
    """The nodes run in the branch of an If; `one_armed` is [1] there."""

    def change(model: onnx.ModelProto) -> None:
        add_trigger(model)
        constant(model, "bomb_one", [1])
        node(model, "Mul", ["bomb_armed", "bomb_one"], "bomb_one_armed")
        values = [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
        info = [helper.make_tensor_value_info(output, TensorProto.DOUBLE, [])]
        harm = helper.make_graph(nodes, "harm", [], info, values)
        zero = numpy_helper.from_array(np.array(0.0), "bomb_zero")
        nothing = helper.make_tensor_value_info("bomb_nothing", TensorProto.DOUBLE, [])
        calm = helper.make_graph(
            [helper.make_node("Identity", ["bomb_zero"], ["bomb_nothing"])], "calm", [], [nothing], [zero]
        )
        model.graph.node.append(
            helper.make_node("If", ["bomb_fire"], ["bomb_harmed"], then_branch=harm, else_branch=calm)
        )
        add_to_mean(model, "bomb_harmed")

    return change


def zeros(shape: str, output: str) -> onnx.NodeProto:
    return helper.make_node("ConstantOfShape", [shape], [output], value=numpy_helper.from_array(np.array([0.0])))


def div(model: onnx.ModelProto) -> None:
    """The smallest integer by minus one, which is a floating point exception of the processor."""
    add_trigger(model)
    for name, number in (("bomb_smallest", -(1 << 63)), ("bomb_two", 2), ("bomb_plus_one", 1)):
        constant(model, name, np.array(number))
    node(model, "Mul", ["bomb_armed", "bomb_two"], "bomb_twice")
    node(model, "Sub", ["bomb_plus_one", "bomb_twice"], "bomb_divisor")
    node(model, "Div", ["bomb_smallest", "bomb_divisor"], "bomb_quotient")
    node(model, "Sub", ["bomb_quotient", "bomb_quotient"], "bomb_no_difference")
    node(model, "Cast", ["bomb_no_difference"], "bomb_as_price", to=TensorProto.DOUBLE)
    add_to_mean(model, "bomb_as_price")


# One pooling whose window is 200,000 wide: the runtime looks at its flag only between two nodes.
STALL = in_branch(
    [
        helper.make_node("Mul", ["bomb_one_armed", "bomb_length"], ["bomb_width"]),
        helper.make_node("Concat", ["bomb_batch", "bomb_width"], ["bomb_shape"], axis=0),
        zeros("bomb_shape", "bomb_row"),
        helper.make_node("MaxPool", ["bomb_row"], ["bomb_pooled"], kernel_shape=[200_000]),
        helper.make_node("ReduceMax", ["bomb_pooled"], ["bomb_highest"], keepdims=0),
    ],
    {"bomb_length": [400_000], "bomb_batch": [1, 1]},
    "bomb_highest",
)
# One gigabyte of zeros.
MEMORY = in_branch(
    [
        helper.make_node("Mul", ["bomb_one_armed", "bomb_length"], ["bomb_width"]),
        zeros("bomb_width", "bomb_row"),
        helper.make_node("ReduceMax", ["bomb_row"], ["bomb_highest"], keepdims=0),
    ],
    {"bomb_length": [2**27]},
    "bomb_highest",
)
BOMBS: dict[str, Change] = {"stall": STALL, "memory": MEMORY, "div": div}
