"""What is compared: this service on a folder and on a bucket, doing nothing, and what a user would take instead."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambda_fn.champion.cache import fetch_champion
from lambda_fn.champion.sandbox import Sandbox
from lambda_fn.contract import Active
from lambda_fn.prices.price_file import parse
from lambda_fn.settings import Settings
from lambda_fn.store.keys import ACTIVE_KEY, price_key
from lambda_fn.store.s3 import open_store
from tests.benchmarks import environment
from tests.benchmarks.environment import ROOT
from tests.benchmarks.function import Process
from tests.benchmarks.measure import Subject
from tests.benchmarks.report import BASE, IN_PROCESS

PATH = "/api/predict"
HANDLER, SERVER = "lambda_fn.api.handler", "lambda_fn.server"
Request = tuple[str, Any]


@dataclass(frozen=True)
class Compared:
    """A subject, and where its function runs as a process; None where there is no function."""

    subject: Subject
    process: Process | None


def body_of(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of a POST: the newest window of the active champion's columns, and its date."""
    store = open_store(Settings.from_env(environ))
    active = Active.parse(store.read(ACTIVE_KEY).data)
    champion = fetch_champion(store, active.serving_key, active.champion.sha256, Sandbox())
    meta = champion.metadata
    table = parse(store.read(price_key(meta.pair, meta.prices)).data, champion.columns)
    closes = {name: table.columns[name][-meta.window :].tolist() for name in champion.columns}
    return {**closes, "as_of": table.dates[-1].isoformat()}


def constant(process: Process, folder: Mapping[str, str]) -> Compared:
    """A handler and a server that do nothing; the server is this one's, with another application."""
    command = serving(process, "tests.benchmarks.constant_server")
    asked: dict[str, Request] = {"GET": (PATH, None), "POST": (PATH, {})}
    return Compared(Subject(BASE, "constant.handler", command, _importing(folder), asked), process)


def ours(name: str, process: Process, environ: Mapping[str, str], body: Any) -> Compared:
    """This service on the store of these variables."""
    asked = {"GET": (PATH, None), "POST": (PATH, body)}
    return Compared(Subject(name, HANDLER, serving(process, SERVER), _importing(environ), asked), process)


def in_process(process: Process, environ: Mapping[str, str], body: Any) -> Compared:
    """The same without the sandbox, for a POST."""
    handler = "tests.benchmarks.in_process.handler"
    return Compared(Subject(IN_PROCESS, handler, (), _importing(environ), {"POST": (PATH, body)}), process)


def serving(process: Process, module: str) -> list[str]:
    """The command of a server that takes this one's options."""
    return [str(process.python), "-m", module, "--port", "{port}", "--refresh-every", "0"]


def rivals(folder: Path, stored: Path, body: Any) -> list[Compared]:
    """FastAPI, Mangum and onnxruntime on the same champion; MLflow and TensorFlow; `mlflow models serve`."""
    task = folder / "rivals"
    task.mkdir()
    environment.rivals_root(task)
    fastapi, mlflow = environment.rival("fastapi"), environment.rival("mlflow")
    active = json.loads((stored / ACTIVE_KEY).read_text())
    data = {"RIVAL_PRICES": str(stored / "prices" / "EURUSD-ecb.csv"), "PATH": f"{mlflow.parent}:/usr/bin:/bin"}
    champion = {**data, "RIVAL_CHAMPION": str(stored / active["serving_key"])}
    model = {
        **data,
        "RIVAL_MODEL": str(folder / "model"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    saving = [str(mlflow), str(task / "mlflow_save.py"), model["RIVAL_MODEL"]]
    subprocess.run(saving, check=True, env=model, cwd=folder, capture_output=True)
    asked = {"GET": (PATH, None), "POST": (PATH, body)}
    uvicorn = [
        str(fastapi),
        "-m",
        "uvicorn",
        "fastapi_app:app",
        "--app-dir",
        str(task),
        "--port",
        "{port}",
        "--no-access-log",
    ]
    serve = [str(mlflow), "-m", "mlflow", "models", "serve", "-m", model["RIVAL_MODEL"], "--env-manager", "local"]
    invocation = "/invocations", {"inputs": [[[0.001]] * 60]}
    return [
        Compared(Subject("fastapi", "fastapi_app.handler", uvicorn, champion, asked), Process(fastapi, task)),
        Compared(Subject("mlflow+tf", "mlflow_tf.handler", (), model, asked), Process(mlflow, task)),
        Compared(
            Subject("mlflow serve", None, [*serve, "--port", "{port}", "--workers", "1"], model, {"POST": invocation}),
            None,
        ),
    ]


def _importing(environ: Mapping[str, str]) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), **environ}
