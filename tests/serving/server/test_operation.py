"""What an operator meets: processes that end together, warnings that return, the access log, and the version."""

import logging
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lambda_fn import __version__, ingest, refresh
from lambda_fn.record import __main__ as record_command
from lambda_fn.server import __main__ as server_command
from lambda_fn.server.__main__ import REPEAT_S, Refresher
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.local_api import START
from tests.support.server_process import command, running, until, variables
from training.__main__ import main as training_main


def filled(folder: Path, activated: bool = True) -> dict[str, str]:
    """The variables of a folder with a published champion."""
    environ = {"STORE_DIR": str(folder / "store")}
    settings = Settings.from_env(environ)
    store = open_store(settings)
    foreign.publish_to(store)
    if activated:
        refresh.refresh(store, settings, START)
    return environ


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, filled(tmp_path), "--processes", "2", "--refresh-every", "0") as server:
        assert server.ask("GET", "/health").status == 200
        workers = children(server.process.pid)
        assert len(workers) >= 2
        server.process.kill()
        server.process.wait()
        until(lambda: not any(map(is_running, workers)), "the workers to end")
        with socket.socket() as free, pytest.raises(ConnectionRefusedError):
            free.connect(("127.0.0.1", server.port))


def test_a_store_that_takes_no_files_is_a_warning_every_hour(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environ = filled(tmp_path, activated=False)
    (tmp_path / "store/serving").symlink_to("/proc")
    settings, now = Settings.from_env(environ), [0.0]
    refresher = Refresher(open_store(settings), settings, 60, {}, lambda: now[0])
    with caplog.at_level(logging.INFO, "lambda_fn.server"):
        for _ in range(2 * int(REPEAT_S) // 60 + 1):
            refresher.refresh()
            now[0] += 60
    found = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "lambda_fn.server"]
    assert len(found) == 3 and len(set(found)) == 1
    assert found[0][0] == "WARNING" and re.search(r"serving/", found[0][1])


def test_a_refresh_that_succeeds_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings, now = Settings.from_env(filled(tmp_path)), [0.0]
    refresher = Refresher(open_store(settings), settings, 60, {}, lambda: now[0])
    with caplog.at_level(logging.INFO, "lambda_fn.server"):
        for _ in range(3):
            refresher.refresh()
            now[0] += REPEAT_S
    found = [record.levelname for record in caplog.records if record.name == "lambda_fn.server"]
    assert found == ["INFO"]


@pytest.mark.parametrize(("name", "problem"), [("nothing", "does not exist"), ("file", "is a file")])
def test_a_store_that_is_not_there_is_named(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "file").write_text("no folder")
    environ = variables({"STORE_DIR": name})
    done = subprocess.run(command("--port", "0"), cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"STORE_DIR: {name} {problem}; ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "nothing").exists()


def test_the_access_log_has_path_status_and_time_and_no_query(tmp_path: Path) -> None:
    with running(tmp_path, filled(tmp_path), "--refresh-every", "0") as server:
        server.ask("GET", "/api/probability?below=1.2345")
        server.ask("GET", "/api/book?position=USD:987654")
        with suppress(ValueError):  # a page is not JSON
            server.ask("GET", "/?format=html&position=USD&amount=987654")
        server.ask("GET", "/no%0Awhere%22?token=abc")
        assert server.stop(signal.SIGTERM) == 0
    log = server.log.read_text()
    assert re.search(r'^\S+ \S+ 127\.0\.0\.1:\d+ "GET /api/probability HTTP/1\.1" 200 \d+ ms$', log, re.MULTILINE)
    assert re.search(r'"GET /no%0Awhere%22 HTTP/1\.1" 404 \d+ ms$', log, re.MULTILINE)
    assert re.search(r'"GET / HTTP/1\.1" 200 \d+ ms$', log, re.MULTILINE)
    assert "1.2345" not in log and "token" not in log and "987654" not in log
    assert f"(version {__version__}, stop with Ctrl-C)" in log


def test_health_names_the_version_of_the_project(tmp_path: Path) -> None:
    with running(tmp_path, filled(tmp_path), "--refresh-every", "0") as server:
        assert server.ask("GET", "/health").json["version"] == __version__


@pytest.mark.parametrize(
    "main",
    [server_command.main, refresh.main, ingest.main, record_command.main],
    ids=["server", "refresh", "ingest", "record"],
)
def test_a_serving_command_prints_its_version(
    main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{__version__}\n")


def test_the_training_command_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert training_main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
