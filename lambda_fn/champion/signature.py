"""Signed champions: an Ed25519 signature (RFC 8032) decides who may publish, not the right to write to a folder.

The signature covers the pointer's canonical JSON without its signature, and so the champion's sha256, generation, pair,
scores and golden forecasts. It also covers the stack: a champion signed for staging cannot be activated in production.
"""

import base64
import hashlib
import json
from dataclasses import replace

from lambda_fn.champion.candidate import strip
from lambda_fn.contract import Pointer
from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings

ALGORITHM = "ed25519"
PURPOSE = b"champion of a forecast service, version 2\n"  # so that no other signed text can pass for it
CANDIDATE_PURPOSE = b"candidate of a forecast service, version 1\n"


def message(pointer: Pointer, stack: str, purpose: bytes = PURPOSE) -> bytes:
    """Return the bytes to sign: fewer than 4,096, the limit of key management services."""
    unsigned = replace(pointer, signature=None).to_object()
    text = json.dumps({"pointer": unsigned, "stack": stack}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return purpose + hashlib.sha256(text.encode()).hexdigest().encode()


def key_id(public: bytes) -> str:
    """Return the short id of a public key: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def envelope(public: bytes, stack: str, value: bytes) -> dict[str, str]:
    """Return the pointer's field `signature`; `value` is the signature itself."""
    encoded = base64.b64encode(value).decode()
    return {"algorithm": ALGORITHM, "key_id": key_id(public), "stack": stack, "value": encoded}


def verify(pointer: Pointer, settings: Settings) -> None:
    """Check that one of the public keys signed this pointer for this pair and stack.

    Without public keys nothing is checked. Raises ContractError with the cure.
    """
    _verify(pointer, settings, PURPOSE)


def verify_candidate(pointer: Pointer, settings: Settings) -> None:
    """Check that one of the public keys signed this candidate, as `verify` does for a published pointer.

    A candidate has a purpose of its own, so neither signature can be used in place of the other.
    """
    _verify(pointer, settings, CANDIDATE_PURPOSE)


def _verify(pointer: Pointer, settings: Settings, purpose: bytes) -> None:
    keys = {key_id(key): key for key in settings.champion_public_keys}
    if not keys:
        return
    cure = "publish it again with CHAMPION_SIGNING_KEY set to the key of one of CHAMPION_PUBLIC_KEYS"
    if pointer.champion is None:
        raise ContractError(f"pointer.signature: a pointer of the old form cannot be signed; {cure}")
    if pointer.generation is None and purpose == PURPOSE:
        raise ContractError(f"pointer.generation: missing, so the pointer could be replayed at any time; {cure}")
    if pointer.pair != settings.pair:
        raise ContractError(f"pointer.pair: {pointer.pair}, but this is the pointer of {settings.pair}; {cure}")
    signature = pointer.signature
    if signature is None:
        raise ContractError(f"pointer.signature: missing, but this service accepts only signed champions; {cure}")
    key = keys.get(signature.get("key_id", ""))
    if signature.get("algorithm") != ALGORITHM or key is None:
        raise ContractError(
            f"pointer.signature: its key is not one of CHAMPION_PUBLIC_KEYS ({', '.join(keys)}); {cure}"
        )
    stack = signature.get("stack")
    if stack is None:
        raise ContractError(f"pointer.signature: made before signatures named the stack; {cure}")
    if stack != settings.stack:
        raise ContractError(
            f"pointer.signature: made for the stack {stack}, but this is {settings.stack}; {cure}, and STACK set to "
            "its name"
        )
    from cryptography.exceptions import InvalidSignature  # only if a key is configured, because it takes 20 ms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signed = strip(pointer) if purpose == CANDIDATE_PURPOSE else pointer
    try:
        value = base64.b64decode(signature.get("value", ""), validate=True)
        Ed25519PublicKey.from_public_bytes(key).verify(value, message(signed, stack, purpose))
    except (InvalidSignature, ValueError):
        changed = "does not match the pointer, so something in it was changed"
        raise ContractError(f"pointer.signature: {changed}; {cure}") from None
