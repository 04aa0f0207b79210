"""Signed champions: who may publish is told by an Ed25519 signature (RFC 8032), not by who may write a folder.

What is signed names everything that is published: the digest of the pointer's canonical JSON without its signature, so
the champion's sha256, the generation, the pair, scores and golden forecasts.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from lambda_fn.contract import Pointer
from lambda_fn.fields import ContractError

ALGORITHM = "ed25519"
KEY_BYTES = 32
PURPOSE = b"champion of a forecast service, version 1\n"  # so that nothing else that is signed can be taken for it


def message(pointer: Pointer) -> bytes:
    """What a signature is over, under 4,096 bytes, which is what key services sign."""
    unsigned = replace(pointer, signature=None).to_object()
    text = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return PURPOSE + hashlib.sha256(text.encode()).hexdigest().encode()


def key_id(public: bytes) -> str:
    """By which a key is named: the beginning of its digest."""
    return hashlib.sha256(public).hexdigest()[:16]


def envelope(public: bytes, value: bytes) -> dict[str, str]:
    """The pointer's field `signature`."""
    return {"algorithm": ALGORITHM, "key_id": key_id(public), "value": base64.b64encode(value).decode()}


def verify(pointer: Pointer, public_keys: Sequence[bytes]) -> None:
    """Raises ContractError with the cure unless one of the keys signed this pointer; with no keys nothing is asked."""
    if not public_keys:
        return
    cure = "publish it with CHAMPION_SIGNING_KEY set to the key of one of CHAMPION_PUBLIC_KEYS"
    if pointer.champion is None:
        raise ContractError(f"pointer.signature: a pointer of the old form cannot be signed; {cure}")
    if pointer.generation is None:
        raise ContractError(f"pointer.generation: missing, so the pointer could be replayed at any time; {cure}")
    signature = pointer.signature
    if signature is None:
        raise ContractError(f"pointer.signature: missing, and this service takes signed champions only; {cure}")
    known = {key_id(key): key for key in public_keys}
    key = known.get(signature.get("key_id", ""))
    if signature.get("algorithm") != ALGORITHM or key is None:
        raise ContractError(f"pointer.signature: of a key that is not known here ({', '.join(known)} are); {cure}")
    if not _is_valid(key, signature.get("value", ""), message(pointer)):
        raise ContractError(f"pointer.signature: not of this pointer, so something in it was changed; {cure}")


def _is_valid(key: bytes, value: str, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # only where a key is configured: it costs 20 ms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(value, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True
