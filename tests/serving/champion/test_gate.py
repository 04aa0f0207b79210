"""Hostile champion files: what is checked is what runs."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lambda_fn.champion import onnx_validator
from lambda_fn.champion.onnx_validator import DOMAINS, MAX_FIELDS, MAX_IR, MAX_NODES, MAX_OPSET, RANDOM, check_allowed
from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import MAX_MODEL_BYTES
from lambda_fn.fields import ContractError
from tests.support import foreign
from tests.support.protobuf import message, tag, varint
from tests.support.steps import lines

GOOD = foreign.champion_bytes(extra=["eurjpy"], dated=True)
NOT_ONNX = r"^champion: .*\bONNX file\b"
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "400"))  # `make fuzz` asks for many more
HIGH = 1  # a bit of the tag above 2^32: unknown to a parser that reads it, field 1, 2, ... to one that drops it


def plain_session(data: bytes) -> ort.InferenceSession:
    """The runtime without the check before it."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def rebuilt(graph: bytes, opsets: bytes = b"") -> bytes:
    """GOOD with these bytes as its graph, and more operator sets."""
    rest = onnx.load_from_string(GOOD)
    rest.ClearField("graph")
    return bytes(rest.SerializeToString()) + message(7, graph) + opsets


def test_an_operator_behind_a_tag_beyond_32_bits_is_real_to_the_runtime_and_refused_here() -> None:
    alien = helper.make_node("Inverse", ["close"], ["hidden"], domain="com.microsoft").SerializeToString()
    opset = helper.make_opsetid("com.microsoft", 1).SerializeToString()
    graph = onnx.load_from_string(GOOD).graph.SerializeToString() + message(1, alien, HIGH)
    data = rebuilt(graph, message(8, opset, HIGH))
    assert plain_session(data).get_inputs()[0].name == "close"  # it loads there
    with pytest.raises(ContractError, match=f"{NOT_ONNX}.*number"):
        Champion.load(data)


def test_external_data_behind_such_a_tag_reads_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime takes a constant from a file of the working folder; the check lets it not come to that."""
    (tmp_path / ".env").write_bytes(np.full(1, 7.0).tobytes())
    monkeypatch.chdir(tmp_path)
    model = onnx.load_from_string(GOOD)
    kept = [tensor for tensor in model.graph.initializer if tensor.name != "thousandth"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    named = onnx.TensorProto(name="thousandth", data_type=TensorProto.DOUBLE)
    place = onnx.StringStringEntryProto(key="location", value=".env").SerializeToString()
    secret = named.SerializeToString() + message(13, place, HIGH) + tag(14, 0, HIGH) + varint(1)
    data = rebuilt(model.graph.SerializeToString() + message(5, secret))
    (tmp_path / "model.onnx").write_bytes(data)
    assert ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"]).get_inputs()
    with pytest.raises(ContractError, match=f"{NOT_ONNX}.*number"):
        Champion.load(data)


def test_the_runtimes_own_format_is_never_loaded() -> None:
    """ONNX to the check, flatbuffer to a runtime that looks at bytes 4 to 8. The session is told which it is."""
    # field 6, doc_string, of a length whose bytes end in "ORTM" at 4 to 8
    text = b"ORTM" + b"x" * 60
    data = tag(1, 0) + varint(8) + tag(6, 2) + varint(len(text)) + text
    assert data[4:8] == b"ORTM"
    model = onnx.load_from_string(GOOD)
    model.ClearField("ir_version")
    model.ClearField("doc_string")
    data += model.SerializeToString()
    with pytest.raises(Exception, match=r"(?i)ort format|flatbuffer|invalid|ORT"):
        plain_session(data)
    assert Champion.load(data).columns == ("close", "eurjpy")


@pytest.mark.parametrize("operator", sorted(RANDOM))
@pytest.mark.parametrize("inside", [False, True])
def test_a_random_operator_is_refused(operator: str, inside: bool) -> None:
    model = onnx.load_from_string(GOOD)
    drawing = helper.make_node(operator, ["close"], ["b"])
    if inside:
        branch = helper.make_graph([drawing], "g", [], [helper.make_tensor_value_info("b", TensorProto.DOUBLE, [])])
        drawing = helper.make_node("If", ["c"], ["o"], then_branch=branch, else_branch=branch)
    model.graph.node.append(drawing)
    with pytest.raises(ContractError, match=f"{operator} draws random numbers"):
        check_allowed(model.SerializeToString())


def test_every_random_operator_of_the_standard_is_known() -> None:
    """By the words that ONNX's own documentation has for them."""
    names = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain in DOMAINS}
    drawing = {name for name in names if name.startswith("Random") or name in ("Multinomial", "Bernoulli")}
    seeded = {
        schema.name
        for schema in onnx.defs.get_all_schemas()
        if schema.domain in DOMAINS and "seed" in schema.attributes
    }
    assert drawing | seeded == RANDOM | {"Dropout"}


@pytest.mark.parametrize(("inputs", "refused"), [(1, False), (2, False), (3, True)])
def test_dropout_in_training_mode_is_refused(inputs: int, refused: bool) -> None:
    model = onnx.load_from_string(GOOD)
    model.graph.node.append(helper.make_node("Dropout", ["close", "ratio", "training"][:inputs], ["d"]))
    if refused:
        with pytest.raises(ContractError, match=r"^champion: Dropout\b.*; "):
            check_allowed(model.SerializeToString())
    else:
        check_allowed(model.SerializeToString())


def malformed() -> Iterator[tuple[str, bytes, str]]:
    """Yield a name, the file, and which part of it the error names: a field, or a number of the encoding."""
    yield "field number from 2^29", GOOD + varint((2**29 << 3) | 0) + b"\x01", "number"
    yield "field number zero", GOOD + b"\x00\x01", "field 0 of Model"
    yield "a tag of six bytes", GOOD + varint(6 << 3 | 2, 6) + b"\x01x", "number"
    yield "a tag that is not minimal", GOOD + varint(6 << 3 | 2, 2) + b"\x01x", "number"
    yield "a number that is not minimal", GOOD + tag(5, 0) + varint(1, 3), "number"
    yield "a number over 64 bits", GOOD + tag(5, 0) + b"\xff" * 9 + b"\x7f", "number"
    yield "a length that is not minimal", GOOD + tag(6, 2) + varint(1, 2) + b"x", "number"
    yield "a singular field twice", GOOD + tag(1, 0) + varint(9), "Model.ir_version"
    yield "a group", GOOD + tag(7, 3) + tag(7, 4), "Model.graph"
    yield "a fixed width in place of a varint", GOOD + tag(5, 1) + b"\x00" * 8, "Model.model_version"
    yield "an unknown field", GOOD + tag(99, 0) + b"\x01", "field 99 of Model"
    graph = onnx.load_from_string(GOOD).graph.SerializeToString()
    kind = message(1, message(4, b"Any") + message(5, message(1, b"kind") + tag(20, 0) + varint(15)))
    yield "a kind of attribute that is none", rebuilt(graph + kind), "Attribute.type"
    yield "training information", GOOD + message(20, b""), "field 20 of Model"
    yield "text that is not UTF-8", GOOD + message(6, b"\xff"), "Model.doc_string"


@pytest.mark.parametrize(("name", "data", "part"), list(malformed()), ids=[name for name, *_ in malformed()])
def test_what_no_proper_writer_writes_is_refused(name: str, data: bytes, part: str) -> None:
    with pytest.raises(ContractError, match=rf"{NOT_ONNX}.*\b{re.escape(part)}\b.*; "):
        check_allowed(data)


def test_two_of_a_choice_and_packed_lists_of_another_form_are_refused() -> None:
    both = tag(1, 0) + varint(3) + message(2, b"batch")  # a dimension that is 3 and named
    shape = message(2, message(1, both))
    of_type = message(2, message(1, tag(1, 0) + varint(11) + shape))
    graph = onnx.load_from_string(GOOD).graph.SerializeToString() + message(13, message(1, b"v") + of_type)
    packed = onnx.load_from_string(GOOD).graph.SerializeToString()
    attribute = message(1, b"ints") + message(8, varint(1) + varint(2)) + tag(20, 0) + varint(7)
    packed += message(1, message(4, b"Any") + message(5, attribute))
    for body, field in ((graph, "Dimension.dim_param"), (packed, "Attribute.ints")):
        model = onnx.load_from_string(GOOD)
        model.ClearField("graph")
        onnx.load_from_string(model.SerializeToString() + message(7, body))  # the package takes it
        with pytest.raises(ContractError, match=f"{NOT_ONNX}.*{re.escape(field)}"):
            check_allowed(model.SerializeToString() + message(7, body))


def test_what_is_checked_is_bounded() -> None:
    """Files of the largest size that would take minutes or gigabytes end with their first field too many."""
    model = onnx.load_from_string(GOOD)
    model.graph.node.extend(helper.make_node("Neg", ["close"], [f"n{i}"]) for i in range(MAX_NODES))
    with pytest.raises(ContractError, match="more than 20,000 nodes"):
        check_allowed(model.SerializeToString())
    with pytest.raises(ContractError, match=f"more than {MAX_FIELDS:,} fields"):
        check_allowed(GOOD + message(14, b"") * ((MAX_MODEL_BYTES - len(GOOD)) // 2))


def test_twice_the_bytes_beyond_the_bound_are_no_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_validator, "MAX_FIELDS", 1_000)

    def check(fields: int) -> None:
        with pytest.raises(ContractError, match="more than 1,000 fields"):
            check_allowed(GOOD + message(14, b"") * fields)

    assert lines(lambda: check(20_000)) == lines(lambda: check(10_000)) > 1_000


def test_large_tensors_are_not_walked() -> None:
    large = numpy_helper.from_array(np.zeros(3 * 2**20), "large")
    model = onnx.load_from_string(GOOD)
    model.graph.initializer.append(large)
    check_allowed(model.SerializeToString())
    listed = onnx.TensorProto(name="large", data_type=TensorProto.INT64, dims=[100_000], int64_data=range(100_000))
    model.graph.initializer.append(listed)
    with pytest.raises(ContractError, match=r"^champion: Tensor\.int64_data has 283488 bytes; .*raw_data"):
        check_allowed(model.SerializeToString())


def walk(found: Message) -> Iterator[Message]:
    yield found
    for field, value in found.ListFields():
        if field.message_type is not None:
            for inside in value if field.is_repeated else [value]:
                yield from walk(inside)


def mutations() -> st.SearchStrategy[bytes]:
    """Champions with bytes changed, put in, taken out, said twice, or written in another way."""
    place = st.integers(0, len(GOOD))
    flipped = st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=3).map(
        lambda changes: _changed(changes)
    )
    cut = st.tuples(place, place).map(lambda ends: GOOD[: min(ends)] + GOOD[max(ends) :])
    put_in = st.tuples(place, st.binary(max_size=12)).map(lambda it: GOOD[: it[0]] + it[1] + GOOD[it[0] :])
    twice = st.tuples(place, place, place).map(
        lambda it: GOOD[: it[2]] + GOOD[min(it[:2]) : max(it[:2])] + GOOD[it[2] :]
    )
    added = st.tuples(st.integers(1, 30), st.sampled_from([0, 1, 2, 5]), st.binary(max_size=8), st.integers(0, 2)).map(
        lambda it: GOOD + (message(it[0], it[2], it[3]) if it[1] == 2 else tag(it[0], it[1], it[3]) + it[2])
    )
    return flipped | cut | put_in | twice | added


def _changed(changes: list[tuple[int, int]]) -> bytes:
    data = bytearray(GOOD)
    for at, byte in changes:
        data[at] = byte
    return bytes(data)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutations())
def test_what_the_check_accepts_the_onnx_package_reads_alike(data: bytes) -> None:
    """The same fields, all of them known and allowed: written anew by the package they are as long as they were."""
    try:
        check_allowed(data)
    except ContractError:
        return
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        pytest.fail("accepted, but no ONNX to the onnx package")
    assert model.ByteSize() == len(data)
    assert model.ir_version <= MAX_IR
    for found in walk(model):
        assert len(UnknownFieldSet(found)) == 0
        if isinstance(found, onnx.NodeProto | onnx.FunctionProto | onnx.OperatorSetIdProto):
            assert found.domain in DOMAINS
        if isinstance(found, onnx.OperatorSetIdProto):
            assert found.version <= MAX_OPSET
        if isinstance(found, onnx.NodeProto):
            assert found.op_type not in RANDOM
        if isinstance(found, onnx.TensorProto):
            assert not found.external_data and found.data_location == TensorProto.DEFAULT
