"""Records of what refresh and ingest refused: why and when, once for each thing that was refused."""

import logging
from dataclasses import dataclass, field
from datetime import datetime

from lambda_fn import fields
from lambda_fn.fields import ContractError
from lambda_fn.store.objects import Missing, Store

_log = logging.getLogger(__name__)
MAX_BYTES = 2**16
MAX_REASON = 1_000  # characters; onnxruntime's can be long


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

    A record that cannot be read is written anew and counts as none.
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
    return bool(refusal.request_id) and known.request_id == refusal.request_id


def reason_of(store: Store, key: str) -> str | None:
    """Why what `key` is of was refused; None when it was not."""
    try:
        found = fields.json_object(store.read(key).data, "refusal", MAX_BYTES)
    except Missing:
        return None
    except ContractError as error:
        return f"no reason is known, as its record cannot be read: {error}"
    return str(found.get("reason", "no reason is recorded"))
