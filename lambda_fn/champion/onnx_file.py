"""What a champion file may hold, checked on its bytes before any runtime sees them, without the onnx package.

Field numbers are those of onnx.proto (onnx 1.16, IR version 10); wire types those of the Protocol Buffers encoding.
"""

from collections.abc import Iterator

from lambda_fn.contract import MAX_MODEL_BYTES
from lambda_fn.fields import ContractError

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")  # the first two are one
MAX_OPSET = 21
MAX_IR = 10
MAX_DEPTH = 32  # of messages within messages; a graph in a graph takes three
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Messages that may hold a node, a tensor or a domain: field number -> kind of the message in it.
_MESSAGES = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_DOMAIN = {"opset": 1, "node": 7, "function": 10}
_TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION, _EXTERNAL = 13, 14, 1


def check_allowed(data: bytes) -> None:
    """Raises ContractError unless the file is ONNX of at most 32 MiB, IR <= 10 and opset <= 21, with operators of
    ONNX itself and ai.onnx.ml only and all its tensors inside; subgraphs and local functions included."""
    if len(data) > MAX_MODEL_BYTES:
        raise ContractError(f"champion: {len(data)} bytes, at most {MAX_MODEL_BYTES} are allowed; make it smaller")
    view = memoryview(data)
    found = list(_fields(view))
    versions = [value for number, value in found if number == 1 and isinstance(value, int)]
    if not versions or not any(number == 7 for number, _ in found):
        raise ContractError("champion: not an ONNX file; export it again")
    if max(versions) > MAX_IR:
        raise ContractError(f"champion: IR version {max(versions)}, at most {MAX_IR} is allowed; export it lower")
    _check(view, "model", 0)


def _check(message: memoryview, kind: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ContractError(f"champion: graphs nested deeper than {MAX_DEPTH} messages; export it flat")
    inside = _MESSAGES.get(kind, {})
    for number, value in _fields(message):
        if number == _DOMAIN.get(kind) and not isinstance(value, int):
            _check_domain(bytes(value).decode("utf-8", "replace"))
        if kind == "opset" and number == 2 and isinstance(value, int) and value > MAX_OPSET:
            raise ContractError(f"champion: opset {value}, at most {MAX_OPSET} is allowed; export it lower")
        if kind == "tensor" and (number == _TENSOR_EXTERNAL_DATA or (number, value) == (_TENSOR_LOCATION, _EXTERNAL)):
            raise ContractError("champion: a tensor is in another file; export it with all data inside")
        if number in inside and not isinstance(value, int):
            _check(value, inside[number], depth + 1)


def _check_domain(domain: str) -> None:
    if domain not in DOMAINS:
        raise ContractError(f"champion: operators of {domain!r}; only those of ONNX and ai.onnx.ml are allowed")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Each field's number with its varint, or its bytes; numbers of fixed width come as bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ContractError("champion: not an ONNX file (unknown wire type); export it again")
        if number == 0 or at + size > len(message):
            raise ContractError("champion: not an ONNX file (cut off); export it again")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ContractError("champion: not an ONNX file (cut off); export it again")
