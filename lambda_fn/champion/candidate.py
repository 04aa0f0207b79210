"""Candidates: the pointers that training logs to MLflow beside every model, for a version that a person chooses there.

A candidate is a pointer without generation and time of publishing. It has the scores, golden forecasts and benchmarks
of its version, and its own signature.
"""

from dataclasses import replace
from datetime import datetime

from lambda_fn import contract, fields
from lambda_fn.contract import REASON, Pointer
from lambda_fn.store import keys

FILE = "pointer.json"  # among the files of a version, beside its model
CHOSEN = "chosen in MLflow: "  # begins the reason of an activation


def is_chosen(pointer: Pointer) -> bool:
    """Return whether the pointer of an activation was chosen in MLflow."""
    return str(pointer.extra.get(REASON, "")).startswith(CHOSEN)


def strip(pointer: Pointer) -> Pointer:
    """Return what the signature of a candidate covers: the pointer without what its activation adds or changes."""
    extra = {name: value for name, value in pointer.extra.items() if name != REASON}
    file = pointer.champion
    if file is not None:
        file = replace(file, key=keys.champion_key(file.sha256, pointer.pair or ""))
    return replace(pointer, generation=None, created_at=None, champion=file, signature=None, extra=extra)


def write_candidate(pointer: Pointer) -> bytes:
    """Return the bytes of a candidate with the signature of the pointer."""
    return fields.json_bytes(replace(strip(pointer), signature=pointer.signature).to_object())


def read_candidate(data: bytes, created_at: datetime) -> Pointer:
    """Read a candidate; `created_at` is when its version was registered. Raises ContractError."""
    members = fields.json_object(data, "candidate", contract.MAX_POINTER_BYTES)
    members["created_at"] = fields.utc_text(created_at)
    return Pointer.parse(fields.json_bytes(members))
