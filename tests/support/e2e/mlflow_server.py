"""A real MLflow server, its database in a temporary folder and its artifacts in a bucket."""

import http.client
import json
import os
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import mlflow_process
from tests.support.e2e.containers import ROOT
from tests.support.e2e.steps import PATIENCE_S, Steps

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
    database: Path


@contextmanager
def running(
    folder: Path, environ: Mapping[str, str], command: Sequence[str | Path] = mlflow_process.COMMAND
) -> Iterator[MlflowServer]:
    """Start `command`, an MLflow of any version, with its artifacts in the store of `environ`."""
    variables = {**environ, "AWS_DEFAULT_REGION": environ["AWS_REGION"]}
    variables["MLFLOW_S3_ENDPOINT_URL"] = environ["AWS_ENDPOINT_URL_S3"]
    variables["PATH"] = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    destination = f"--artifacts-destination=s3://{ARTIFACTS}"
    with mlflow_process.running(folder, destination, environ=variables, command=command) as uri:
        with urllib.request.urlopen(f"{uri}/version") as answer:
            version = answer.read().decode()
        yield MlflowServer(uri, version, folder / mlflow_process.DATABASE)


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


def _old_command() -> tuple[Path]:
    """The `mlflow` of version OLD in an environment of its own, which is made the first time and kept."""
    folder = ROOT / ".venv" / f"mlflow-{OLD}"
    if not (folder / "made").exists():
        uv = str(_BIN / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", f"--python={sys.executable}", folder], check=True)
        install = [uv, "pip", "install", "--quiet", f"--python={folder / 'bin' / 'python'}", *_OLD_REQUIREMENTS]
        subprocess.run(install, check=True)  # its one server compiles what it imports, a tenth of all
        (folder / "made").touch()
    return (folder / "bin" / "mlflow",)
