"""Which constants of a trace are read, and for how long; test_graph.py compares them with those of onnxruntime."""

import onnx
import pytest


def test_the_replacement_ends_where_a_trace_fails() -> None:
    from spox import _value_prop

    from training.export.canonical import reading_constants

    evaluate = _value_prop.infer
    with pytest.raises(ZeroDivisionError), reading_constants():
        assert _value_prop.infer is not evaluate
        raise ZeroDivisionError
    assert _value_prop.infer is evaluate


@pytest.mark.parametrize("operator", ["Constant", "Add"])
def test_other_nodes_are_left_to_onnxruntime(operator: str) -> None:
    from training.export.canonical import read_constant

    node = onnx.helper.make_node(operator, ["a", "a"] if operator == "Add" else [], ["y"])
    if operator == "Constant":
        node.attribute.append(onnx.helper.make_attribute("value_float", 1.0))
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ())
    graph = onnx.helper.make_graph([node], "test", [], [output])
    assert read_constant(onnx.helper.make_model(graph)) is None
