"""Which constants of a trace are read, and for how long; test_graph.py compares them with those of onnxruntime."""

import numpy as np
import pytest


def test_the_replacement_ends_where_a_trace_fails() -> None:
    from spox._standard import StandardNode

    from training.export.canonical import reading_constants

    infer_types, evaluate = StandardNode.infer_output_types, StandardNode.propagate_values
    with pytest.raises(ZeroDivisionError), reading_constants():
        assert StandardNode.infer_output_types is not infer_types
        assert StandardNode.propagate_values is not evaluate
        raise ZeroDivisionError
    assert StandardNode.infer_output_types is infer_types
    assert StandardNode.propagate_values is evaluate


def test_other_nodes_are_left_to_onnxruntime() -> None:
    from spox.opset.ai.onnx import v17, v21

    from training.export.canonical import read_constant

    one = v21.constant(value=np.array(1.0))
    assert read_constant(one._var_info._op) is not None
    for var in (v21.constant(value_float=1.0), v21.constant(value=np.array(["text"])), v17.neg(one)):
        assert read_constant(var._var_info._op) is None
