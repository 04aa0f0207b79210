"""Champion files of the contract: the same forecast as the model, the same bytes every time, nothing else allowed."""

import hashlib
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest

from lambda_fn.champion.onnx_validator import check_allowed
from lambda_fn.champion.runtime import Champion
from lambda_fn.prices.volatility import quantile_sd
from training.export import onnx_export
from training.export.canonical import read_constant
from training.export.onnx_export import CHECKED, ExportError, average, build, check, check_average, describe, export
from training.models.families import DEFAULT_FAMILIES, FAMILIES
from training.models.family import Fitted, Model, fit
from training.models.heads.base import HeadData, truncation
from training.models.keras_core import fit_network
from training.models.lstm import NETWORK
from training.prices.windows import LEVELS, complete_origins, windows

NAMES = sorted(DEFAULT_FAMILIES)


def exported(model: Model, source: str = "ecb") -> bytes:
    described = describe(
        model, pair="EURUSD", source=source, prices_sha256="0" * 64, trained_through=date(2026, 10, 30), code="test"
    )
    return build(model, described)


@pytest.fixture(scope="module")
def known(prices: pd.DataFrame) -> pd.DataFrame:
    """Six years, in which a fit takes a fraction of the time that it takes on the whole history."""
    return prices.iloc[-1500:]


@pytest.fixture(scope="module")
def models(known: pd.DataFrame) -> dict[str, Model]:
    return {name: fit(FAMILIES[name], known) for name in NAMES}


@pytest.fixture(scope="module")
def files(models: dict[str, Model]) -> dict[str, bytes]:
    return {name: exported(model) for name, model in models.items()}


@pytest.mark.parametrize("name", NAMES)
def test_the_exported_bytes_forecast_what_the_model_forecasts(
    name: str, models: dict[str, Model], files: dict[str, bytes], known: pd.DataFrame
) -> None:
    assert CHECKED >= 250
    parity = check(files[name], models[name], HeadData(known))
    assert parity.graph <= (1e-6 if name == "lstm" else 1e-9)
    assert parity.batching <= (1e-8 if name == "lstm" else 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_champion_file_keeps_the_contract(name: str, files: dict[str, bytes]) -> None:
    check_allowed(files[name])
    champion = Champion.load(files[name])
    assert champion.columns == ("close",)
    assert champion.metadata.levels == LEVELS
    assert champion.metadata.features == FAMILIES[name].features
    stored = onnx.load_from_string(files[name])
    assert stored.ir_version <= 10
    assert {entry.domain for entry in stored.opset_import} <= {"", "ai.onnx.ml"}
    assert len(files[name]) < 300_000  # a month ahead, and the calendar of half a century
    assert not {"If", "Loop", "Scan"} & {node.op_type for node in stored.graph.node}


def test_the_same_prices_and_seed_give_the_same_bytes_in_any_order_of_fitting(
    files: dict[str, bytes], known: pd.DataFrame
) -> None:
    again = {name: exported(fit(FAMILIES[name], known)) for name in reversed(NAMES)}
    assert again == files


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_those_of_onnxruntime(
    name: str, models: dict[str, Model], files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every constant of a trace, compared to the bit; a trace that computes them gives the same file."""
    from spox._standard import StandardNode
    from spox._value_prop import PropDict

    evaluate, compared = StandardNode.propagate_values, []

    def compare(node: StandardNode, input_prop_values: PropDict) -> PropDict:
        computed = evaluate(node, input_prop_values)
        if value := read_constant(node):
            read, expected = np.asarray(value.value), np.asarray(computed["output"].value)
            assert value.type == computed["output"].type
            assert (read.dtype, read.shape, read.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
            compared.append(node)
        return computed

    monkeypatch.setattr(StandardNode, "propagate_values", compare)
    monkeypatch.setattr(onnx_export, "reading_constants", nullcontext)
    assert exported(models[name]) == files[name]
    assert len(compared) > 40


@pytest.mark.parametrize("name", NAMES)
def test_every_export_states_its_sd(name: str, files: dict[str, bytes], prices: pd.DataFrame) -> None:
    champion = Champion.load(files[name])
    assert champion.outputs == ("quantiles", "mean", "sd")
    window = windows(prices, FAMILIES[name].inputs, complete_origins(prices)[-3:])
    forecast = champion.plausible_forecast(window)
    assert forecast.sd is not None and (np.diff(forecast.sd, axis=1) > 0).all()
    for day, sd in enumerate(forecast.sd[0]):
        assert quantile_sd(LEVELS, forecast.quantiles[0, day].tolist()) == pytest.approx(sd, rel=0.02)


def without_sd(data: bytes) -> bytes:
    """The file as an earlier version exported it."""
    model = onnx.load_model_from_string(data)
    [output] = [value for value in model.graph.output if value.name == "sd"]
    model.graph.output.remove(output)
    return bytes(model.SerializeToString())


def test_a_file_without_sd_still_forecasts_and_averages(files: dict[str, bytes], prices: pd.DataFrame) -> None:
    data = files["random_walk"]
    window = windows(prices, ("close", "date", "target_date"), complete_origins(prices)[-3:])
    inputs = {name: window[name] for name in Champion.load(data).inputs}
    older = without_sd(data)
    assert Champion.load(older).plausible_forecast(inputs).sd is None
    for files_of_two, outputs in (((data, data), 3), ((older, older), 2), ((data, older), 2)):
        merged = average(files_of_two)
        assert len(Champion.load(merged).outputs) == outputs
        assert check_average(merged, files_of_two, inputs) < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_quantiles_never_cross(name: str, files: dict[str, bytes], prices: pd.DataFrame) -> None:
    window = windows(prices, FAMILIES[name].inputs, complete_origins(prices)[::7])
    forecast = Champion.load(files[name]).forecast(window)
    assert (np.diff(forecast.quantiles, axis=2) >= 0).all()
    assert np.isfinite(forecast.mean).all()


def test_a_graph_that_computes_something_else_is_refused(models: dict[str, Model], known: pd.DataFrame) -> None:
    """The check compares with the model: a file of another fit does not pass."""
    other = fit(FAMILIES["linear_regression"], known.iloc[:-200])
    with pytest.raises(ExportError, match=r"^linear_regression: the graph .* 1e-09$"):
        check(exported(other), models["linear_regression"], HeadData(known))


def test_a_mean_that_is_not_a_number_is_refused(models: dict[str, Model], known: pd.DataFrame) -> None:
    walk = models["random_walk"]
    broken = replace(walk, fitted=Fitted(lambda window, sd: sd * float("nan"), {}))
    with pytest.raises(ExportError, match=r"^random_walk: .*: .* not finite"):
        check(exported(broken), broken, HeadData(known))


@pytest.mark.parametrize("head", ["garch", "ewma", "winsorised", "calendar"])
def test_every_head_is_traced_as_it_computes(head: str, known: pd.DataFrame) -> None:
    """A family names its head; the exported graph is the numpy function's."""
    model = fit(replace(FAMILIES["random_walk"], head=head), known, source="csv")
    parity = check(exported(model, "csv"), model, HeadData(known, source="csv"))
    assert parity.graph < 1e-12 and parity.batching < 1e-12
    assert truncation(model.head, HeadData(known, source="csv"), model.family.inputs, CHECKED) < 1e-6


def test_export_gives_the_file_and_its_parity(models: dict[str, Model], known: pd.DataFrame) -> None:
    model = models["random_walk"]
    described = describe(
        model, pair="EURUSD", source="ecb", prices_sha256="0" * 64, trained_through=date(2026, 10, 30), code="test"
    )
    data, parity = export(model, known, described)
    assert data == build(model, described)
    assert parity.graph < 1e-12


PROCESS = """
import hashlib, sys
from datetime import date
from training.models.families import FAMILIES
from training.prices.table import load
from tests.training.export.test_onnx_export import exported
from training.models.family import fit
prices = load("ecb", today=date(2026, 11, 1)).frame[["close"]].iloc[-1500:]
for name in sys.argv[1:]:
    print(name, hashlib.sha256(exported(fit(FAMILIES[name], prices))).hexdigest())
"""


OTHER_ORDER = ("random_walk", "lstm", "calendar", "arima", "linear_regression")


@pytest.mark.long
@pytest.mark.parametrize(("order", "threads"), [(("calendar", "random_walk"), "2"), (OTHER_ORDER, "1")])
def test_another_process_exports_the_same_bytes(order: tuple[str, ...], threads: str, files: dict[str, bytes]) -> None:
    """Hash seeds, the counters of converters and the threads of linear algebra differ from process to process."""
    environ = {
        **os.environ,
        "PYTHONHASHSEED": threads,
        "OMP_NUM_THREADS": threads,
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, *order], capture_output=True, text=True, check=True, env=environ
    )
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        name: hashlib.sha256(files[name]).hexdigest() for name in order
    }


def test_an_export_leaves_no_temporary_file(
    models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one that is deleted at exit: a worker that is stopped has none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    exported(models["lstm"])
    assert list(tmp_path.iterdir()) == []


def test_a_graph_with_a_loop_has_one_spelling_too(prices: pd.DataFrame) -> None:
    """Keras' GRU becomes a Loop, whose body is a graph of its own that uses names of the graph around it."""
    network = replace(NETWORK, layer="GRU", epochs=1)
    gru = replace(FAMILIES["lstm"], name="gru", fit=partial(fit_network, network, ("Return",)))
    train = prices.iloc[-1200:]
    first, second = (fit(gru, train) for _ in range(2))
    data = exported(first)
    assert "Loop" in {node.op_type for node in onnx.load_from_string(data).graph.node}
    assert exported(second) == data
    assert check(data, first, HeadData(train)).graph < 1e-6
