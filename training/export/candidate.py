"""The results of training: a family's exported model, and its version in the registry."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from lambda_fn.contract import Metadata


@dataclass(frozen=True)
class Candidate:
    """One family's final refit: `model` is the bytes of the exported ONNX file, `metadata` the metadata in it."""

    family: str  # "lstm"
    model_type: str  # "LSTM"
    model: bytes
    metadata: Metadata
    params: Mapping[str, float | str]

    @property
    def name(self) -> str:
        """Name of the registered model: EURUSD_LSTM."""
        return f"{self.metadata.pair}_{self.model_type}"

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.model).hexdigest()


UNREGISTERED = 0  # as a version: registries count from 1


@dataclass(frozen=True)
class Registered:
    """One version of a registered model, and the digest of its ONNX file; version UNREGISTERED is in no registry."""

    name: str
    version: int
    run_id: str
    sha256: str

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"

    @classmethod
    def nowhere(cls, candidate: Candidate) -> "Registered":
        """Return the version of a candidate that is in no registry."""
        return cls(candidate.name, UNREGISTERED, "", candidate.sha256)
