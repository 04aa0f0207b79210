"""Sign published pointers, with a local key or with a key of AWS KMS."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from lambda_fn.champion.candidate import strip
from lambda_fn.champion.signature import CANDIDATE_PURPOSE, envelope, message, verify, verify_candidate
from lambda_fn.contract import Pointer
from lambda_fn.settings import Settings
from training.errors import NamedError

KMS = "awskms:"
SEED_BYTES = 32  # length of a private key of Ed25519
KMS_ALGORITHM = "ED25519_SHA_512"  # for a key of the spec ECC_NIST_EDWARDS25519, with the message not hashed
Sign = Callable[[bytes], bytes]


class SigningError(NamedError, ValueError):
    """The pointer cannot be signed; the message names the variable and says what to do, and never contains the key."""


def make_signer(
    settings: Settings, connect: Callable[[str], Any] | None = None, *, is_candidate: bool = False
) -> Callable[[Pointer], Pointer]:
    """Return a function that signs a pointer; without CHAMPION_SIGNING_KEY it removes the signature.

    `connect` makes the KMS client of a region. With `is_candidate` it signs candidates, which may be activated when
    somebody chooses them in MLflow. Raises SigningError when the key is invalid, or missing although there
    are public keys; the function does when serving does not trust the key.
    """
    key = settings.champion_signing_key
    if not key:
        if settings.champion_public_keys:
            raise SigningError(
                "CHAMPION_SIGNING_KEY: required with CHAMPION_PUBLIC_KEYS, because unsigned champions are refused; set "
                "the private key of one of them"
            )
        return lambda pointer: replace(pointer, signature=None)
    if key.startswith(KMS):
        public, sign = _load_kms_key(key.removeprefix(KMS), settings.aws_region, connect)
    else:
        public, sign = _load_local_key(key)

    def sign_pointer(pointer: Pointer) -> Pointer:
        trusted = settings.champion_public_keys
        if trusted and public not in trusted:
            raise SigningError(
                "CHAMPION_SIGNING_KEY: not the key of any of CHAMPION_PUBLIC_KEYS, so the champion would be refused; "
                "set the private key of one of them"
            )
        text = message(strip(pointer), settings.stack, CANDIDATE_PURPOSE) if is_candidate else None
        value = sign(text or message(pointer, settings.stack))
        signed = replace(pointer, signature=envelope(public, settings.stack, value))
        (verify_candidate if is_candidate else verify)(signed, settings)  # nothing that serving would refuse
        return signed

    return sign_pointer


def make_key() -> tuple[str, str]:
    """Return a new private key and its public key, both in base64."""
    key = Ed25519PrivateKey.generate()
    private, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    return base64.b64encode(private).decode(), base64.b64encode(public).decode()


def _load_local_key(value: str) -> tuple[bytes, Sign]:
    """Return the public key and the signing function of a key in base64, or in a file with base64."""
    try:
        text = Path(value).read_text() if Path(value).is_file() else value
        seed = base64.b64decode(text.strip(), validate=True)
        if len(seed) != SEED_BYTES:
            raise ValueError(f"{len(seed)} bytes")
        key = Ed25519PrivateKey.from_private_bytes(seed)
    except (OSError, ValueError) as error:
        raise SigningError(
            "CHAMPION_SIGNING_KEY: neither a key (base64 of 32 bytes), a file with one, nor awskms:<key id>; "
            "create one with eurusd keys"
        ) from error
    return key.public_key().public_bytes_raw(), key.sign


def _load_kms_key(name: str, region: str, connect: Callable[[str], Any] | None) -> tuple[bytes, Sign]:
    """Return the public key and the signing function of a key of KMS."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = connect(region) if connect else boto3.client("kms", region_name=region)

    def sign(data: bytes) -> bytes:
        response = client.sign(KeyId=name, Message=data, MessageType="RAW", SigningAlgorithm=KMS_ALGORITHM)
        return bytes(response["Signature"])

    try:
        key: Any = load_der_public_key(client.get_public_key(KeyId=name)["PublicKey"])
        return bytes(key.public_bytes_raw()), sign
    except (BotoCoreError, ClientError, ValueError, AttributeError) as error:
        raise SigningError(
            f"CHAMPION_SIGNING_KEY: {name} is not an available Ed25519 key of KMS ({error}); check its name and "
            "region, and the permissions kms:GetPublicKey and kms:Sign"
        ) from error
