"""API Gateway's HTTP API on loopback, with the routes, the authorizer and the access log of the template.

Sources: "Control access to HTTP APIs with JWT authorizers in API Gateway" (the claims that it checks) and "Create
routes for HTTP APIs in API Gateway" (which route is chosen).
"""

import base64
import json
import re
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from lambda_fn.api import App, handle_event
from tests.support.api_gateway import HttpRequest, to_answer, to_event

Json = dict[str, Any]


class Unauthorized(Exception):
    """The authorizer does not accept a token."""


class JwtGateway(ThreadingHTTPServer):
    """The gateway of a deployment, before an application of this process; `log` is the access log."""

    daemon_threads = True

    def __init__(self, resources: Mapping[str, Any], app: App) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.app = app
        self.log: list[str] = []
        self.paths: list[str] = []  # with their queries, as they came
        body = resources["Api"]["Properties"]["Body"]
        self._routes: Json = body["paths"]
        self._authorizer = body["components"]["securitySchemes"]["JWT"]["x-amazon-apigateway-authorizer"]
        self._log_format = resources["ApiApiGatewayDefaultStage"]["Properties"]["AccessLogSettings"]["Format"]

    @property
    def address(self) -> str:
        """The address of its first page."""
        return f"http://127.0.0.1:{self.server_port}{self.app.base_path}"

    def respond(self, request: HttpRequest) -> tuple[int, list[tuple[str, str]], bytes]:
        """Authorize a request, and invoke the function with it."""
        claims: Json = {}
        security = self._find(request.method, request.path.removeprefix(self.app.base_path) or "/")
        status, headers, body = 401, [("content-type", "application/json")], b'{"message":"Unauthorized"}'
        if security is None:
            status, body = 404, b'{"message":"Not Found"}'
        elif {"IAM": []} in security:
            status, body = 403, b'{"message":"Forbidden"}'
        else:
            try:
                if {"JWT": []} in security:
                    claims = self._authorize(dict(request.headers).get("authorization", ""))
                event = to_event(request, datetime.now(UTC), "1")
                answer = to_answer(handle_event(self.app, event))
                status, headers, body = answer.status, answer.headers, answer.body
            except Unauthorized:
                pass
        values = {"path": request.path, "httpMethod": request.method, "status": status}
        values["authorizer.claims.sub"] = claims.get("sub", "-")
        self.log.append(re.sub(r"\$context\.([A-Za-z.]+)", lambda m: str(values.get(m[1], "-")), self._log_format))
        return status, headers, body

    def _find(self, method: str, path: str) -> list[Json] | None:
        """The security of the most specific route: an exact path, a greedy one, the default."""
        candidates = [(path, method.lower())]
        if path != "/":
            candidates.append(("/{proxy+}", method.lower()))
        candidates.append(("/$default", "x-amazon-apigateway-any-method"))
        for name, operation in candidates:
            if operation in self._routes.get(name, {}):
                security: list[Json] = self._routes[name][operation]["security"]
                return security
        return None

    def _authorize(self, header: str) -> Json:
        """The claims of a token. Raises Unauthorized."""
        try:
            signed, _, signature = header.removeprefix("Bearer ").rpartition(".")
            head, claims = (json.loads(_decode(part)) for part in signed.split("."))
            expected = self._authorizer["jwtConfiguration"]
            with urllib.request.urlopen(f"{expected['issuer']}/.well-known/openid-configuration") as discovery:
                keys_uri = json.load(discovery)["jwks_uri"]
            with urllib.request.urlopen(keys_uri) as answer:
                (key,) = [key for key in json.load(answer)["keys"] if key["kid"] == head["kid"]]
            n, e = (int.from_bytes(_decode(key[name])) for name in ("n", "e"))
            RSAPublicNumbers(e, n).public_key().verify(_decode(signature), signed.encode(), PKCS1v15(), SHA256())
        except (ValueError, KeyError, InvalidSignature) as error:
            raise Unauthorized from error
        audience = claims.get("aud", claims.get("client_id"))
        audiences = audience if isinstance(audience, list) else [audience]
        now = time.time()
        is_current = claims.get("nbf", 0) <= now < claims["exp"] and claims.get("iat", 0) <= now + 1
        is_ours = claims["iss"] == expected["issuer"] and set(audiences) & set(expected["audience"])
        if head["alg"] != "RS256" or not (is_current and is_ours):
            raise Unauthorized
        return dict(claims)


class Answer(BaseHTTPRequestHandler):
    """A request and its answer."""

    server: JwtGateway
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        parts = urlsplit(self.path)
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        request = HttpRequest(self.command, unquote(parts.path), parts.query, headers, body)
        status, sent, content = self.server.respond(request)
        self.send_response(status)
        for name, value in (*sent, ("content-length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_POST = do_HEAD = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Tests read `log`."""


@contextmanager
def running(resources: Mapping[str, Any], app: App) -> Iterator[JwtGateway]:
    """A gateway on a free port of this machine."""
    with JwtGateway(resources, app) as gateway:
        thread = threading.Thread(target=gateway.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield gateway
        finally:
            gateway.shutdown()
            thread.join()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
