"""What training hands on: a family's exported model, and the version that the registry made of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any

import ndonnx
import numpy as np
import onnx
import spox
from numpy.typing import NDArray

from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import Metadata
from training.export.onnx_export import ExportError, difference, seal


@dataclass(frozen=True)
class Candidate:
    """One family's final refit: `model` holds the bytes of the exported ONNX file, `metadata` what it declares."""

    family: str  # "lstm"
    model_type: str  # "LSTM"
    model: bytes
    metadata: Metadata
    params: Mapping[str, float | str]

    @property
    def name(self) -> str:
        """The registered model: EURUSD_LSTM."""
        return f"{self.metadata.pair}_{self.model_type}"

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.model).hexdigest()


@dataclass(frozen=True)
class Registered:
    """One version of a registered model, and the digest of the ONNX file that it holds."""

    name: str
    version: int
    run_id: str
    sha256: str

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"


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
