"""Canonical form of an ONNX graph, so that the same model gives the same bytes and the same sha256.

Converters number names through a whole process and list constants in any order. Here nodes take the order in which the
outputs need them, and inner names are numbered in that order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import onnx
from spox._node import Node
from spox._standard import StandardNode
from spox._type_system import Tensor, Type
from spox._value_prop import PropDict, PropValue


def canonicalise(model: onnx.ModelProto) -> None:
    """Reorder and rename in place; inputs, outputs and results stay as they are."""
    public_names = {value.name for value in (*model.graph.input, *model.graph.output)}
    _canonicalise_graph(model.graph, {"": ""} | {name: name for name in public_names})
    model.graph.name = "champion"


def _canonicalise_graph(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Canonicalise a graph and its subgraphs in place.

    `names` maps old to new names and is shared with subgraphs, which may use names of the graph around them.
    """
    _resolve_identities(graph)
    _order(graph)

    def new(name: str) -> str:
        return names.setdefault(name, f"t{len(names)}")

    del graph.value_info[:]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = new(value.name)
    for value in (*graph.input, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param and dim.dim_param != "batch":
                dim.dim_param = new(dim.dim_param)
    for i, node in enumerate(graph.node):
        node.name = f"n{i}"
        node.ClearField("doc_string")
        if not node.domain:
            node.ClearField("domain")  # absent and empty mean the same
        node.input[:] = [new(name) for name in node.input]
        node.output[:] = [new(name) for name in node.output]
        for attribute in node.attribute:
            for tensor in (attribute.t, *attribute.tensors):
                if tensor.name:
                    tensor.name = ""
        for subgraph in _subgraphs(node):
            _canonicalise_graph(subgraph, names)
            subgraph.name = "body"


def _resolve_identities(graph: onnx.GraphProto) -> None:
    """Redirect reads of Identity nodes to their source, so that `_order` drops the nodes.

    Only those that give one value to two outputs of the graph stay: converters choose by chance which of the two is
    the copy, here it is the later one.
    """
    position = {value.name: i for i, value in enumerate(graph.output)}
    producer = {name: node for node in graph.node for name in node.output}
    for node in [node for node in graph.node if node.op_type == "Identity"]:
        value, copy = node.input[0], node.output[0]
        if value in producer and copy in position and position[copy] < position.get(value, len(position)):
            source = producer[value]
            source.output[:] = [copy if name == value else name for name in source.output]
            _redirect_reads(graph, value, copy)
            node.input[:], node.output[:] = [copy], [value]
        else:
            _redirect_reads(graph, copy, value)


def _redirect_reads(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Let every node, in subgraphs too, read `new` where it read `old`; outputs keep their names."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        for subgraph in _subgraphs(node):
            _redirect_reads(subgraph, old, new)


def _order(graph: onnx.GraphProto) -> None:
    """Sort nodes in the order of a depth-first walk from the outputs, dropping the rest; initialisers by first use."""
    producer = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    reads = [list(_reads(node)) for node in graph.node]
    order: dict[int, None] = {}
    pending = [producer[value.name] for value in reversed(graph.output) if value.name in producer]
    while pending:
        needed = [producer[name] for name in reads[pending[-1]] if name in producer]
        missing = [i for i in needed if i not in order]
        if missing:
            pending.extend(reversed(missing))
        else:
            order[pending.pop()] = None
    nodes = [graph.node[i] for i in order]
    first_use = {name: n for n, name in reversed(list(enumerate(name for i in order for name in reads[i])))}
    initializers = sorted(graph.initializer, key=lambda tensor: first_use.get(tensor.name, len(first_use)))
    _replace(graph.node, nodes)
    _replace(graph.initializer, initializers)


def _replace(repeated: Any, items: list[Any]) -> None:
    """Set a repeated protobuf field; the items may be its own, so they are copied first."""
    copies = [type(item).FromString(item.SerializeToString()) for item in items]
    del repeated[:]
    repeated.extend(copies)


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, those of its subgraphs included."""
    yield from (name for name in node.input if name)
    for subgraph in _subgraphs(node):
        yield from (value.name for value in subgraph.output)
        for inner in subgraph.node:
            yield from _reads(inner)


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


@contextmanager
def reading_constants() -> Iterator[None]:
    """Let spox read constants while the block runs; every other node is inferred and evaluated as before.

    spox has no setting for this, so two methods are replaced for the whole process: one thread at a time may trace.
    """
    infer_types, evaluate = StandardNode.infer_output_types, StandardNode.propagate_values

    def infer_output_types(node: StandardNode, input_prop_values: PropDict) -> dict[str, Type]:
        constant = read_constant(node)
        return infer_types(node, input_prop_values) if constant is None else {"output": constant.type}

    def propagate_values(node: StandardNode, input_prop_values: PropDict) -> PropDict:
        constant = read_constant(node)
        return evaluate(node, input_prop_values) if constant is None else {"output": constant}

    setattr(StandardNode, "infer_output_types", infer_output_types)  # noqa: B010  # mypy refuses the assignment
    setattr(StandardNode, "propagate_values", propagate_values)  # noqa: B010
    try:
        yield
    finally:
        setattr(StandardNode, "infer_output_types", infer_types)  # noqa: B010
        setattr(StandardNode, "propagate_values", evaluate)  # noqa: B010


def read_constant(node: Node) -> PropValue | None:
    """Return the value of a `Constant` node with a tensor of numbers; None for any other node."""
    attribute = getattr(node.attrs, "value", None)
    if node.op_type.identifier != "Constant" or attribute is None or attribute.value.dtype.kind not in "biuf":
        return None
    return PropValue(Tensor(attribute.value.dtype, attribute.value.shape), attribute.value)
