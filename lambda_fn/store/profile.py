"""Credentials of a machine that people work at: a profile of ~/.aws, with sign-on, an assumed role or a process.

Botocore's chain has them; it comes with training, and serving does not depend on it: so it is imported by name, and
only where neither keys nor a role are in the environment.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_fn.settings import SettingsError, files_of_aws
from lambda_fn.store.credentials import NoCredentials

if TYPE_CHECKING:
    from obstore.store import S3Credential  # exists for type checkers only

# obstore asks again after this less its own five minutes; botocore renews what has less than ten left.
ASK_AGAIN = timedelta(minutes=10)
OTHERWISE = (
    'put keys into the environment, as with: eval "$(aws configure export-credentials --format env)", or install boto3'
)


class Chain:
    """obstore's provider: what botocore has, renewed before it expires."""

    def __init__(self, credentials: Any, name: str) -> None:
        self._credentials = credentials
        self.name = name

    def __call__(self) -> "S3Credential":
        """Raises NoCredentials."""
        try:
            frozen = self._credentials.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 whatever the chain has in it
            raise NoCredentials(f"{self.name} gives no credentials ({type(error).__name__})") from None
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + ASK_AGAIN,
        }


def chain(environ: Mapping[str, str]) -> Chain | None:
    """The credentials of the profile that the variables name, or of the default one; None where this machine has no
    profiles, or no boto3 and none was asked for. Raises SettingsError."""
    profile = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE")
    if not profile and not any(Path(file).is_file() for file in files_of_aws(environ)):
        return None
    try:
        sessions = import_module("botocore.session")
    except ImportError as error:
        if not profile:
            return None
        raise SettingsError(f"AWS_PROFILE: {profile} can be read with boto3 only; {OTHERWISE}") from error
    name = f"profile {profile or 'default'}"
    try:
        credentials = sessions.Session(profile=profile).get_credentials()
    except Exception as error:
        cure = "correct AWS_PROFILE, or the files under ~/.aws"
        raise SettingsError(f"AWS_PROFILE: {name} cannot be used ({type(error).__name__}); {cure}") from error
    if credentials is None:
        raise SettingsError(
            f"AWS_PROFILE: {name} has no credentials; run aws configure or aws sso login, or {OTHERWISE}"
        )
    return Chain(credentials, name)
