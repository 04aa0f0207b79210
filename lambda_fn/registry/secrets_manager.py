"""Read a secret, such as the MLflow server's login, from AWS Secrets Manager with one signed POST, without boto3.

The signature is AWS Signature Version 4, as AWS documents it ("Create a signed AWS API request", AWS Identity and
Access Management User Guide): the canonical request, the string to sign, the derived key.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import Request

from lambda_fn.fields import ContractError
from lambda_fn.store import schema
from lambda_fn.store.http_client import send_request
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import KEY_ID, SECRET_KEY, aws_address, credential_provider

T = TypeVar("T")
MAX_AGE_S = 300.0
TIMEOUT_S = 5.0
MAX_BYTES = 2**18  # a secret has at most 64 KiB
_SERVICE = "secretsmanager"
_ENDPOINTS = ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL")  # AWS's own names


class Login(NamedTuple):
    """User name and password of the MLflow server, which must not appear in messages and logs."""

    username: str
    password: str


class Keys(NamedTuple):
    """AWS credentials, with a session token if they are those of a role."""

    access_key: str
    secret_key: str
    token: str | None


_cache: dict[tuple[str, str], tuple[datetime, Any]] = {}  # by URL and ARN: the time of the request and its result


def login(arn: str, region: str, environ: Mapping[str, str], now: datetime) -> Login:
    """Return the login in the secret; see `read_secret`."""

    def parse(text: str) -> Login:
        return Login(**schema.read_object(text.encode(), "secret", dict.fromkeys(Login._fields, schema.TEXT)))

    form = '{"username": "...", "password": "..."}'
    return read_secret("MLFLOW_SECRET_ARN", arn, region, environ, now, parse, form)


def read_secret(
    variable: str,
    arn: str,
    region: str,
    environ: Mapping[str, str],
    now: datetime,
    parse: Callable[[str], T],
    form: str,
    max_age_s: float = MAX_AGE_S,
) -> T:
    """Return what `parse` makes of the text of a secret, cached while it is valid.

    Args:
        variable: the setting with the ARN, for errors.
        arn: of the secret, or its name.
        region: of the secret if `arn` is only a name.
        environ: has the AWS credentials.
        now: the current time, UTC.
        parse: reads the text, or raises ValueError.
        form: of a valid text, for errors.
        max_age_s: seconds for which an earlier result is used.

    Raises Unavailable with the cure, without quoting the response, which has the secret.
    """
    url = _url(arn, region, environ)
    read_at, cached = _cache.get((url, arn), (None, None))
    if read_at and 0 <= (now - read_at).total_seconds() < max_age_s:
        return cast("T", cached)
    body = json.dumps({"SecretId": arn}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{_SERVICE}.GetSecretValue"}
    signed = sign(url, headers, body, aws_keys(variable, environ), _region(arn, region), _SERVICE, now)
    response = send_request(Request(url, body, signed, method="POST"), TIMEOUT_S, MAX_BYTES)
    if response.status != 200:
        raise Unavailable(
            f"{variable}: Secrets Manager answers {response.status} {_error_type(response.body)}for {arn}; "
            "correct the ARN and allow this role secretsmanager:GetSecretValue on it"
        )
    try:
        fresh = parse(schema.read_object(response.body, "response", {"SecretString": schema.TEXT})["SecretString"])
    except ValueError:
        # The cause would quote the secret.
        raise Unavailable(f"{variable}: {arn} does not contain {form}; store it in this form") from None
    _cache[url, arn] = (now, fresh)
    return fresh


def sign(
    url: str, headers: Mapping[str, str], body: bytes, keys: Keys, region: str, service: str, now: datetime
) -> dict[str, str]:
    """Return the headers of a POST with its signature (AWS Signature Version 4).

    Args:
        url: without a query.
        headers: to sign, besides host, date and session token.
        body: of the request.
        keys: the AWS credentials.
        region: of the service.
        service: its name in AWS's credential scope.
        now: the time of the signature.
    """
    time = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    parts = urlsplit(url)
    signed |= {"host": parts.netloc, "x-amz-date": time}
    if keys.token:
        signed["x-amz-security-token"] = keys.token
    names = ";".join(sorted(signed))
    canonical_headers = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = "\n".join(["POST", parts.path or "/", "", canonical_headers, names, hashlib.sha256(body).hexdigest()])
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={keys.access_key}/{scope}"
    return signed | {"authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"}


def _url(arn: str, region: str, environ: Mapping[str, str]) -> str:
    endpoint = next((url for name in _ENDPOINTS if (url := environ.get(name, "").strip())), "")
    address = endpoint or aws_address(_SERVICE, _region(arn, region))
    return f"{address.rstrip('/')}/"


def _region(arn: str, region: str) -> str:
    """Return the region of the ARN, if it has one: a secret may be in another region than the function."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 and parts[3] else region


def aws_keys(variable: str, environ: Mapping[str, str]) -> Keys:
    """Return the credentials of the environment, of a container's role, or of a profile.

    `variable` is the setting that needs them, for errors. Raises Unavailable, and SettingsError.
    """
    access_key, secret_key = (environ.get(name, "").strip() for name in (KEY_ID, SECRET_KEY))
    if access_key and secret_key:
        return Keys(access_key, secret_key, environ.get("AWS_SESSION_TOKEN", "").strip() or None)
    provider = credential_provider(environ)
    if provider is None:
        raise Unavailable(
            f"{variable}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, so the secret cannot be read. "
            "Lambda sets them; elsewhere set them, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
            "instead of MLFLOW_SECRET_ARN"
        )
    from lambda_fn.store.credentials import NoCredentials  # lazy, because keys in the environment do not need it

    try:
        credentials = provider()
    except NoCredentials as error:
        raise Unavailable(f"{variable}: the secret cannot be read: {error}") from None
    return Keys(credentials["access_key_id"], credentials["secret_access_key"], credentials.get("token"))


def _error_type(body: bytes) -> str:
    """Return the type of AWS's error in brackets, or an empty string."""
    try:
        kind: str = schema.read_object(body, "response", {"__type": schema.TEXT})["__type"]
    except ContractError:
        return ""
    return f"({kind.rpartition('#')[2][:80]}) "
