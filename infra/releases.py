"""`python -m infra.releases STACK`: list the versions of the API, take a release back, and remove old versions.

Every deployment publishes a version. The alias `live` names the one that serves.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.outputs import OutputsError, read_outputs
from infra.session import SessionError, open_session

ALIAS = "live"
RETENTION = 10  # versions below the live one, to which a release can be taken back


class ReleaseError(RuntimeError):
    """The version does not exist; the message names those that do."""


class Releases(NamedTuple):
    """The published versions, ascending, with their times, and the live one."""

    times: dict[int, str]
    live: int

    @property
    def previous(self) -> int:
        """Return the version before the live one. Raises ReleaseError."""
        older = [version for version in self.times if version < self.live]
        if not older:
            raise ReleaseError(f"{self.live}: no older version exists; deploy the former commit")
        return max(older)


def read_releases(function: str, session: boto3.Session) -> Releases:
    """Return the versions of a function. Raises BotoCoreError and ClientError."""
    client = session.client("lambda")
    pages: Any = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    times = {entry["Version"]: entry["LastModified"] for page in pages for entry in page["Versions"]}
    live = client.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"]
    return Releases({int(name): times[name] for name in sorted(times.keys() - {"$LATEST"}, key=int)}, int(live))


def activate(function: str, version: int, session: boto3.Session) -> None:
    """Send all requests to a version. Raises ReleaseError, BotoCoreError and ClientError."""
    times = read_releases(function, session).times
    if version not in times:
        raise ReleaseError(f"--to: no version {version}; the versions are {', '.join(map(str, times))}")
    session.client("lambda").update_alias(
        FunctionName=function, Name=ALIAS, FunctionVersion=str(version), RoutingConfig={"AdditionalVersionWeights": {}}
    )


def remove_old(function: str, session: boto3.Session, retention: int = RETENTION) -> list[int]:
    """Delete the versions older than the live one, except the newest `retention`; return them.

    A version that an alias uses cannot be deleted. Raises BotoCoreError and ClientError.
    """
    releases = read_releases(function, session)
    old = [version for version in releases.times if version < releases.live][:-retention]
    for version in old:
        session.client("lambda").delete_function(FunctionName=function, Qualifier=str(version))
    return old


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 after one line on standard error when the version does not exist or AWS refuses."""
    parser = argparse.ArgumentParser("python -m infra.releases", description="Versions of the API, oldest first.")
    parser.add_argument("stack", help="name of the stack, e.g. eurusd-forecast")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--back", action="store_true", help="activate the previous version")
    change.add_argument("--to", metavar="VERSION", type=int, help="activate this version")
    args = parser.parse_args(arguments)
    try:
        session = open_session(os.environ)
        outputs = read_outputs(args.stack, session)
        if "ApiFunctionName" not in outputs:
            raise ReleaseError(f"{args.stack}: not the service's stack; name the one with the output ApiFunctionName")
        function = outputs["ApiFunctionName"]
        releases = read_releases(function, session)
        if args.back or args.to is not None:
            activate(function, releases.previous if args.back else args.to, session)
            releases = read_releases(function, session)
    except (SessionError, OutputsError, ReleaseError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for version, time in releases.times.items():
        sys.stdout.write(f"{version} {time}{' live' if version == releases.live else ''}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
