"""A real MLflow server, its database in a temporary folder and its artifacts in a bucket."""

import http.client
import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.e2e.containers import ROOT, free_ports
from tests.support.e2e.steps import PATIENCE_S, Steps, until

ARTIFACTS = "mlflow-artifacts"  # a bucket of its own, so that tests can empty theirs
OLD = "3.7.0"
# The old server does not start with a newer SQLAlchemy, and reads its bucket through boto3.
_OLD_REQUIREMENTS = (f"mlflow=={OLD}", "sqlalchemy<2.1", "boto3")
_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class MlflowServer:
    """A running server of this version."""

    uri: str
    version: str
    log: Path


@contextmanager
def running(folder: Path, environ: Mapping[str, str], command: Path = _BIN / "mlflow") -> Iterator[MlflowServer]:
    """Starts `command`, an MLflow of any version, and waits until it answers; `environ` are the bucket's variables."""
    (port,) = free_ports(1)
    log = folder / "mlflow.log"
    arguments = ["server", "--host=127.0.0.1", f"--port={port}", "--workers=1"]
    arguments += [f"--backend-store-uri=sqlite:///{folder}/mlflow.db", f"--artifacts-destination=s3://{ARTIFACTS}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [command, *arguments],
            cwd=folder,
            env=_variables(environ, command),
            stdout=output,
            stderr=output,
            start_new_session=True,  # the command starts the server as its child: they end as one group
        )
    try:
        until(lambda: bool(_version(port)) or process.poll() is not None, "the MLflow server")
        assert process.poll() is None, log.read_text()[-3000:]
        yield MlflowServer(f"http://127.0.0.1:{port}", _version(port), log)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def running_old(folder: Path, environ: Mapping[str, str], step: Steps) -> Iterator[MlflowServer]:
    """A server of version OLD, as `running`."""
    with ExitStack() as stack:
        with step(f"MLflow {OLD}: its environment"):
            command = _old_command()
        with step(f"MLflow {OLD}: the server starts"):
            server = stack.enter_context(running(folder, environ, command))
        yield server


def ask(
    port: int, path: str, login: str = "", headers: Mapping[str, str] | None = None, body: object = None
) -> tuple[int, str]:
    """Status and text of the answer to a GET or, with a `body`, to a POST of it; 0 where nobody answers.

    `login` is NAME:PASSWORD.
    """
    sent = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
    sent |= {**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), sent)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def _old_command() -> Path:
    """The `mlflow` of version OLD in an environment of its own, which is made the first time and kept."""
    folder = ROOT / ".venv" / f"mlflow-{OLD}"
    if not (folder / "made").exists():
        uv = str(_BIN / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", f"--python={sys.executable}", folder], check=True)
        install = [uv, "pip", "install", "--quiet", f"--python={folder / 'bin' / 'python'}", *_OLD_REQUIREMENTS]
        subprocess.run(install, check=True)
        (folder / "made").touch()
    return folder / "bin" / "mlflow"


def _variables(environ: Mapping[str, str], command: Path) -> dict[str, str]:
    own = {
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_S3_ENDPOINT_URL": environ["AWS_ENDPOINT_URL_S3"],
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "AWS_DEFAULT_REGION": environ["AWS_REGION"],
    }
    inherited = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**inherited, **environ, **own}


def _version(port: int) -> str:
    status, text = ask(port, "/version")
    return text if status == 200 else ""
