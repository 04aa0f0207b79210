"""Credential providers for obstore: containers (ECS, EKS and Lambda SnapStart), and profiles through botocore.

The container protocol is that of AWS's own tools ("Container credential provider", AWS SDKs and Tools Reference Guide).
obstore supports it only with a token in a file, and SnapStart provides the token in the environment.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import Request

from lambda_fn import fields
from lambda_fn.fields import ContractError
from lambda_fn.settings import SettingsError, aws_config_files, redact_url
from lambda_fn.store import schema
from lambda_fn.store.http_client import send_request
from lambda_fn.store.object_store import Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Credential  # exists for type checkers only

RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
ECS = "http://169.254.170.2"
# Without TLS, AWS's tools send the token to these hosts only.
HOSTS = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost", "::1")
TIMEOUT_S = 1.0  # the provider is on this machine, and a caller of the API waits
MAX_BYTES = 2**16
LIFETIME = timedelta(minutes=10)  # for credentials without an expiration time


class NoCredentials(Exception):
    """No credentials are available. The message quotes no process or server, because that text may be secret."""


class ContainerCredentials:
    """A credential provider for obstore, which calls it again before the credentials expire."""

    name = "the role of this container or function"

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read the provider's address. Raises SettingsError if the address must not receive the token."""
        self._environ = environ
        self._variable = RELATIVE if environ.get(RELATIVE) else FULL
        uri = environ[self._variable]
        self._address = f"{ECS}{uri}" if self._variable == RELATIVE else uri
        try:
            parts = urlsplit(self._address)
            host = parts.hostname or ""
        except ValueError as error:
            raise SettingsError(f"{FULL}: not a URL; leave it as AWS sets it") from error
        is_trusted = host in HOSTS or host.startswith("127.")
        if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_trusted)):
            raise SettingsError(
                f"{self._variable}: {redact_url(self._address)!r} is not a trusted provider of credentials; use https, "
                "or an address of this machine"
            )

    def __call__(self) -> "S3Credential":
        """Return current credentials. Raises NoCredentials."""
        try:
            answer = send_request(Request(self._address, headers=self._headers()), TIMEOUT_S, MAX_BYTES, proxies=False)
        except Unavailable as error:
            raise NoCredentials(f"{self._variable}: {error}; {self._cure()}") from None
        if answer.status != 200:
            raise NoCredentials(f"{self._variable}: the provider responds with {answer.status}; {self._cure()}")
        try:
            members = fields.json_object(answer.body, "answer")
            names = ["AccessKeyId", "SecretAccessKey", *(["Token"] if members.get("Token") else [])]
            keys = schema.parse_as(schema.object_of(dict.fromkeys(names, schema.TEXT)), members, "answer")
            expires_at = datetime.now(UTC) + LIFETIME
            if expiration := members.get("Expiration"):
                stated = datetime.fromisoformat(str(expiration))
                expires_at = stated if stated.tzinfo else stated.replace(tzinfo=UTC)
            return {
                "access_key_id": keys["AccessKeyId"],
                "secret_access_key": keys["SecretAccessKey"],
                "token": keys.get("Token"),
                "expires_at": expires_at,
            }
        except (ContractError, ValueError):
            raise NoCredentials(f"{self._variable}: the response holds no credentials; {self._cure()}") from None

    def _headers(self) -> dict[str, str]:
        token = self._environ.get(TOKEN, "")
        if path := self._environ.get(TOKEN_FILE):
            try:
                token = Path(path).read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise NoCredentials(f"{TOKEN_FILE}: {path} cannot be read ({type(error).__name__})") from None
        return {"Accept": "application/json"} | ({"Authorization": token.strip()} if token.strip() else {})

    def _cure(self) -> str:
        token = TOKEN_FILE if self._environ.get(TOKEN_FILE) else TOKEN
        return f"check it and {token}, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


# obstore asks again five minutes before this has passed; botocore renews credentials with less than ten minutes left.
ASK_AGAIN = timedelta(minutes=10)
ALTERNATIVES = (
    'set keys in the environment, for example with: eval "$(aws configure export-credentials --format env)", or '
    "install boto3"
)


class ProfileCredentials:
    """A credential provider for obstore: botocore's credentials of a profile, renewed before they expire."""

    def __init__(self, credentials: Any, name: str) -> None:
        self._credentials = credentials
        self.name = name

    def __call__(self) -> "S3Credential":
        """Return current credentials. Raises NoCredentials."""
        try:
            frozen = self._credentials.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 whatever the profile's providers raise
            raise NoCredentials(f"{self.name} provides no credentials ({type(error).__name__})") from None
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + ASK_AGAIN,
        }


def profile_credentials(environ: Mapping[str, str]) -> ProfileCredentials | None:
    """Return the credentials of the profile that the variables name, or of the default profile.

    None if this machine has no profiles, or if no profile is named and boto3 is not installed. Raises SettingsError.
    """
    profile = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE")
    if not profile and not any(Path(file).is_file() for file in aws_config_files(environ)):
        return None
    try:
        sessions = import_module("botocore.session")
    except ImportError as error:
        if not profile:
            return None
        raise SettingsError(f"AWS_PROFILE: {profile} can only be read with boto3; {ALTERNATIVES}") from error
    name = f"profile {profile or 'default'}"
    try:
        credentials = sessions.Session(profile=profile).get_credentials()
    except Exception as error:
        cure = "correct AWS_PROFILE, or the files under ~/.aws"
        raise SettingsError(f"AWS_PROFILE: {name} cannot be used ({type(error).__name__}); {cure}") from error
    if credentials is None:
        raise SettingsError(
            f"AWS_PROFILE: {name} has no credentials; run aws configure or aws sso login, or {ALTERNATIVES}"
        )
    return ProfileCredentials(credentials, name)
