"""A real MLflow server in a process of its own, on SQLite and a free port, ended by its pid."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support import mlflow_database

START_S = 180.0
POLL_S = 0.05
LOG = "mlflow.log"  # in the server's folder
DATABASE = "mlflow.db"
COMMAND = (sys.executable, "-m", "mlflow")
# Ten processes of 100 MB otherwise, which serve evaluations of language models.
_SETTINGS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


@contextmanager
def running(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, command: Sequence[str | Path] = COMMAND
) -> Iterator[str]:
    """Start a server and yield its address as soon as it answers.

    Args:
        folder: Where its database, its log and its temporary files are; made if it does not exist.
        arguments: Options of `mlflow server` beside the address and the database.
        environ: Variables in addition to those of this process.
        command: The `mlflow` to start. Another version than this one makes its own database.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if command == COMMAND and not (folder / DATABASE).exists():
        mlflow_database.create(folder / DATABASE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = [
        "--host=127.0.0.1",
        f"--port={port}",
        "--workers=1",
        f"--backend-store-uri=sqlite:///{folder}/{DATABASE}",
    ]
    inherited = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            [*command, "server", *options, *arguments],
            cwd=folder,
            env={**inherited, **_SETTINGS, "TMPDIR": str(folder), **(environ or {})},
            stdout=log,
            stderr=log,
            start_new_session=True,  # the command starts the server as its child: they end as one group
        )
    try:
        _wait(f"http://127.0.0.1:{port}", process, folder / LOG)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # SIGTERM takes ten seconds
        process.wait()


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until the server answers; raises RuntimeError with the end of its log when it ends before or takes START_S."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-3000:]) from error
            time.sleep(POLL_S)
        else:
            return
