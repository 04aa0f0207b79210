"""Signs what is published: with a key of this machine, or with one that AWS KMS keeps."""

import base64
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from lambda_fn.champion.signature import envelope, message, verify
from lambda_fn.contract import Pointer
from lambda_fn.settings import Settings
from training.errors import NamedError

KMS = "awskms:"
SEED_BYTES = 32  # of a private key of Ed25519
KMS_ALGORITHM = "ED25519_SHA_512"  # of a key of the spec ECC_NIST_EDWARDS25519; the message goes there as it is
Sign = Callable[[bytes], bytes]


class SigningError(NamedError, ValueError):
    """The pointer cannot be signed as it must be; the message names the variable and the cure, and never the key."""


def signer(settings: Settings, connect: Callable[[str], Any] | None = None) -> Callable[[Pointer], Pointer]:
    """What signs a pointer; without CHAMPION_SIGNING_KEY it stays as it is. `connect` makes the KMS client of a region.

    Raises SigningError when public keys ask for a signature and there is no key, or one that is none.
    """
    given = settings.champion_signing_key
    if not given:
        if settings.champion_public_keys:
            raise SigningError(
                "CHAMPION_SIGNING_KEY: required with CHAMPION_PUBLIC_KEYS, or all that is published would be refused"
            )
        return lambda pointer: replace(pointer, signature=None)
    if given.startswith(KMS):
        public, sign = _of_kms(given.removeprefix(KMS), (connect or _kms)(settings.aws_region))
    else:
        public, sign = _of_machine(given)
    return partial(_signed, settings, public, sign)


def new_key() -> tuple[str, str]:
    """A private key and its public key, both base64."""
    key = Ed25519PrivateKey.generate()
    private, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    return base64.b64encode(private).decode(), base64.b64encode(public).decode()


def _signed(settings: Settings, public: bytes, sign: Sign, pointer: Pointer) -> Pointer:
    keys = settings.champion_public_keys
    if keys and public not in keys:
        raise SigningError(
            "CHAMPION_SIGNING_KEY: not the key of any of CHAMPION_PUBLIC_KEYS, so what it signs would be refused; "
            "set one that belongs to them"
        )
    signed = replace(pointer, signature=envelope(public, settings.stack, sign(message(pointer, settings.stack))))
    verify(signed, settings)  # so that nothing is written that serving would refuse
    return signed


def _of_machine(given: str) -> tuple[bytes, Sign]:
    """Of base64, or of a file that holds it."""
    try:
        text = Path(given).read_text() if Path(given).is_file() else given
        seed = base64.b64decode(text.strip(), validate=True)
        if len(seed) != SEED_BYTES:
            raise ValueError(f"{len(seed)} bytes")
        key = Ed25519PrivateKey.from_private_bytes(seed)
    except (OSError, ValueError) as error:
        raise SigningError(
            "CHAMPION_SIGNING_KEY: neither a key (base64 of 32 bytes), a file with one, nor awskms:<key id>; "
            "python -m training keys makes one"
        ) from error
    return key.public_key().public_bytes_raw(), key.sign


def _of_kms(name: str, client: Any) -> tuple[bytes, Sign]:
    from botocore.exceptions import BotoCoreError, ClientError

    def sign(signed: bytes) -> bytes:
        answer = client.sign(KeyId=name, Message=signed, MessageType="RAW", SigningAlgorithm=KMS_ALGORITHM)
        return bytes(answer["Signature"])

    try:
        key: Any = load_der_public_key(client.get_public_key(KeyId=name)["PublicKey"])
        return bytes(key.public_bytes_raw()), sign
    except (BotoCoreError, ClientError, ValueError, AttributeError) as error:
        raise SigningError(
            f"CHAMPION_SIGNING_KEY: KMS gives no Ed25519 key {name} ({error}); check its name and region, and the "
            "right to kms:GetPublicKey and kms:Sign"
        ) from error


def _kms(region: str) -> Any:
    import boto3

    return boto3.client("kms", region_name=region)
