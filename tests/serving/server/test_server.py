"""The local server: real processes over real sockets, and the ASGI application's edges."""

import asyncio
import errno
import hashlib
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_fn.refresh import refresh
from lambda_fn.server import __main__ as server_module
from lambda_fn.server.__main__ import Refresher
from lambda_fn.server.asgi import MAX_READ, AsgiApp
from lambda_fn.settings import Settings
from lambda_fn.store import keys
from lambda_fn.store.s3 import open_store
from lambda_fn.web.errors import MAX_BODY
from lambda_fn.web.request import Request
from lambda_fn.web.response import Response
from tests.support import foreign
from tests.support.fake_app import FakeApp, ok
from tests.support.hostile import changed, endless
from tests.support.local_api import START
from tests.support.server_process import command, running, until, variables

CLOSES: list[float] = foreign.closes(foreign.WINDOW).tolist()


def _folder_with_champion(folder: Path, activated: bool = True) -> dict[str, str]:
    environ = {"STORE_DIR": str(folder / "store")}
    found = Settings.from_env(environ)
    store = open_store(found)
    foreign.publish_to(store)
    if activated:
        refresh(store, found, START)
    return environ


@pytest.mark.parametrize("processes", ["1", "2"])
def test_it_answers_as_the_handler_does_and_stops_in_order(tmp_path: Path, processes: str) -> None:
    with running(tmp_path, _folder_with_champion(tmp_path), "--processes", processes) as server:
        assert server.ask("GET", "/health").json["status"] in ("ok", "late", "expired")
        reply = server.ask("GET", "/api/predict?horizon=2&level=50&level=95")
        assert reply.headers["content-type"] == "application/json"
        assert list(reply.json["forecast"][1]["intervals"]) == ["50", "95"]
        assert len(reply.json["forecast"]) == 2
        assert server.ask("POST", "/api/predict", {"close": CLOSES}).json["last_close"] == CLOSES[-1]
        head = server.ask("HEAD", "/health")
        assert (head.status, head.json) == (200, None)
        assert server.ask("GET", "/nowhere").status == 404
        assert server.ask("PUT", "/api/predict", {}).headers["allow"] == "GET, POST, HEAD"
        assert server.stop() == 0
    log = server.log.read_text()
    assert '"GET /health HTTP/1.1" 200' in log
    assert "Traceback" not in log


def test_ctrl_c_stops_it_in_order(tmp_path: Path) -> None:
    with running(tmp_path, _folder_with_champion(tmp_path)) as server:
        assert server.ask("GET", "/").status == 200
        assert server.stop(signal.SIGINT) == 0
    assert "Traceback" not in server.log.read_text()


def test_a_huge_body_is_413_with_and_without_its_length(tmp_path: Path) -> None:
    with running(tmp_path, _folder_with_champion(tmp_path)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for body in (b" " * (MAX_BODY + 1), iter([b" " * MAX_BODY, b" "])):
            connection.request("POST", "/api/predict", body)
            response = connection.getresponse()
            assert response.status == 413
            assert response.getheader("cache-control") == "no-store"
            assert json.loads(response.read())["error"]["field"] == "body"
        connection.close()
        assert server.ask("GET", "/health").status == 200


def test_it_activates_what_is_published_while_it_runs(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    environ = {"STORE_DIR": str(tmp_path / "store"), "CHAMPION_MAX_AGE_S": "0.1"}
    with running(tmp_path, environ, "--refresh-every", "0.1") as server:
        unpublished = re.compile("refresh: unchanged, .*eurusd run")
        until(lambda: unpublished.search(server.log.read_text()) is not None, "the first refresh")
        _folder_with_champion(tmp_path, activated=False)
        activated = "refresh: activated, EURUSD_Foreign version 1"
        until(lambda: activated in server.log.read_text(), "the activation")
        assert server.ask("GET", "/health").json["champion"]["generation"] == 1
    assert len(unpublished.findall(server.log.read_text())) == 1


def test_it_activates_nothing_when_told_so(tmp_path: Path) -> None:
    environ = _folder_with_champion(tmp_path, activated=False)
    with running(tmp_path, environ, "--refresh-every", "0") as server:
        assert server.ask("GET", "/health").status == 503
    assert not (tmp_path / "store" / "serving" / "active.json").exists()


def test_the_env_file_is_read_and_the_real_environment_wins(tmp_path: Path) -> None:
    environ = _folder_with_champion(tmp_path)
    (tmp_path / ".env").write_text(f"STORE_DIR={tmp_path}/store\nCHAMPION_MAX_AGE_S=never\n")
    with running(tmp_path, {"CHAMPION_MAX_AGE_S": "5"}) as server:
        assert server.ask("GET", "/health").json["champion"]["generation"] == 1
    ended = subprocess.run(
        command("--port", "0"), cwd=tmp_path, env=variables(environ), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "CHAMPION_MAX_AGE_S: 'never'" in ended.stderr
    assert "Traceback" not in ended.stderr


def servers_of(pid: int) -> list[int]:
    """The process itself, and those that it started to serve."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes())]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_it_works_in_a_folder_without_secrets(tmp_path: Path, processes: str) -> None:
    """It reads .env and the store where it was started, and no champion runs beside them."""
    _folder_with_champion(tmp_path)
    (tmp_path / ".env").write_text("STORE_DIR=store\n")
    with running(tmp_path, {}, "--processes", processes) as server:
        assert server.ask("GET", "/health").json["champion"]["generation"] == 1
        assert {Path(f"/proc/{pid}/cwd").readlink() for pid in servers_of(server.process.pid)} == {Path("/")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "http"], "argument --port: 'http' "),
        (["--port", "65536"], "argument --port: '65536' "),
        (["--processes", "0"], "argument --processes: '0' "),
        (["--refresh-every", "nan"], "argument --refresh-every: 'nan' "),
        (["--refresh-every", "-1"], "argument --refresh-every: '-1' "),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
    ],
)
def test_a_wrong_argument_ends_it_with_one_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    ended = subprocess.run(
        command(*arguments), cwd=tmp_path, env=variables({}), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_ends_it_with_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            command("--port", str(port)), cwd=tmp_path, env=variables({}), capture_output=True, text=True, check=False
        )
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert re.fullmatch(rf".* 127\.0\.0\.1 port {port}: {os.strerror(errno.EADDRINUSE)}; .*--port or --host", line)


def test_a_refresh_that_fails_is_logged_once_and_never_fatal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environ = _folder_with_champion(tmp_path, activated=False)
    found = Settings.from_env(environ)
    store = open_store(found)
    refresher = Refresher(store, found, every=60, environ=environ)
    foreign.put(store, found.model_info_key, b"{")
    with caplog.at_level(logging.INFO, "lambda_fn.server"):
        for _ in range(4):
            refresher.refresh()
        refresher.stop()
    told = [record.message for record in caplog.records if record.name == "lambda_fn.server"]
    # the first refusal is raised, the next ones are results, and those are the same
    assert len(told) == 2
    assert all("not UTF-8 JSON" in words for words in told)


def _call(body: list[bytes], headers: list[tuple[bytes, bytes]] | None = None) -> tuple[list[Any], list[bytes]]:
    """Sends a request in these chunks to a handler that echoes; gives the ASGI messages and what was left unread."""
    chunks = list(body)
    sent: list[Any] = []

    def echo(request: Request) -> Response:
        return ok(request.body().hex())

    async def receive() -> MutableMapping[str, Any]:
        if not chunks:
            return {"type": "http.disconnect"}
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"method": "POST", "path": "/", "query_string": b"", "headers": headers or [], "client": None}
    asyncio.run(AsgiApp(FakeApp(echo))(scope, receive, send))
    return sent, chunks


@settings(deadline=None, max_examples=30)
@given(st.lists(st.binary(), min_size=1))
def test_a_body_in_any_chunks_arrives_whole(chunks: list[bytes]) -> None:
    start, body = _call(chunks)[0]
    assert start["status"] == 200
    assert body["body"].decode() == b"".join(chunks).hex()


def test_a_body_without_end_is_not_read_to_its_end() -> None:
    chunk = b" " * MAX_BODY
    sent, unread = _call([chunk] * (2 * MAX_READ // MAX_BODY))
    assert sent[0]["status"] == 413
    assert len(unread) * MAX_BODY == MAX_READ - MAX_BODY
    announced = [(b"content-length", str(MAX_READ + 1).encode())]
    sent, unread = _call([chunk], announced)
    assert (sent[0]["status"], len(unread)) == (413, 1)


def test_a_client_that_left_gets_no_answer() -> None:
    assert _call([])[0] == []


def test_it_serves_while_the_refresh_is_busy_with_a_champion_that_never_ends(tmp_path: Path) -> None:
    """It answers at once, from what is active; the refusal comes in its time."""
    environ = _folder_with_champion(tmp_path)
    hostile = changed(endless)
    store = open_store(Settings.from_env(environ))
    published = foreign.publish_to(store, foreign.champion_bytes(spread=0.006), 2)
    assert published.champion is not None
    sha256 = hashlib.sha256(hostile).hexdigest()
    file = replace(published.champion, key=keys.champion_key(sha256), sha256=sha256, size=len(hostile))
    store.create(file.key, hostile)
    foreign.put(store, "models/best_model_info.json", replace(published, champion=file).to_json())
    with running(tmp_path, environ) as server:
        assert server.ask("GET", "/api/predict").json["champion"]["generation"] == 1
        until(lambda: "refresh: champion: " in server.log.read_text(), "the refusal")
        assert server.ask("GET", "/api/predict").json["champion"]["generation"] == 1
        assert server.stop() == 0


def test_the_refresh_goes_on_whatever_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even an error that nobody thought of ends the thread: what is published next is activated."""
    environ = _folder_with_champion(tmp_path, activated=False)
    found = Settings.from_env(environ)
    store = open_store(found)
    tried = threading.Event()

    def faulty(*_: object, **__: object) -> object:
        tried.set()
        raise ZeroDivisionError("of nobody's thinking")

    monkeypatch.setattr(server_module, "refresh", faulty)
    refresher = Refresher(store, found, every=0.05, environ=environ)
    with caplog.at_level(logging.INFO, "lambda_fn.server"):
        refresher.start()
        assert tried.wait(60)
        monkeypatch.undo()
        until(lambda: keys.ACTIVE_KEY in store.list("serving"), "the activation")
        refresher.stop()
    assert "refresh: failed unexpectedly, ZeroDivisionError: of nobody's thinking" in caplog.text
    assert "Traceback" in caplog.text
