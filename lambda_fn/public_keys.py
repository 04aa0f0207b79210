"""Public keys of champions' signatures, as CHAMPION_PUBLIC_KEYS gives them."""

import base64

KEY_BYTES = 32  # of Ed25519
_Y_OF_ORDER_8 = (  # y**2 of these solves -x**2 + y**2 = 1 + d * x**2 * y**2 with x**2 = -y**2
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
)


def parse_public_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys of a comma-separated list in base64. Raises ValueError with the cure."""
    keys = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            key = base64.b64decode(part, validate=True)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(f"{part[:60]!r} is not a public key; set it to base64 of the key's {KEY_BYTES} bytes")
        if _is_weak(key):
            raise ValueError(f"anybody can sign for {part!r}; set it to the public key of your private key")
        keys.append(key)
    if not keys:  # otherwise no signature would be required, which only an empty value means
        raise ValueError(f"{text[:60]!r} names no key; set it to base64 of a public key, or leave it empty")
    return tuple(keys)


def _is_weak(key: bytes) -> bool:
    """Return whether an Ed25519 key is a point of small order, for which some signatures are valid for any message.

    These are the y coordinates of the eight points whose order divides 8, encoded canonically or not; the sign bit
    does not matter (RFC 8032, section 5.1.2; Chalkias, Garillot and Nikolaenko 2020, "Taming the many EdDSAs").
    """
    y = int.from_bytes(key, "little") & (2**255 - 1)
    prime = 2**255 - 19
    return y % prime in (0, 1, prime - 1, *_Y_OF_ORDER_8)
