"""The MLflow server's user name and password from AWS Secrets Manager: one signed POST, without boto3.

The signature is AWS Signature Version 4, as AWS documents it ("Create a signed AWS API request", AWS Identity and
Access Management User Guide): the canonical request, the string to sign, the derived key.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import Request

from lambda_fn import fields
from lambda_fn.fields import ContractError
from lambda_fn.store.http_client import HttpResponse, send_request
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import KEY_ID, SECRET_KEY, aws_address, credential_provider

MAX_AGE_S = 300.0
TIMEOUT_S = 5.0
MAX_BYTES = 2**18  # a secret has at most 64 KiB
_SERVICE = "secretsmanager"
_ENDPOINTS = ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL")  # AWS's own names


class Login(NamedTuple):
    """Of the MLflow server; in no message and no log."""

    username: str
    password: str


class Keys(NamedTuple):
    """AWS credentials; those of a role come with a session token."""

    access_key: str
    secret_key: str
    token: str | None


_known: dict[tuple[str, str], tuple[datetime, Login]] = {}


def login(arn: str, region: str, environ: Mapping[str, str], now: datetime) -> Login:
    """What the secret holds, JSON with `username` and `password`; asked again when older than MAX_AGE_S.

    `region` counts when `arn` is only a name. Raises Unavailable with the cure.
    """
    url = _url(arn, region, environ)
    read_at, known = _known.get((url, arn), (None, None))
    if read_at and known and 0 <= (now - read_at).total_seconds() < MAX_AGE_S:
        return known
    body = json.dumps({"SecretId": arn}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{_SERVICE}.GetSecretValue"}
    signed = sign(url, headers, body, _keys(environ), _region(arn, region), _SERVICE, now)
    found = _login(send_request(Request(url, body, signed, method="POST"), TIMEOUT_S, MAX_BYTES), arn)
    _known[url, arn] = (now, found)
    return found


def sign(
    url: str, headers: Mapping[str, str], body: bytes, keys: Keys, region: str, service: str, now: datetime
) -> dict[str, str]:
    """The headers of a POST to `url`, one without a query, and its signature (AWS Signature Version 4)."""
    time = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    to = urlsplit(url)
    signed |= {"host": to.netloc, "x-amz-date": time}
    if keys.token:
        signed["x-amz-security-token"] = keys.token
    names = ";".join(sorted(signed))
    canonical_headers = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = "\n".join(["POST", to.path or "/", "", canonical_headers, names, hashlib.sha256(body).hexdigest()])
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={keys.access_key}/{scope}"
    return signed | {"authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"}


def _url(arn: str, region: str, environ: Mapping[str, str]) -> str:
    named = next((url for name in _ENDPOINTS if (url := environ.get(name, "").strip())), "")
    address = named or aws_address(_SERVICE, _region(arn, region))
    return f"{address.rstrip('/')}/"


def _region(arn: str, region: str) -> str:
    """The ARN's own: a secret may be in another region than the function."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 and parts[3] else region


def _keys(environ: Mapping[str, str]) -> Keys:
    """Of the environment, of a container's role, or of a profile. Raises Unavailable, and SettingsError."""
    access_key, secret_key = (environ.get(name, "").strip() for name in (KEY_ID, SECRET_KEY))
    if access_key and secret_key:
        return Keys(access_key, secret_key, environ.get("AWS_SESSION_TOKEN", "").strip() or None)
    provider = credential_provider(environ)
    if provider is None:
        raise Unavailable(
            "MLFLOW_SECRET_ARN: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, so the secret cannot be read. "
            "Lambda sets them; elsewhere set them, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in place "
            "of MLFLOW_SECRET_ARN"
        )
    from lambda_fn.store.credentials import NoCredentials  # which keys do not need

    try:
        found = provider()
    except NoCredentials as error:
        raise Unavailable(f"MLFLOW_SECRET_ARN: the secret cannot be read: {error}") from None
    return Keys(found["access_key_id"], found["secret_access_key"], found.get("token"))


def _login(answer: HttpResponse, arn: str) -> Login:
    """Never says what the answer holds: that is the secret."""
    if answer.status != 200:
        raise Unavailable(
            f"MLFLOW_SECRET_ARN: Secrets Manager answers {answer.status} {_error_type(answer.body)}for {arn}; "
            "correct the ARN and allow this role secretsmanager:GetSecretValue on it"
        )
    try:
        text = fields.Reader(fields.json_object(answer.body, "answer"), "answer").text("SecretString")
        secret = fields.Reader(fields.json_object(text.encode(), "secret"), "secret")
        return Login(secret.text("username"), secret.text("password"))
    except ContractError:
        raise Unavailable(
            f'MLFLOW_SECRET_ARN: {arn} does not hold {{"username": "...", "password": "..."}}; store it in this form'
        ) from None  # the cause would quote the secret


def _error_type(body: bytes) -> str:
    try:
        kind = fields.Reader(fields.json_object(body, "answer"), "answer").text("__type")
    except ContractError:
        return ""
    return f"({kind.rpartition('#')[2][:80]}) "
