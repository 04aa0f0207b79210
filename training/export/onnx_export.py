"""Export of a fitted model, or of the average of several, to one ONNX file: prices in, forecast distribution out.

The forecast is the same Python function that training runs on numpy, traced by ndonnx, so that training and serving
cannot disagree; at every export the exported bytes are run in the serving code and compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import add
from typing import Any

import ndonnx
import numpy as np
import onnx
import pandas as pd
import spox
from numpy.typing import NDArray

from lambda_fn.champion.base import OUTPUTS, ForecastError
from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import CONTRACT_VERSION, DATE, TARGET_DATE, Metadata
from lambda_fn.fields import ContractError
from training.errors import NamedError
from training.export.canonical import canonicalise, reading_constants
from training.models.family import Model
from training.models.heads.base import HeadData
from training.prices.windows import HORIZON, LEVELS, WINDOW, complete_origins, windows

IR_VERSION = 10  # the newest that the contract allows; newer writers default to their own newest
CHECKED = 250  # windows on which the export of a final refit is compared with its model
CHECKED_REFIT = 50  # the same for a refit of the backtest, whose file is scored on a year and never served
SINGLES = 8  # of these, also forecast one by one: a session costs the same for one as for many
AVERAGE_PARITY = 1e-12  # of the price; only the rounding of a sum and a division may differ


class ExportError(NamedError, RuntimeError):
    """An exported graph does not compute what its model computes."""


@dataclass(frozen=True)
class Parity:
    """Largest relative differences of the exported graph, as shares of the price."""

    graph: float  # exported bytes in onnxruntime against the model in numpy and its libraries
    batching: float  # windows one by one against all at once


def export(model: Model, prices: pd.DataFrame, metadata: Metadata, checked: int = CHECKED) -> tuple[bytes, Parity]:
    """Build the champion file of a model fitted on `prices`, and check it.

    Args:
        model: The fitted model.
        prices: Every row up to the cutoff.
        metadata: Of the file.
        checked: The number of newest windows on which the file is compared with the model.

    Raises ExportError where the file does not match the model.
    """
    data = build(model, metadata)
    return data, check(data, model, HeadData(prices, metadata.pair, metadata.prices), checked)


def build(model: Model, metadata: Metadata) -> bytes:
    """Trace the forecast and serialise the graph with its metadata; the same model gives the same bytes."""
    window = {
        name: ndonnx.argument(
            shape=("batch", HORIZON if name == TARGET_DATE else WINDOW),
            dtype=ndonnx.int64 if name in (DATE, TARGET_DATE) else ndonnx.float64,
        )
        for name in model.family.inputs
    }
    with reading_constants():
        graph = ndonnx.build(window, model.forecast(window))
    return seal(graph, metadata, model.head.notes)


def seal(graph: onnx.ModelProto, metadata: Metadata, notes: Mapping[str, str]) -> bytes:
    """Serialise a champion file: the canonical graph with its metadata, and `notes`, which readers may ignore."""
    graph.ir_version = min(graph.ir_version, IR_VERSION)
    canonicalise(graph)
    del graph.metadata_props[:]
    for key, value in sorted({**notes, **metadata.to_props()}.items()):
        graph.metadata_props.append(onnx.StringStringEntryProto(key=key, value=value))
    onnx.checker.check_model(graph, full_check=True)
    data: bytes = graph.SerializeToString(deterministic=True)
    return data


def check(data: bytes, model: Model, history: HeadData, checked: int = CHECKED) -> Parity:
    """Compare a champion file with its model. Raises ExportError if they differ.

    Args:
        data: The bytes of the file.
        model: The model.
        history: The rows that it was fitted on.
        checked: The number of newest windows to compare.
    """
    prices = history.prices
    window = windows(prices, model.family.inputs, complete_origins(prices)[-checked:], source=history.source)
    try:
        champion = Champion.load(data)
        served = champion.plausible_forecast(window)
        singles = [
            champion.forecast({column: values[i : i + 1] for column, values in window.items()})
            for i in range(min(SINGLES, len(served.mean)))
        ]
    except (ContractError, ForecastError) as error:
        raise ExportError(f"{model.family.name}: the exported file cannot be served: {error}") from error
    outputs = served.outputs()
    parity = Parity(
        graph=max(relative_difference(outputs[name], values) for name, values in model.forecast(window).items()),
        batching=max(relative_difference(single.quantiles[0], served.quantiles[i]) for i, single in enumerate(singles)),
    )
    family = model.family
    if not parity.graph <= family.parity:
        raise ExportError(
            f"{family.name}: the graph differs by {parity.graph:.1e} of the price, allowed {family.parity:.0e}"
        )
    if not parity.batching <= family.batching:
        raise ExportError(
            f"{family.name}: single windows differ from the batch by {parity.batching:.1e} of the price, allowed "
            f"{family.batching:.0e}"
        )
    if (np.diff(served.quantiles, axis=2) < 0).any():
        raise ExportError(f"{family.name}: the quantiles cross")
    return parity


def average(files: Sequence[bytes]) -> bytes:
    """Build one champion file that averages the members, in their order; a single member stays as it is.

    Rounding is monotone, so quantiles that do not cross in any member do not cross in the sum. Raises ExportError
    when members are not of one kind.
    """
    if len(files) == 1:
        return files[0]
    metadata = [Champion.load(data).metadata for data in files]
    if any(other != metadata[0] for other in metadata):
        raise ExportError(f"{metadata[0].family}: members differ in their metadata; fit all of them on the same prices")
    members = [onnx.load_model_from_string(data) for data in files]
    inputs = {}
    for value in members[0].graph.input:
        shape = tuple(dim.dim_param or int(dim.dim_value) for dim in value.type.tensor_type.shape.dim)
        is_price = value.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
        inputs[value.name] = ndonnx.argument(shape=shape, dtype=ndonnx.float64 if is_price else ndonnx.int64)
    spox_inputs = {name: array.unwrap_spox() for name, array in inputs.items()}
    outputs = [spox.inline(member)(**spox_inputs) for member in members]
    mean = {
        name: reduce(add, [ndonnx.asarray(forecast[name]) for forecast in outputs]) / len(files)
        for name in OUTPUTS
        if all(name in forecast for forecast in outputs)
    }
    props = {entry.key: entry.value for entry in members[0].metadata_props}
    notes = {key: value for key, value in props.items() if key not in metadata[0].to_props()}
    return seal(ndonnx.build(inputs, mean), metadata[0], notes)


def check_average(data: bytes, files: Sequence[bytes], inputs: Mapping[str, NDArray[Any]]) -> float:
    """Return the largest relative difference from the members' mean on these windows.

    Raises ExportError where it is above AVERAGE_PARITY.
    """
    served = Champion.load(data).forecast(inputs)
    members = [Champion.load(member).forecast(inputs) for member in files]
    error = max(
        relative_difference(values, np.mean([forecast.outputs()[name] for forecast in members], axis=0))
        for name, values in served.outputs().items()
    )
    if not error <= AVERAGE_PARITY:
        raise ExportError(f"the average of {len(files)} members differs by {error:.1e} of the price from their mean")
    return error


def relative_difference(actual: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Largest relative difference; infinite where a value is not finite or the shapes differ."""
    if actual.shape != expected.shape or not (np.isfinite(actual).all() and np.isfinite(expected).all()):
        return float("inf")
    return float(np.abs(actual / expected - 1.0).max())


def describe(model: Model, *, pair: str, source: str, prices_sha256: str, trained_through: date, code: str) -> Metadata:
    """Build the metadata of a model's champion file.

    Args:
        model: The fitted model.
        pair: Six letters, such as EURUSD.
        source: The source of the prices.
        prices_sha256: The digest of the price table.
        trained_through: The day of the last row of the fit.
        code: The version of the training code.
    """
    return Metadata(
        contract_version=CONTRACT_VERSION,
        pair=pair,
        family=model.family.name,
        prices=source,
        window=WINDOW,
        horizon=HORIZON,
        levels=LEVELS,
        features=model.family.features,
        trained_through=trained_through,
        prices_sha256=prices_sha256,
        code_version=code,
    )
