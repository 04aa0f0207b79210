"""What a champion file may hold: files made with the onnx package, judged without it."""

from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from lambda_fn.champion.onnx_validator import REFUSED, check_allowed
from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import MAX_MODEL_BYTES
from lambda_fn.fields import ContractError
from tests.support import foreign
from tests.support.errors import has_cure

GOOD = foreign.champion_bytes(extra=["eurjpy"], dated=True)


def model() -> onnx.ModelProto:
    return onnx.load_from_string(GOOD)


def refused(changed: onnx.ModelProto, message: str) -> None:
    for check in (check_allowed, Champion.load):
        with pytest.raises(ContractError, match=f"^champion: .*{message}") as error:
            check(changed.SerializeToString())
        assert has_cure(str(error.value))


def branch(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "branch", [], [helper.make_tensor_value_info("b", TensorProto.DOUBLE, [])])


def nested(graph: onnx.GraphProto) -> onnx.NodeProto:
    return helper.make_node("If", ["condition"], ["o"], then_branch=graph, else_branch=branch())


def test_a_foreign_champion_is_allowed() -> None:
    check_allowed(GOOD)


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml"])
def test_onnx_and_its_machine_learning_operators_are_allowed(domain: str) -> None:
    changed = model()
    floats: dict[str, Any] = {"offset": [1.5], "scale": [0.5], "alpha": 0.1}  # a list, and a single number
    changed.graph.node.append(helper.make_node("Scaler", ["close"], ["scaled"], domain=domain, **floats))
    changed.opset_import.append(helper.make_opsetid("ai.onnx.ml", 5))
    check_allowed(changed.SerializeToString())


def test_another_domain_is_refused_where_ever_it_is() -> None:
    alien = helper.make_node("Evil", ["close"], ["b"], domain="com.example")
    of_node, of_subgraph, of_function, of_opset, of_attribute = (model() for _ in range(5))
    of_node.graph.node.append(alien)
    of_subgraph.graph.node.append(nested(branch(nested(branch(alien)))))
    of_function.functions.append(helper.make_function("", "F", ["x"], ["b"], [alien], of_node.opset_import))
    of_opset.opset_import.append(helper.make_opsetid("com.example", 1))
    many = helper.make_attribute("branches", [branch(alien)])
    of_attribute.graph.node.append(helper.make_node("Any", ["close"], ["b"]))
    of_attribute.graph.node[-1].attribute.append(many)
    for changed in (of_node, of_subgraph, of_function, of_opset, of_attribute):
        refused(changed, r"'com\.example'; .*\bai\.onnx\.ml\b")


@pytest.mark.parametrize("operator", sorted(REFUSED))
def test_an_operator_that_no_forecast_needs_is_refused_where_ever_it_is(operator: str) -> None:
    node = helper.make_node(operator, ["close"], ["b"])
    of_graph, of_subgraph = model(), model()
    of_graph.graph.node.append(node)
    of_subgraph.graph.node.append(nested(branch(nested(branch(node)))))
    for changed in (of_graph, of_subgraph):
        refused(changed, rf"\boperator {operator}\b")


def test_a_function_of_its_own_domain_is_refused() -> None:
    changed = model()
    inside = helper.make_node("Identity", ["x"], ["y"])
    changed.functions.append(helper.make_function("mine", "F", ["x"], ["y"], [inside], changed.opset_import))
    refused(changed, "operators of 'mine'")


@pytest.mark.parametrize("opset", [22, 2**40, -1])
def test_a_newer_opset_is_refused(opset: int) -> None:
    changed = model()
    changed.opset_import[0].version = opset
    refused(changed, "opset .*, at most 21 is allowed; ")


def test_a_newer_opset_of_a_function_is_refused() -> None:
    changed = model()
    opsets = [helper.make_opsetid("", 22)]
    changed.functions.append(helper.make_function("", "F", [], [], [], opsets))
    refused(changed, "opset 22")


def test_a_newer_ir_is_refused() -> None:
    changed = model()
    changed.ir_version = 11
    refused(changed, "IR version 11, at most 10 is allowed")


def external() -> onnx.TensorProto:
    tensor = onnx.TensorProto(name="weights", data_type=TensorProto.DOUBLE, dims=[1])
    tensor.external_data.add(key="location", value="/etc/passwd")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def test_data_in_another_file_is_refused_where_ever_it_is() -> None:
    of_graph, of_node, of_subgraph, only_named = (model() for _ in range(4))
    of_graph.graph.initializer.append(external())
    of_node.graph.node.append(helper.make_node("Constant", [], ["c"], value=external()))
    inner = branch()
    inner.initializer.append(external())
    of_subgraph.graph.node.append(nested(inner))
    only_named.graph.initializer.append(external())
    only_named.graph.initializer[-1].ClearField("data_location")
    for changed in (of_graph, of_node, of_subgraph, only_named):
        refused(changed, "in another file")


def test_a_large_file_is_refused() -> None:
    with pytest.raises(ContractError, match=f"{MAX_MODEL_BYTES + 1} bytes, at most {MAX_MODEL_BYTES} are allowed"):
        check_allowed(bytes(MAX_MODEL_BYTES + 1))


def test_deeply_nested_graphs_are_refused() -> None:
    changed, inner = model(), branch()
    for _ in range(20):
        inner = branch(nested(inner))
    changed.graph.node.append(nested(inner))
    refused(changed, "nested deeper than 32 messages")


@pytest.mark.parametrize(
    "data", [b"", b"hello, champion", b"\x00", b"\x80" * 20, GOOD[:-1], GOOD[:100], GOOD + b"\x0b"]
)
def test_what_is_no_onnx_is_refused(data: bytes) -> None:
    with pytest.raises(ContractError, match=r"^champion: .*\bONNX file\b"):
        check_allowed(data)


@given(st.binary(max_size=200) | st.integers(0, len(GOOD)).map(lambda n: GOOD[:n]))
def test_any_bytes_are_judged_and_nothing_else_is_raised(data: bytes) -> None:
    try:
        check_allowed(data)
    except ContractError as error:
        assert "export" in str(error)


@settings(deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_champion_with_one_changed_byte_loads_or_is_refused(at: int, byte: int) -> None:
    data = GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    try:
        champion = Champion.load(data)
    except ContractError:
        return
    assert "close" in champion.columns


@pytest.mark.parametrize("without", ["ir_version", "graph"])
def test_a_file_without_a_version_or_a_graph_is_refused(without: str) -> None:
    model = onnx.load_from_string(foreign.champion_bytes())
    model.ClearField(without)
    with pytest.raises(ContractError, match=r"^champion: .*\bONNX file\b.*\bIR version\b.*; "):
        check_allowed(model.SerializeToString())
