"""Several seeds of one family as one champion file: the average of their quantiles and means, inside the graph.

Averaging quantiles keeps the shape of the members' distributions, where averaging probabilities would widen it:
Lichtendahl, Grushka-Cockayne & Winkler (2013), doi:10.1287/mnsc.1120.1667.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import ndonnx
import numpy as np
import onnx
import spox
from numpy.typing import NDArray

from lambda_fn.champion.model import Champion
from training.export.graph import ExportError, difference, seal

OUTPUTS = ("quantiles", "mean")
PARITY = 1e-12  # of the price; adding up and dividing rounds, nothing else differs
_TYPES: dict[int, Any] = {onnx.TensorProto.DOUBLE: ndonnx.float64, onnx.TensorProto.INT64: ndonnx.int64}


def average(files: Sequence[bytes]) -> bytes:
    """One champion file from those of the members, in their order; a single member stays as it is.

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
    fed = {name: array.unwrap_spox() for name, array in inputs.items()}
    outputs = [spox.inline(member)(**fed) for member in members]
    mean = {name: reduce(add, [ndonnx.asarray(own[name]) for own in outputs]) / len(files) for name in OUTPUTS}
    own = {entry.key: entry.value for entry in members[0].metadata_props}
    notes = {key: value for key, value in own.items() if key not in metadata[0].to_props()}
    return seal(ndonnx.build(inputs, mean), metadata[0], notes)


def check_average(data: bytes, files: Sequence[bytes], inputs: Mapping[str, NDArray[Any]]) -> float:
    """Largest relative difference from the members' mean on these windows; raises ExportError above PARITY."""
    served = Champion.load(data).forecast(inputs)
    members = [Champion.load(member).forecast(inputs) for member in files]
    apart = max(
        difference(served.quantiles, np.mean([own.quantiles for own in members], axis=0)),
        difference(served.mean, np.mean([own.mean for own in members], axis=0)),
    )
    if not apart <= PARITY:
        raise ExportError(f"the average of {len(files)} members differs by {apart:.1e} of the price from their mean")
    return apart


def _argument(value: onnx.ValueInfoProto) -> ndonnx.Array:
    shape = tuple(dim.dim_param or int(dim.dim_value) for dim in value.type.tensor_type.shape.dim)
    return ndonnx.argument(shape=shape, dtype=_TYPES[value.type.tensor_type.elem_type])
