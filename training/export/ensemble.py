"""Ensembles: one champion file that averages several fits of a family."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import ndonnx
import numpy as np
import onnx
import spox
from numpy.typing import NDArray

from lambda_fn.champion.runtime import Champion
from training.export.onnx_export import ExportError, relative_difference, seal

OUTPUTS = ("quantiles", "mean")
PARITY = 1e-12  # of the price; only the rounding of a sum and a division may differ
_TYPES: dict[int, Any] = {onnx.TensorProto.DOUBLE: ndonnx.float64, onnx.TensorProto.INT64: ndonnx.int64}


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
    inputs = {value.name: _argument(value) for value in members[0].graph.input}
    spox_inputs = {name: array.unwrap_spox() for name, array in inputs.items()}
    outputs = [spox.inline(member)(**spox_inputs) for member in members]
    mean = {
        name: reduce(add, [ndonnx.asarray(forecast[name]) for forecast in outputs]) / len(files) for name in OUTPUTS
    }
    props = {entry.key: entry.value for entry in members[0].metadata_props}
    notes = {key: value for key, value in props.items() if key not in metadata[0].to_props()}
    return seal(ndonnx.build(inputs, mean), metadata[0], notes)


def check_average(data: bytes, files: Sequence[bytes], inputs: Mapping[str, NDArray[Any]]) -> float:
    """Return the largest relative difference from the members' mean on these windows.

    Raises ExportError where it is above PARITY.
    """
    served = Champion.load(data).forecast(inputs)
    members = [Champion.load(member).forecast(inputs) for member in files]
    error = max(
        relative_difference(served.quantiles, np.mean([forecast.quantiles for forecast in members], axis=0)),
        relative_difference(served.mean, np.mean([forecast.mean for forecast in members], axis=0)),
    )
    if not error <= PARITY:
        raise ExportError(f"the average of {len(files)} members differs by {error:.1e} of the price from their mean")
    return error


def _argument(value: onnx.ValueInfoProto) -> ndonnx.Array:
    shape = tuple(dim.dim_param or int(dim.dim_value) for dim in value.type.tensor_type.shape.dim)
    return ndonnx.argument(shape=shape, dtype=_TYPES[value.type.tensor_type.elem_type])
