"""Promotion on MLflow's page, with the real MLflow server, Chromium, the webhook and the server: from the click to a
caller; both servers killed after a click; a lost key.

PICTURE of the environment is where the picture of docs/operate.md is written. MAX_AGE_S is the CHAMPION_MAX_AGE_S for
which the time from the click to a caller is printed.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser

from infra.promote_ui import SECRET_FILE
from lambda_fn.contract import Active
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.object_store import Store
from lambda_fn.store.s3 import open_store
from tests.support.e2e.containers import free_ports
from tests.support.server_process import variables
from tests.support.webhook_deliveries import call

PATIENCE_S = 300.0  # of a loaded machine
MODEL, FIRST = "EURUSD_ARIMA", "EURUSD_RandomWalk"
EDIT_ALIASES = "[data-component-id$='modelversiontablealiasescell.tsx_41']"


class Place(NamedTuple):
    """A folder as `make train` leaves it, and the ports of `make promote-ui`."""

    folder: Path
    port: int
    mlflow_port: int

    @property
    def store(self) -> Store:
        return open_store(Settings.from_env({"STORE_DIR": str(self.folder)}))

    @property
    def active(self) -> Active:
        return Active.parse(self.store.read(keys.active_key()).data)

    @property
    def mlflow(self) -> str:
        return f"http://127.0.0.1:{self.mlflow_port}"

    def tag(self, model: str) -> str:
        """What MLflow shows of the version."""
        found = call(self.mlflow, "GET", f"model-versions/get?name={model}&version=1", {})["model_version"]
        return "".join(str(tag["value"]) for tag in found["tags"] if tag["key"] == "serving")


def until(holds: Callable[[], bool], what: str) -> float:
    """Wait; returns the seconds."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < PATIENCE_S, what
        time.sleep(0.1)
    return time.monotonic() - start


def served_generation(address: str) -> int:
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as response:
        return int(json.load(response)["champion"]["generation"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("promotion")
    command = [sys.executable, "-m", "training", "run", "--families", "random_walk,arima", "--first-year", "2026"]
    subprocess.run(command, cwd=folder, env=variables({}), check=True, capture_output=True)
    return Place(folder, *free_ports(2))


@contextmanager
def promote_ui(place: Place, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Both servers, as soon as the webhook is registered."""
    ports = ["--port", str(place.port), "--mlflow-port", str(place.mlflow_port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.promote_ui", *ports],
            cwd=place.folder,
            env=variables({"CHAMPION_MAX_AGE_S": os.environ.get("MAX_AGE_S", "5")}),
            stderr=output,
            stdout=output,
            start_new_session=True,  # as a terminal's job, whose processes all get Ctrl-C
        )
    try:
        until(lambda: f"{place.mlflow}/#/models" in log.read_text() or process.poll() is not None, "both servers")
        assert process.poll() is None, log.read_text()[-3000:]
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE_S)


def test_a_click_on_mlflows_page_is_served_and_shown(place: Place, chromium: Browser, tmp_path: Path) -> None:
    with promote_ui(place, tmp_path / "log"):
        assert place.active.pointer.model_name == FIRST
        page = chromium.new_page(viewport={"width": 1250, "height": 640})
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(f"{place.mlflow}/#/models/{MODEL}")
        page.locator(EDIT_ALIASES).first.click()
        dialog = page.get_by_role("dialog").filter(has_text="lias")
        dialog.get_by_role("combobox").fill("champion")
        page.keyboard.press("Enter")
        dialog.get_by_role("button", name="Save").click()
        activated = until(lambda: place.active.generation == 2, "serving/")
        address = f"http://127.0.0.1:{place.port}/api/predict"
        answered = activated + until(lambda: served_generation(address) == 2, "a caller")
        sys.stderr.write(f"\nclick to serving/ {activated:.1f} s, to a caller {answered:.1f} s\n")
        active = place.active
        assert active.pointer.model_name == MODEL and active.pointer.scores and active.pointer.golden
        assert active.pointer.backtest and "garch" in active.pointer.benchmarks
        until(lambda: place.tag(MODEL).startswith("active as generation 2 since"), "the tag")
        page.goto(f"{place.mlflow}/#/models/{MODEL}/versions/1")
        page.reload()
        page.get_by_role("button", name="Close").click()  # MLflow's assistant
        page.get_by_role("button", name="Description").first.click()
        page.get_by_text("active as generation 2 since").scroll_into_view_if_needed()
        assert page.get_by_text("champion").first.is_visible()
        page.screenshot(path=os.environ.get("PICTURE") or tmp_path / "promotion.png")
        page.close()


def test_when_both_servers_are_killed_after_a_click_the_next_refresh_heals_it(place: Place, tmp_path: Path) -> None:
    with promote_ui(place, tmp_path / "log") as process:
        until(lambda: place.store.find(keys.chosen_key()) is not None, "the first look")
        generation = place.active.generation
        other = FIRST if place.active.pointer.model_name == MODEL else MODEL
        pgrep = subprocess.run(["pgrep", "-P", str(process.pid), "-f", "lambda_fn.server"], capture_output=True)
        os.kill(int(pgrep.stdout), signal.SIGSTOP)  # so it answers no delivery
        call(place.mlflow, "POST", "registered-models/alias", {"name": other, "alias": "champion", "version": "1"})
        os.killpg(process.pid, signal.SIGKILL)
    assert place.active.generation == generation
    with promote_ui(place, tmp_path / "log"):
        until(lambda: place.active.generation == generation + 1, "the refresh at the start")
        assert place.active.pointer.model_name == other
        until(lambda: place.tag(other).startswith(f"active as generation {generation + 1} since"), "the tag")


def test_with_a_lost_key_our_server_does_not_start(place: Place) -> None:
    with closing(sqlite3.connect(place.folder / "mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM webhooks").fetchone() == (1,)
    secret = (place.folder / SECRET_FILE).read_text()
    administrator = {"MLFLOW_AUTH_ADMIN_USERNAME": "admin", "MLFLOW_AUTH_ADMIN_PASSWORD": "twelve-or-more"}
    command = [sys.executable, "-m", "infra.mlflow_server", "serve", "--data", ".", "--port", str(place.mlflow_port)]
    for key in ({}, {"MLFLOW_WEBHOOK_KEY_SECRET": f"{secret}x"}):
        environ = variables(administrator | key)
        result = subprocess.run(command, cwd=place.folder, env=environ, capture_output=True, text=True)
        assert result.returncode == 1 and "MLFLOW_WEBHOOK_KEY_SECRET: not" in result.stderr
