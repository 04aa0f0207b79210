"""The tutorial's commands work in the order in which they stand, and so do the cells of the notebook."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.settings import DEFAULTS
from tests.support import mlflow_database
from tests.support.commands import parsed
from tests.support.examples import commands_of
from tests.support.project import ROOT
from tests.support.readme import DOCUMENTS, blocks
from tests.support.server_process import running, until

NOTEBOOK = ROOT / "docs/own-prices.ipynb"
SHOWN = [command for block in blocks("console", DOCUMENTS["tutorial.md"]) for command in commands_of(block)]
SET_UP = ["make setup", ". .venv/bin/activate"]
SERVE = "eurusd serve --port 8080"
EXPIRED = 75  # of `forecast`: every day after the embedded rates has begun
PLOT = "import matplotlib; matplotlib.use('Agg')\n"


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text())["cells"]
    return found


def environment(folder: Path) -> dict[str, str]:
    """A new user's, with `eurusd` on the path."""
    inherited = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    script = folder / "on-path" / "eurusd"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m training "$@"\n')
    script.chmod(0o755)
    return {**inherited, "PATH": f"{script.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def test_it_begins_with_the_set_up_and_its_commands_parse() -> None:
    assert SHOWN[:2] == SET_UP
    for command in SHOWN:
        if command.startswith("eurusd "):
            parsed(shlex.split(command)[1:])


def test_the_notebook_has_no_output() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert [(cell["outputs"], cell["execution_count"]) for cell in code] == [([], None)] * len(code)
    assert len({cell["id"] for cell in cells()}) == len(cells())


@pytest.mark.long
def test_the_commands_work_in_the_order_in_which_they_stand(tmp_path: Path) -> None:
    mlflow_database.create(tmp_path / "mlflow.db")
    environ = environment(tmp_path)
    before, after = SHOWN[2 : SHOWN.index(SERVE)], SHOWN[SHOWN.index(SERVE) + 1 :]
    output = [bash(command, tmp_path, environ) for command in before]
    assert "as generation 1" in output[3]
    with running(tmp_path, {}) as server:
        address = f"127.0.0.1:{server.port}"
        for command in after:
            printed = bash(command.replace("127.0.0.1:8080", address), tmp_path, environ)
            if command.startswith("curl"):
                assert json.loads(printed)["pair"] == "EURUSD"
        until(lambda: server.ask("GET", "/api/champion").json["generation"] == 3, "the swap")
        [client] = blocks("python", DOCUMENTS["tutorial.md"])
        exec(client.replace("127.0.0.1:8080", address), {})


def bash(command: str, folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == (EXPIRED if command == "eurusd forecast" else 0), done.stderr
    return done.stdout


@pytest.mark.long
def test_the_notebook_runs(tmp_path: Path) -> None:
    """In a Python of its own, cell by cell, in the folder where Jupyter starts it."""
    mlflow_database.create(tmp_path / "mlflow.db")
    environ = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    code = ["".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code"]
    end = (
        "print(json.dumps({'days': len(days), 'families': sorted(one_day.index), 'promoted': promoted, 'now': active}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join((PLOT, *code, end))],
        cwd=NOTEBOOK.parent,
        env={**environ, "NOTEBOOK_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["days"] >= 5
    assert {"calendar", "random_walk"} <= set(result["families"])
    assert (result["promoted"]["generation"], result["now"]["generation"]) == (2, 3)
    assert result["promoted"]["model_name"] != result["now"]["model_name"]
    assert (tmp_path / "forecast.png").stat().st_size > 10_000
