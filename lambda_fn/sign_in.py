"""Sign-in of people on the page: the OpenID provider's addresses, as SIGN_IN_* give them."""

import re
from typing import NamedTuple

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
