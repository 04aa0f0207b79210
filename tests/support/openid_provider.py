"""A small OpenID provider on loopback: discovery, keys, authorization code with PKCE, tokens, sign-out.

It follows OpenID Connect Core 1.0 (section 3.1) and RFC 7636 as far as the page uses them, and is strict: a code is
good once, for its client, redirect URI and verifier.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

CLIENT = "page-client"
KEY_ID = "key-1"
Claims = dict[str, Any]


def base64url(data: bytes) -> str:
    """The encoding of JSON Web Tokens, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider(ThreadingHTTPServer):
    """The provider and its state; `overrides` replace claims of the tokens that it issues."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.key = generate_private_key(65537, 2048)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.overrides: Claims = {}
        self.redirect_uris: set[str] = set()
        self.codes: dict[str, dict[str, str]] = {}
        self.requests: list[str] = []
        self.issued: list[str] = []

    def token(self, **claims: Any) -> str:
        """A signed token; these claims replace the usual ones, and None leaves one out."""
        now = int(time.time())
        usual = {"iss": self.address, "aud": CLIENT, "sub": "ada", "iat": now, "exp": now + 3600}
        header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
        given = {**usual, **self.overrides, **claims}
        parts = (header, {name: value for name, value in given.items() if value is not None})
        signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        token = f"{signed}.{base64url(self.key.sign(signed.encode(), PKCS1v15(), SHA256()))}"
        self.issued.append(token)
        return token

    def keys(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        n, e = (base64url(each.to_bytes((each.bit_length() + 7) // 8)) for each in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": n, "e": e}]}

    def redeem(self, form: dict[str, str]) -> dict[str, str] | None:
        """The answer of the token endpoint; None where the code is not good for this request."""
        code = self.codes.pop(form.get("code", ""), None)
        if code is None or form.get("grant_type") != "authorization_code":
            return None
        challenge = base64url(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        same = all(form.get(name) == code[name] for name in ("client_id", "redirect_uri"))
        if not same or challenge != code["code_challenge"] or len(form.get("code_verifier", "")) < 43:
            return None
        return {
            "id_token": self.token(**({"nonce": code["nonce"]} | self.overrides)),
            "access_token": "opaque",
            "token_type": "Bearer",
        }


class Answer(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        provider = self.server
        provider.requests.append(f"{self.command} {self.path}")
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if path == "/.well-known/openid-configuration":
            self.send(200, json.dumps({"issuer": provider.address, "jwks_uri": f"{provider.address}/keys"}))
        elif path == "/keys":
            self.send(200, json.dumps(provider.keys()))
        elif path == "/authorize":
            wanted = {"response_type": "code", "client_id": CLIENT, "code_challenge_method": "S256"}
            is_valid = wanted.items() <= query.items() and {"state", "nonce", "code_challenge"} <= query.keys()
            if not is_valid or query.get("redirect_uri") not in provider.redirect_uris:
                self.send(400, "a wrong request")
            else:
                inputs = "".join(f'<input type="hidden" name="{k}" value="{escape(v)}">' for k, v in query.items())
                buttons = "<button name=answer value=yes>Continue</button><button name=answer value=no>Cancel</button>"
                self.send(200, f"<form method=post>{inputs}{buttons}</form>", "text/html")
        elif path in ("/logout", "/favicon.ico"):
            self.send(200, "signed out", "text/html")
        else:
            self.send(404, "nothing here")

    def do_POST(self) -> None:
        provider = self.server
        provider.requests.append(f"{self.command} {self.path}")
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        if urlsplit(self.path).path == "/token":
            answer = provider.redeem(form)
            self.send(200 if answer else 400, json.dumps(answer or {"error": "invalid_grant"}))
            return
        answer = {"state": form["state"], "iss": provider.address, "session_state": "x.y"}
        if form["answer"] == "yes":
            answer["code"] = secrets.token_urlsafe(24)
            provider.codes[answer["code"]] = form
        else:
            answer["error"] = "access_denied"
        self.send_response(302)
        self.send_header("location", f"{form['redirect_uri']}?{urlencode(answer)}")
        self.end_headers()

    def send(self, status: int, text: str, media_type: str = "application/json") -> None:
        """An answer; scripts of other origins may read it, as a provider of public clients allows."""
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("access-control-allow-origin", "*")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Tests read `requests`."""


@contextmanager
def running() -> Iterator[Provider]:
    """A provider on a free port of this machine."""
    with Provider() as provider:
        thread = threading.Thread(target=provider.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            thread.join()
