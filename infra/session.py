"""The AWS session of the commands of infra: the region of AWS_REGION, of AWS_DEFAULT_REGION, or of the profile.

boto3 and the SAM CLI do not read AWS_REGION, which Lambda sets and this project's settings document.
"""

from collections.abc import Mapping

import boto3
from botocore.exceptions import BotoCoreError

VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


class SessionError(RuntimeError):
    """There is no region, or the profile cannot be used; the message names the variable to set."""


def open_session(environ: Mapping[str, str]) -> boto3.Session:
    """Return the session of a command, with a region. Raises SessionError."""
    region = next((environ[name].strip() for name in VARIABLES if environ.get(name, "").strip()), None)
    try:
        session = boto3.Session(region_name=region, profile_name=environ.get("AWS_PROFILE") or None)
    except BotoCoreError as error:
        raise SessionError(f"AWS_PROFILE: {error}; run aws configure, or correct the variable") from error
    if not session.region_name:
        raise SessionError("AWS_REGION: not set, and the profile has no region; set it, e.g. to eu-central-1")
    return session


def child_environ(environ: Mapping[str, str], session: boto3.Session) -> dict[str, str]:
    """Return the variables of a child process that uses the same region, whichever variable it reads."""
    return {**environ, **dict.fromkeys(VARIABLES, str(session.region_name))}
