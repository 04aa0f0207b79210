"""Environment variables with a form of their own: public keys, and the OpenID client of the sign-in page."""

import base64
import re
from typing import NamedTuple

KEY_BYTES = 32  # of Ed25519
_Y_OF_ORDER_8 = (  # y**2 of these solves -x**2 + y**2 = 1 + d * x**2 * y**2 with x**2 = -y**2
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
)
# An address goes into a header and a page, so it contains no character that has a meaning there. OAuth requires TLS
# except on the same machine (RFC 8252, section 7.3).
_HOST = r"(?:https://[A-Za-z0-9.-]+|http://(?:127\.0\.0\.1|localhost))(?::[0-9]{1,5})?"
_ISSUER = re.compile(rf"{_HOST}(?:/[\w.~%/+:@-]*)?", re.ASCII)
_ENDPOINT = re.compile(rf"{_ISSUER.pattern}(?:\?[\w.~%/+:@=&-]*)?", re.ASCII)
_CLIENT_ID = re.compile(r"[\w.~%/+:@-]{1,256}", re.ASCII)


class SignIn(NamedTuple):
    """A public client of an OpenID provider, which uses the authorization code flow with PKCE.

    Attributes:
        client_id: the client id, which is the audience of its ID tokens.
        issuer: the issuer of the ID tokens.
        authorization_endpoint: where people sign in.
        token_endpoint: where the page exchanges the code for a token.
        sign_out_url: ends the provider's session; None if signing out ends only the page's.
    """

    client_id: str
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    sign_out_url: str | None

    @property
    def token_source(self) -> str:
        """The token endpoint as a source of a Content-Security-Policy, which has no query."""
        return self.token_endpoint.partition("?")[0]


def parse_sign_in(
    client_id: str, issuer: str, authorization_endpoint: str, token_endpoint: str, sign_out_url: str
) -> SignIn:
    """Return the sign-in of these values.

    Args:
        client_id: SIGN_IN_CLIENT_ID.
        issuer: SIGN_IN_ISSUER.
        authorization_endpoint: SIGN_IN_AUTHORIZATION_ENDPOINT.
        token_endpoint: SIGN_IN_TOKEN_ENDPOINT.
        sign_out_url: SIGN_OUT_URL; may be empty.

    Raises ValueError naming the variable and the cure.
    """
    for name, text, pattern, example in (
        ("SIGN_IN_CLIENT_ID", client_id, _CLIENT_ID, "the client id that the provider shows"),
        ("SIGN_IN_ISSUER", issuer, _ISSUER, "the issuer, such as https://issuer.example"),
        ("SIGN_IN_AUTHORIZATION_ENDPOINT", authorization_endpoint, _ENDPOINT, "authorization_endpoint of the provider"),
        ("SIGN_IN_TOKEN_ENDPOINT", token_endpoint, _ENDPOINT, "token_endpoint of the provider"),
        ("SIGN_OUT_URL", sign_out_url or issuer, _ENDPOINT, "the address that ends the provider's session"),
    ):
        if not text:
            raise ValueError(f"{name}: required for a sign-in page; set it to {example}")
        if not pattern.fullmatch(text):
            raise ValueError(f"{name}: {text.partition('?')[0][:60]!r} is not valid; set it to {example}")
    return SignIn(client_id, issuer, authorization_endpoint, token_endpoint, sign_out_url or None)


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
