"""A real S3 server for tests: infra's SeaweedFS with an identity, its data in a temporary folder."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra import seaweedfs

ACCESS_KEY, SECRET_KEY = "test-key", "test-secret"
REGION = "us-east-1"
BUCKET = "test-bucket"


@dataclass(frozen=True)
class S3Server:
    """A running server; `environ` are the variables with which a client of this project, or boto3, reaches it."""

    endpoint: str
    pid: int

    def environ(self, bucket: str = BUCKET) -> dict[str, str]:
        """Any bucket name will do: the first write makes it. That is slow, it takes a few volumes; BUCKET is there."""
        return {
            "USE_S3": "true",
            "S3_BUCKET": bucket,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }


@contextmanager
def running(folder: Path) -> Iterator[S3Server]:
    """Starts a server with its data in `folder`, waits until PUTs succeed, and kills it by its own pid."""
    config = folder / "s3.json"
    config.write_text(json.dumps(_identities()))
    process, endpoint = seaweedfs.start(folder, [f"-s3.config={config}", "-s3.autoCreateBucket"])
    try:
        server = S3Server(endpoint, process.pid)
        with variables(server.environ()):
            seaweedfs.wait(server.environ(), process, folder)
        yield server
    finally:
        process.kill()  # SIGTERM takes ten seconds
        process.wait()
        _remove_sockets(process)


@contextmanager
def variables(environ: Mapping[str, str]) -> Iterator[None]:
    """Sets these variables of this process, in which obstore looks for credentials, and restores them after."""
    before = {name: os.environ.get(name) for name in environ}
    os.environ.update(environ)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def installed() -> bool:
    """The package has a server for Linux only."""
    return seaweedfs.binary().exists()


def _remove_sockets(process: "subprocess.Popen[bytes]") -> None:
    """Remove the sockets of a killed server: it makes one a port, always in this folder."""
    for port in re.findall(r"port\S*=(\d+)", str(process.args)):
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)


def _identities() -> dict[str, object]:
    key = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    return {"identities": [{"name": "test", "credentials": [key], "actions": ["Admin", "Read", "Write", "List"]}]}
