"""Records of what refresh and ingest rejected: one record for each rejected object, with the reason and the time.

A pointer has one record, about the champion that it names. A pointer of the old form names a model whose alias can
move: its record has the sha256 of the file under `champion`, and is lifted when the pointer names a valid file again.
"""

import hashlib
import json
import logging
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Literal, NamedTuple, TypeAlias

from lambda_fn import fields
from lambda_fn.contract import Pointer, record_bytes
from lambda_fn.fields import ContractError
from lambda_fn.store import keys, schema
from lambda_fn.store.object_store import Store

_log = logging.getLogger(__name__)
MAX_BYTES = 2**16
MAX_REASON = 1_000  # characters; onnxruntime's can be long
# Members of a record beside those of `Refusal`:
CHAMPION = "champion"  # sha256 of the file that the pointer named, if that is known
LIFTED = "lifted_at"  # when the record ceased to apply
ROLLED_BACK = "rolled_back_to"  # the generation that serves in place of the pointer's champion
SUPERSEDED = "superseded_by"  # the generation that was chosen in MLflow in place of the pointer's champion
PointerState: TypeAlias = Literal["refused", "rolled back", "superseded"]


@dataclass(frozen=True)
class Refusal:
    """The record of a rejection. `about` has further members, strings or integers, about the rejected object.

    `request_id` is that of Lambda, the same at every attempt of one event, or empty.
    """

    reason: Annotated[str, schema.TEXT]
    refused_at: datetime
    request_id: Annotated[str, schema.text("(?s).*", "a string")] = ""
    about: Annotated[dict[str, str | int], schema.Others()] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> "Refusal":
        """Parse a record. Raises ContractError naming the field."""
        return schema.parse(cls, fields.json_object(data, "refusal", MAX_BYTES), "refusal")

    def to_json(self) -> bytes:
        """Return the bytes of the record. Raises ContractError unless `parse` gives the same object back."""
        return record_bytes(self, schema.dump(self), Refusal.parse, fields.json_bytes)


def shorten_reason(reason: str) -> str:
    """Return the reason in a form that a record can hold, whatever characters the rejected object put into it."""
    return reason.encode("utf-8", "backslashreplace").decode()[:MAX_REASON] or "no reason is known"


def describe_error(error: Exception, expected: tuple[type[Exception], ...], action: str) -> str:
    """Return why `action`, such as "its check", failed. An error that is not one of `expected` is logged."""
    if isinstance(error, expected):
        return str(error)
    _log.error("unexpected error: %s failed", action, exc_info=error)
    return f"{action} failed with {type(error).__name__}: {error}"


def is_first(store: Store, key: str, refusal: Refusal) -> bool:
    """Record the refusal under `key`. Returns True if it is new, or was recorded by another attempt of the same event.

    A record that is unreadable, was lifted or is about another champion is replaced and does not count.
    """
    data = refusal.to_json()

    def change(stored: bytes | None) -> tuple[bytes | None, bool]:
        try:
            previous = None if stored is None else Refusal.parse(stored)
        except ContractError:
            previous = None
        if previous is None or LIFTED in previous.about or previous.about.get(CHAMPION) != refusal.about.get(CHAMPION):
            return data, True
        return None, bool(refusal.request_id) and previous.request_id == refusal.request_id

    return store.update(key, change)


def record(store: Store, key: str, refusal: Refusal) -> None:
    """Write the record, in place of any other under `key`."""
    data = refusal.to_json()
    store.update(key, lambda _: (data, None))


def record_key(pointer: Pointer | bytes, pair: str) -> str:
    """Return the key of the record of a pointer, a hash of its content that does not depend on the formatting.

    Bytes that are not a valid pointer are hashed themselves.
    """
    if isinstance(pointer, bytes):
        data = pointer
        try:
            pointer = Pointer.parse(data)
        except ContractError:
            return keys.refused_key(hashlib.sha256(data).hexdigest(), pair)
    content = json.loads(json.dumps(pointer.to_object()), parse_int=float)  # some writers write 1 for 1.0
    return keys.refused_key(hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(), pair)


class PointerStatus(NamedTuple):
    """Why a pointer must not be activated.

    `champion` is the sha256 of the file that it named, or None if that is unknown.
    """

    state: PointerState
    reason: str
    champion: str | None


def read_status(store: Store, key: str) -> PointerStatus | None:
    """Read the record under `key`. Returns None when there is none, or it was lifted."""
    try:
        if (blob := store.find(key)) is None:
            return None
        members = fields.json_object(blob.data, "refusal", MAX_BYTES)
    except ContractError as error:
        return PointerStatus("refused", f"reason unknown, because its record cannot be read: {error}", None)
    if LIFTED in members:
        return None
    reason, champion = str(members.get("reason", "no reason is recorded")), members.get(CHAMPION)
    state: PointerState = "refused"
    if ROLLED_BACK in members or SUPERSEDED in members:
        state = "rolled back" if ROLLED_BACK in members else "superseded"
    return PointerStatus(state, reason, champion if isinstance(champion, str) else None)


def lift(store: Store, key: str, now: datetime) -> None:
    """Mark the record under `key` as no longer valid; it is not deleted. Safe to repeat."""

    def change(stored: bytes | None) -> tuple[bytes | None, None]:
        if stored is None:
            return None, None
        try:
            refusal = Refusal.parse(stored)
        except ContractError:
            refusal = Refusal("reason unknown, because its record could not be read", now)
        if LIFTED in refusal.about:
            return None, None
        return replace(refusal, about=refusal.about | {LIFTED: fields.utc_text(now)}).to_json(), None

    store.update(key, change)
