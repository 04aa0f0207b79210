"""Signed champions: an Ed25519 signature (RFC 8032) says who may publish, not the right to write a folder.

The signature covers the pointer's canonical JSON without its signature, so the champion's sha256, generation, pair,
scores and golden forecasts, and the stack: a champion signed for staging cannot be activated in production.
"""

import base64
import hashlib
import json
from dataclasses import replace

from lambda_fn.contract import Pointer
from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings

ALGORITHM = "ed25519"
PURPOSE = b"champion of a forecast service, version 2\n"  # so that nothing else that is signed can be taken for it


def message(pointer: Pointer, stack: str) -> bytes:
    """The bytes that are signed: fewer than 4,096, the limit of key services."""
    unsigned = replace(pointer, signature=None).to_object()
    text = json.dumps({"pointer": unsigned, "stack": stack}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return PURPOSE + hashlib.sha256(text.encode()).hexdigest().encode()


def key_id(public: bytes) -> str:
    """The name of a key: the beginning of its digest."""
    return hashlib.sha256(public).hexdigest()[:16]


def envelope(public: bytes, stack: str, value: bytes) -> dict[str, str]:
    """The pointer's field `signature`."""
    encoded = base64.b64encode(value).decode()
    return {"algorithm": ALGORITHM, "key_id": key_id(public), "stack": stack, "value": encoded}


def verify(pointer: Pointer, settings: Settings) -> None:
    """Check that one of the public keys signed this pointer for this pair and stack; without keys nothing is checked.

    Raises ContractError with the cure.
    """
    keys = {key_id(key): key for key in settings.champion_public_keys}
    if not keys:
        return
    cure = "publish it again with CHAMPION_SIGNING_KEY set to the key of one of CHAMPION_PUBLIC_KEYS"
    if pointer.champion is None:
        raise ContractError(f"pointer.signature: a pointer of the old form cannot be signed; {cure}")
    if pointer.generation is None:
        raise ContractError(f"pointer.generation: missing, so the pointer could be replayed at any time; {cure}")
    if pointer.pair != settings.pair:
        raise ContractError(f"pointer.pair: {pointer.pair}, and this is the pointer of {settings.pair}; {cure}")
    signature = pointer.signature
    if signature is None:
        raise ContractError(f"pointer.signature: missing, and this service takes signed champions only; {cure}")
    key = keys.get(signature.get("key_id", ""))
    if signature.get("algorithm") != ALGORITHM or key is None:
        known = ", ".join(keys)
        raise ContractError(f"pointer.signature: its key is not one of CHAMPION_PUBLIC_KEYS ({known}); {cure}")
    stack = signature.get("stack")
    if stack is None:
        raise ContractError(f"pointer.signature: made before signatures named the stack; {cure}")
    if stack != settings.stack:
        raise ContractError(
            f"pointer.signature: for the stack {stack}, and this is {settings.stack}; {cure}, and STACK set to its name"
        )
    if not _is_valid(key, signature.get("value", ""), message(pointer, stack)):
        raise ContractError(f"pointer.signature: not of this pointer, so something in it was changed; {cure}")


def _is_valid(key: bytes, value: str, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # only where a key is configured: it costs 20 ms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(value, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True
