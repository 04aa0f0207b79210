"""Files with one field that the parser refuses, written byte by byte, each beside a sound one."""

import onnx
import pytest

from lambda_fn.champion import onnx_validator
from lambda_fn.champion.onnx_validator import MAX_PACKED, check_allowed
from lambda_fn.fields import ContractError
from tests.support import foreign
from tests.support.protobuf import message, tag, varint

GOOD = foreign.champion_bytes()
PARTS = onnx.load_from_string(GOOD)
GRAPH: bytes = PARTS.graph.SerializeToString()
PARTS.ClearField("graph")
HEAD: bytes = PARTS.SerializeToString()
NODES = len(onnx.load_from_string(GOOD).graph.node)


def with_tensor(fields: bytes) -> bytes:
    """The champion with one more tensor, which it does not use."""
    return HEAD + message(7, GRAPH + message(5, message(8, b"spare") + fields))


# What is refused, and what is allowed beside that.
FIELDS: dict[str, tuple[bytes, bytes]] = {
    "a number as bytes": (GOOD + tag(5, 2) + varint(1), GOOD + tag(5, 0) + varint(1)),
    "half a float": (with_tensor(message(4, bytes(6))), with_tensor(message(4, bytes(8)))),
    "half a double": (with_tensor(message(10, bytes(12))), with_tensor(message(10, bytes(16)))),
    "an empty list of floats": (with_tensor(message(4, b"")), with_tensor(message(4, bytes(4)))),
    "an empty list of whole numbers": (with_tensor(message(7, b"")), with_tensor(message(7, b"\1"))),
    "a long list of whole numbers": (
        with_tensor(message(7, b"\1" * (MAX_PACKED + 1))),
        with_tensor(message(7, b"\1" * MAX_PACKED)),
    ),
    "a tensor in another file": (with_tensor(tag(14, 0) + varint(1)), with_tensor(tag(14, 0) + varint(0))),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_refused(name: str) -> None:
    refused, allowed = FIELDS[name]
    check_allowed(allowed)
    with pytest.raises(ContractError):
        check_allowed(refused)


def test_the_number_of_nodes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_validator, "MAX_NODES", NODES)
    check_allowed(GOOD)
    node = onnx.helper.make_node("Neg", ["close"], ["spare"]).SerializeToString()
    with pytest.raises(ContractError):
        check_allowed(HEAD + message(7, GRAPH + message(1, node)))


def test_the_number_of_fields_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_validator, "MAX_FIELDS", 1_000)
    check_allowed(GOOD)
    with pytest.raises(ContractError):
        check_allowed(GOOD + message(14, b"") * 1_000)
