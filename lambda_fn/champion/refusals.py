"""Records of what refresh and ingest refused: why and when, once for each thing that was refused.

A pointer has one record, of the champion that it means. One of the old form names a model whose alias moves: `champion`
says of which file the record is, and a record is lifted when the pointer means a sound one again.
"""

import hashlib
import json
import logging
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, NamedTuple

from lambda_fn import fields
from lambda_fn.contract import Pointer
from lambda_fn.fields import ContractError
from lambda_fn.store import keys
from lambda_fn.store.object_store import Missing, Store

_log = logging.getLogger(__name__)
MAX_BYTES = 2**16
MAX_REASON = 1_000  # characters; onnxruntime's can be long
CHAMPION = "champion"  # in a record: sha256 of the file that the pointer meant, where that is known
LIFTED = "lifted_at"  # in a record: since when it is none
ROLLED_BACK = "rolled_back_to"  # in a record: the generation that serves in place of the pointer's champion


@dataclass(frozen=True)
class Refusal:
    """`about` says more of what was refused, by names of texts and numbers."""

    reason: str
    refused_at: datetime
    request_id: str = ""  # Lambda's, the same at every try of one event
    about: dict[str, str | int] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> "Refusal":
        """Raises ContractError naming the field."""
        found = fields.json_object(data, "refusal", MAX_BYTES)
        read = fields.Reader(found, "refusal")
        return cls(
            read.text("reason"),
            read.moment("refused_at"),
            read.text("request_id") if found.get("request_id") else "",
            {name: value for name, value in found.items() if name not in ("reason", "refused_at", "request_id")},
        )

    def to_json(self) -> bytes:
        """`parse` gives the same object back; raises ContractError otherwise."""
        known = {"reason": self.reason, "refused_at": fields.utc_text(self.refused_at), "request_id": self.request_id}
        return fields.record_bytes(self, known | self.about, Refusal.parse, fields.json_bytes)


def shortened(reason: str) -> str:
    """The reason as a record can hold it, whatever the refused thing put into it."""
    return reason.encode("utf-8", "backslashreplace").decode()[:MAX_REASON] or "no reason is known"


def told(error: Exception, expected: tuple[type[Exception], ...], doing: str) -> str:
    """Why `doing`, such as "its check", ended: in the error's own words, or logged where it is none of `expected`."""
    if isinstance(error, expected):
        return str(error)
    _log.error("unexpected error: %s ended", doing, exc_info=error)
    return f"{doing} ended in {type(error).__name__}: {error}"


def is_first(store: Store, key: str, refusal: Refusal) -> bool:
    """Records the refusal under `key`; True when none was recorded before, or by another try of the same event.

    A record that cannot be read, that was lifted or that is of another champion is written anew and counts as none.
    """
    data = refusal.to_json()
    if store.create(key, data):
        return True
    try:
        blob = store.read(key)
        known = Refusal.parse(blob.data)
    except Missing:  # deleted since
        return store.create(key, data)
    except ContractError:
        return store.replace(key, data, blob.etag)
    if LIFTED in known.about or known.about.get(CHAMPION) != refusal.about.get(CHAMPION):
        return store.replace(key, data, blob.etag)
    return bool(refusal.request_id) and known.request_id == refusal.request_id


def record(store: Store, key: str, refusal: Refusal) -> None:
    """Writes the record whatever is there."""
    data = refusal.to_json()
    while not store.create(key, data):
        try:
            if store.replace(key, data, store.read(key).etag):
                return
        except Missing:
            continue


def record_key(pointer: Pointer | bytes, pair: str) -> str:
    """Where the record of a pointer is, made here alone: by what it says and not by how that is written. Bytes that are
    no pointer go by themselves."""
    if isinstance(pointer, bytes):
        data = pointer
        try:
            pointer = Pointer.parse(data)
        except ContractError:
            return keys.refused_key(hashlib.sha256(data).hexdigest(), pair)
    said = json.loads(json.dumps(pointer.to_object()), parse_int=float)  # some writers make 1 of 1.0
    return keys.refused_key(hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest(), pair)


class Recorded(NamedTuple):
    """What is recorded of a pointer; `champion` is the sha256 of the file that it meant, None where that is unknown."""

    state: Literal["refused", "rolled back"]
    reason: str
    champion: str | None


def recorded(store: Store, key: str) -> Recorded | None:
    """What `key` has; None when there is nothing, or it was lifted."""
    try:
        found = fields.json_object(store.read(key).data, "refusal", MAX_BYTES)
    except Missing:
        return None
    except ContractError as error:
        return Recorded("refused", f"no reason is known, as its record cannot be read: {error}", None)
    if LIFTED in found:
        return None
    reason, champion = str(found.get("reason", "no reason is recorded")), found.get(CHAMPION)
    state: Literal["refused", "rolled back"] = "rolled back" if ROLLED_BACK in found else "refused"
    return Recorded(state, reason, champion if isinstance(champion, str) else None)


def lift(store: Store, key: str, now: datetime) -> None:
    """What is recorded under `key` holds no longer; it stays to be read. Safe to repeat."""
    try:
        blob = store.read(key)
        known = Refusal.parse(blob.data)
    except Missing:
        return
    except ContractError:
        known = Refusal("no reason is known, as its record could not be read", now)
    if LIFTED not in known.about:
        store.replace(key, replace(known, about=known.about | {LIFTED: fields.utc_text(now)}).to_json(), blob.etag)
