"""Export of a fitted model to one ONNX file: prices in, forecast distribution out, checked at every export.

The forecast is the same Python function that training runs on numpy, traced by ndonnx, so that training and serving
cannot disagree; the checks below run the exported bytes in the serving code and compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import ndonnx
import numpy as np
import onnx
import pandas as pd
from numpy.typing import NDArray

from lambda_fn.champion.base import ForecastError
from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import CONTRACT_VERSION, DATE, TARGET_DATE, Metadata
from lambda_fn.fields import ContractError
from training.errors import NamedError
from training.export.canonical import canonicalise, reading_constants
from training.models.family import Model
from training.models.heads.base import HeadData
from training.prices.windows import HORIZON, LEVELS, WINDOW, complete_origins, windows

IR_VERSION = 10  # the newest that the contract allows; newer writers default to their own newest
CHECKED = 250  # windows on which every export is compared with its model
SINGLES = 8  # of these, also forecast one by one: a session costs the same for one as for many


class ExportError(NamedError, RuntimeError):
    """An exported graph does not compute what its model computes."""


@dataclass(frozen=True)
class Parity:
    """Largest relative differences of the exported graph, as shares of the price."""

    graph: float  # exported bytes in onnxruntime against the model in numpy and its libraries
    batching: float  # windows one by one against all at once


def export(model: Model, prices: pd.DataFrame, metadata: Metadata) -> tuple[bytes, Parity]:
    """Build and check the champion file of a model fitted on `prices`.

    Raises ExportError where the file does not match the model.
    """
    data = build(model, metadata)
    return data, check(data, model, HeadData(prices, metadata.pair, metadata.prices))


def build(model: Model, metadata: Metadata) -> bytes:
    """Trace the forecast and serialise the graph with its metadata; the same model gives the same bytes."""
    window = {column: _argument(column) for column in model.family.inputs}
    with reading_constants():
        quantiles, mean = model.forecast(window)
        graph = ndonnx.build(window, {"quantiles": quantiles, "mean": mean})
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


def check(data: bytes, model: Model, history: HeadData) -> Parity:
    """Compare the file with its model on the last CHECKED windows of its history; raises ExportError if they differ."""
    prices = history.prices
    window = windows(prices, model.family.inputs, complete_origins(prices)[-CHECKED:], source=history.source)
    try:
        champion = Champion.load(data)
        served = champion.plausible_forecast(window)
        singles = [
            champion.forecast({column: values[i : i + 1] for column, values in window.items()})
            for i in range(min(SINGLES, len(served.mean)))
        ]
    except (ContractError, ForecastError) as error:
        raise ExportError(f"{model.family.name}: the exported file cannot be served: {error}") from error
    quantiles, mean = model.forecast(window)
    parity = Parity(
        graph=max(relative_difference(served.quantiles, quantiles), relative_difference(served.mean, mean)),
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


def _argument(column: str) -> ndonnx.Array:
    """Input of the graph: prices or dates of the window, or the days forecast."""
    rows = HORIZON if column == TARGET_DATE else WINDOW
    dtype = ndonnx.int64 if column in (DATE, TARGET_DATE) else ndonnx.float64
    return ndonnx.argument(shape=("batch", rows), dtype=dtype)


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
