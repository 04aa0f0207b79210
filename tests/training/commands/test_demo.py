"""`python -m training demo` as a process: both generations, an active champion, and how it and its server end."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lambda_fn.settings import DEFAULTS
from tests.support import mlflow_database
from tests.support.server_process import ROOT, until

SMALL = ("--families", "random_walk", "--first-year", "2024")  # a year more than the first champion is scored on
SERVING = re.compile(r"Serving on http://127\.0\.0\.1:(\d+)")


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Started in `folder`, where it leaves its output as `out` and `err`; ended with the block."""
    environ = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    environ |= {"PYTHONPATH": str(ROOT), "ECB_URL": "http://127.0.0.1:9/nobody"}
    command = [sys.executable, "-m", "training", "demo", *SMALL, *arguments]
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=err)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a demo ran to its end, with its output."""
    folder = tmp_path_factory.mktemp("demo")
    mlflow_database.create(folder / "mlflow.db")
    with demo(folder, "--fresh", "5", "--port", "0", "--stop") as process:
        assert process.wait() == 0, (folder / "err").read_text()
    for name in ("out", "err"):
        shutil.copy(folder / name, folder / f"first-{name}")
    return folder


def test_a_forecast_then_the_whole_run_whose_champion_the_server_takes_up(folder: Path) -> None:
    output, progress = (folder / "first-out").read_text(), (folder / "first-err").read_text()
    assert re.findall(r"(\w+), generation (\d), trained", output)[0] == ("EURUSD_RandomWalk", "1")
    assert [number for _, number in re.findall(r"(\w+), generation (\d), trained", output)] == ["1", "2"]
    assert " current file " in progress and " which end 2026-10-30: " in progress
    assert "replaced generation 1 by 2 " in progress
    assert not answers(int(SERVING.findall(progress)[0]))


def test_the_first_forecast_is_served_before_the_registry_is_opened(folder: Path) -> None:
    """Its import and its migrations take longer than the fit; the full run registers, and its champion has a run."""
    progress = (folder / "first-err").read_text()
    served, opened = progress.index("is served on"), progress.index("done registry: connect")
    assert progress.index("done publish") < served < opened < progress.index("done registry: runs and models")
    first, second = (json.loads((folder / f"models/history/{number:08}.json").read_text()) for number in (1, 2))
    assert (first["model_version"], first.get("run_id")) == ("0", None)
    assert (second["model_version"], bool(second["run_id"])) == ("1", True)


@pytest.mark.long
def test_the_next_demo_serves_the_active_champion_first_and_ends_with_its_server(folder: Path) -> None:
    with demo(folder, "--port", "0") as process:
        until(lambda: "training all models" in (folder / "err").read_text(), "the server")
        progress = (folder / "err").read_text()
        assert "Generation 2 is active already" in progress
        assert "current file" not in progress  # nobody asked for it
        port = int(SERVING.findall(progress)[0])
        assert answers(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
        assert not answers(port)


@pytest.mark.long
def test_a_port_in_use_is_an_error_with_the_cure(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demo(folder, "--port", str(port)) as process:
            assert process.wait() == 2
    progress = (folder / "err").read_text()
    assert str(port) in progress and " --port" in progress
    assert "error: the server " in progress
    assert "Traceback" not in progress


def answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
