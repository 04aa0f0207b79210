"""The part of ONNX's format that a champion may use: messages, their fields, and how each field is written.

Field numbers and kinds are those of onnx.proto, IR version 10 (onnx 1.16). What is not listed is refused: sparse
tensors, external data, training information, quantisation annotations, device configurations, opaque types.
"""

from typing import NamedTuple

VARINT, BYTES, FIXED32 = 0, 2, 5  # wire types of the Protocol Buffers encoding


class Field(NamedTuple):
    """One field: `kind` is int64, int32, enum, float, text, bytes, packed_4, packed_8, packed_varint, or the name of
    the message that is inside; `many` fields may repeat; of those with the same `choice` a message has one."""

    name: str
    kind: str
    many: bool = False
    choice: str = ""


def _one(name: str, kind: str, choice: str = "") -> Field:
    return Field(name, kind, choice=choice)


def _many(name: str, kind: str) -> Field:
    return Field(name, kind, many=True)


WIRE = {"int64": VARINT, "int32": VARINT, "enum": VARINT, "float": FIXED32}  # every other kind is written as bytes

MESSAGES: dict[str, dict[int, Field]] = {
    "Model": {
        1: _one("ir_version", "int64"),
        2: _one("producer_name", "text"),
        3: _one("producer_version", "text"),
        4: _one("domain", "text"),
        5: _one("model_version", "int64"),
        6: _one("doc_string", "text"),
        7: _one("graph", "Graph"),
        8: _many("opset_import", "OperatorSetId"),
        14: _many("metadata_props", "StringStringEntry"),
        25: _many("functions", "Function"),
    },
    "Graph": {
        1: _many("node", "Node"),
        2: _one("name", "text"),
        5: _many("initializer", "Tensor"),
        10: _one("doc_string", "text"),
        11: _many("input", "ValueInfo"),
        12: _many("output", "ValueInfo"),
        13: _many("value_info", "ValueInfo"),
        16: _many("metadata_props", "StringStringEntry"),
    },
    "Node": {
        1: _many("input", "text"),
        2: _many("output", "text"),
        3: _one("name", "text"),
        4: _one("op_type", "text"),
        5: _many("attribute", "Attribute"),
        6: _one("doc_string", "text"),
        7: _one("domain", "text"),
        8: _one("overload", "text"),
        9: _many("metadata_props", "StringStringEntry"),
    },
    "Attribute": {
        1: _one("name", "text"),
        2: _one("f", "float"),
        3: _one("i", "int64"),
        4: _one("s", "bytes"),
        5: _one("t", "Tensor"),
        6: _one("g", "Graph"),
        7: _many("floats", "float"),
        8: _many("ints", "int64"),
        9: _many("strings", "bytes"),
        10: _many("tensors", "Tensor"),
        11: _many("graphs", "Graph"),
        13: _one("doc_string", "text"),
        14: _one("tp", "Type"),
        15: _many("type_protos", "Type"),
        20: _one("type", "enum"),
        21: _one("ref_attr_name", "text"),
    },
    "Tensor": {
        1: _many("dims", "int64"),
        2: _one("data_type", "int32"),
        4: _one("float_data", "packed_4"),
        5: _one("int32_data", "packed_varint"),
        6: _many("string_data", "bytes"),
        7: _one("int64_data", "packed_varint"),
        8: _one("name", "text"),
        9: _one("raw_data", "bytes"),
        10: _one("double_data", "packed_8"),
        11: _one("uint64_data", "packed_varint"),
        12: _one("doc_string", "text"),
        14: _one("data_location", "enum"),  # 0 alone: inside
        16: _many("metadata_props", "StringStringEntry"),
    },
    "ValueInfo": {
        1: _one("name", "text"),
        2: _one("type", "Type"),
        3: _one("doc_string", "text"),
        4: _many("metadata_props", "StringStringEntry"),
    },
    "Type": {
        1: _one("tensor_type", "TensorType", "value"),
        4: _one("sequence_type", "ElementType", "value"),
        5: _one("map_type", "MapType", "value"),
        6: _one("denotation", "text"),
        9: _one("optional_type", "ElementType", "value"),
    },
    "TensorType": {1: _one("elem_type", "int32"), 2: _one("shape", "Shape")},
    "ElementType": {1: _one("elem_type", "Type")},
    "MapType": {1: _one("key_type", "int32"), 2: _one("value_type", "Type")},
    "Shape": {1: _many("dim", "Dimension")},
    "Dimension": {
        1: _one("dim_value", "int64", "value"),
        2: _one("dim_param", "text", "value"),
        3: _one("denotation", "text"),
    },
    "OperatorSetId": {1: _one("domain", "text"), 2: _one("version", "int64")},
    "StringStringEntry": {1: _one("key", "text"), 2: _one("value", "text")},
    "Function": {
        1: _one("name", "text"),
        4: _many("input", "text"),
        5: _many("output", "text"),
        6: _many("attribute", "text"),
        7: _many("node", "Node"),
        8: _one("doc_string", "text"),
        9: _many("opset_import", "OperatorSetId"),
        10: _one("domain", "text"),
        11: _many("attribute_proto", "Attribute"),
        12: _many("value_info", "ValueInfo"),
        13: _one("overload", "text"),
        14: _many("metadata_props", "StringStringEntry"),
    },
}
