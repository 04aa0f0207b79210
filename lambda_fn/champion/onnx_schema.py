"""The part of the ONNX format that a champion may use: messages, their fields, and the encoding of each field.

Field numbers and kinds are those of onnx.proto, IR version 10 (onnx 1.16). Everything else is rejected: sparse
tensors, external data, training information, quantisation annotations, device configurations, opaque types.
"""

from typing import NamedTuple

VARINT, BYTES, FIXED32 = 0, 2, 5  # wire types of the Protocol Buffers encoding


class Field(NamedTuple):
    """One field of a message.

    `kind` is int64, int32, enum, float, text, bytes, packed_4, packed_8, packed_varint, or the name of the nested
    message. A field may repeat if `many` is True. A message has at most one of the fields with the same `choice`.
    """

    name: str
    kind: str
    many: bool = False
    choice: str = ""


def _single(name: str, kind: str, choice: str = "") -> Field:
    return Field(name, kind, choice=choice)


def _many(name: str, kind: str) -> Field:
    return Field(name, kind, many=True)


WIRE = {"int64": VARINT, "int32": VARINT, "enum": VARINT, "float": FIXED32}  # every other kind is encoded as bytes

MESSAGES: dict[str, dict[int, Field]] = {
    "Model": {
        1: _single("ir_version", "int64"),
        2: _single("producer_name", "text"),
        3: _single("producer_version", "text"),
        4: _single("domain", "text"),
        5: _single("model_version", "int64"),
        6: _single("doc_string", "text"),
        7: _single("graph", "Graph"),
        8: _many("opset_import", "OperatorSetId"),
        14: _many("metadata_props", "StringStringEntry"),
        25: _many("functions", "Function"),
    },
    "Graph": {
        1: _many("node", "Node"),
        2: _single("name", "text"),
        5: _many("initializer", "Tensor"),
        10: _single("doc_string", "text"),
        11: _many("input", "ValueInfo"),
        12: _many("output", "ValueInfo"),
        13: _many("value_info", "ValueInfo"),
        16: _many("metadata_props", "StringStringEntry"),
    },
    "Node": {
        1: _many("input", "text"),
        2: _many("output", "text"),
        3: _single("name", "text"),
        4: _single("op_type", "text"),
        5: _many("attribute", "Attribute"),
        6: _single("doc_string", "text"),
        7: _single("domain", "text"),
        8: _single("overload", "text"),
        9: _many("metadata_props", "StringStringEntry"),
    },
    "Attribute": {
        1: _single("name", "text"),
        2: _single("f", "float"),
        3: _single("i", "int64"),
        4: _single("s", "bytes"),
        5: _single("t", "Tensor"),
        6: _single("g", "Graph"),
        7: _many("floats", "float"),
        8: _many("ints", "int64"),
        9: _many("strings", "bytes"),
        10: _many("tensors", "Tensor"),
        11: _many("graphs", "Graph"),
        13: _single("doc_string", "text"),
        14: _single("tp", "Type"),
        15: _many("type_protos", "Type"),
        20: _single("type", "enum"),
        21: _single("ref_attr_name", "text"),
    },
    "Tensor": {
        1: _many("dims", "int64"),
        2: _single("data_type", "int32"),
        4: _single("float_data", "packed_4"),
        5: _single("int32_data", "packed_varint"),
        6: _many("string_data", "bytes"),
        7: _single("int64_data", "packed_varint"),
        8: _single("name", "text"),
        9: _single("raw_data", "bytes"),
        10: _single("double_data", "packed_8"),
        11: _single("uint64_data", "packed_varint"),
        12: _single("doc_string", "text"),
        14: _single("data_location", "enum"),  # only 0 is allowed: in this file
        16: _many("metadata_props", "StringStringEntry"),
    },
    "ValueInfo": {
        1: _single("name", "text"),
        2: _single("type", "Type"),
        3: _single("doc_string", "text"),
        4: _many("metadata_props", "StringStringEntry"),
    },
    "Type": {
        1: _single("tensor_type", "TensorType", "value"),
        4: _single("sequence_type", "ElementType", "value"),
        5: _single("map_type", "MapType", "value"),
        6: _single("denotation", "text"),
        9: _single("optional_type", "ElementType", "value"),
    },
    "TensorType": {1: _single("elem_type", "int32"), 2: _single("shape", "Shape")},
    "ElementType": {1: _single("elem_type", "Type")},
    "MapType": {1: _single("key_type", "int32"), 2: _single("value_type", "Type")},
    "Shape": {1: _many("dim", "Dimension")},
    "Dimension": {
        1: _single("dim_value", "int64", "value"),
        2: _single("dim_param", "text", "value"),
        3: _single("denotation", "text"),
    },
    "OperatorSetId": {1: _single("domain", "text"), 2: _single("version", "int64")},
    "StringStringEntry": {1: _single("key", "text"), 2: _single("value", "text")},
    "Function": {
        1: _single("name", "text"),
        4: _many("input", "text"),
        5: _many("output", "text"),
        6: _many("attribute", "text"),
        7: _many("node", "Node"),
        8: _single("doc_string", "text"),
        9: _many("opset_import", "OperatorSetId"),
        10: _single("domain", "text"),
        11: _many("attribute_proto", "Attribute"),
        12: _many("value_info", "ValueInfo"),
        13: _single("overload", "text"),
        14: _many("metadata_props", "StringStringEntry"),
    },
}
