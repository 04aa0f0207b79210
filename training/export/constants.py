"""Constants of a traced graph, read from their nodes instead of computed.

spox evaluates every node whose inputs are known, and ndonnx has it use onnxruntime: a session, with threads of its own,
for each of the 70 to 1,700 `Constant` nodes of a trace, which is half of the time of `graph.build`. The value of such a
node is its attribute.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import onnx
from onnx import numpy_helper
from spox import _value_prop
from spox._type_system import Type
from spox._value_prop import PropValue


@contextmanager
def reading_constants() -> Iterator[None]:
    """Let spox read constants while the block runs; every other node is evaluated as before.

    spox has no setting for this, so its `infer` is replaced for the whole process: one thread at a time may trace.
    """
    evaluate = _value_prop.infer

    def infer(model: onnx.ModelProto, input_feed: dict[str, PropValue]) -> dict[str, PropValue]:
        values = read_constant(model)
        return evaluate(model, input_feed) if values is None else values

    _value_prop.infer = infer
    try:
        yield
    finally:
        _value_prop.infer = evaluate


def read_constant(model: onnx.ModelProto) -> dict[str, PropValue] | None:
    """The value of a model that is a single `Constant` node with a tensor of numbers, by the name of its output.

    None for any other model.
    """
    if len(model.graph.node) != 1 or model.graph.node[0].op_type != "Constant":
        return None
    [attribute] = model.graph.node[0].attribute
    if attribute.name != "value" or attribute.t.data_type == onnx.TensorProto.STRING:
        return None
    [output] = model.graph.output
    return {output.name: PropValue.from_ort_value(Type._from_onnx(output.type), numpy_helper.to_array(attribute.t))}
