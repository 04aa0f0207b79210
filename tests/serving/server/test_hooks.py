"""The webhook's route of the server: it exists with a secret, activates what was chosen, and can be neither forged,
repeated, flooded nor held up."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lambda_fn.contract import Active
from lambda_fn.server.hooks import MAX_WAITING, Hooks
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store import keys
from lambda_fn.store.s3 import open_store
from lambda_fn.web.request import Request
from tests.serving.test_chosen import Service
from tests.support import registry_fake, server_process
from tests.support.registry_fake import RegistryFake
from tests.support.server_process import Server
from tests.support.webhook_deliveries import SECRET, body_of, sign

PATIENCE_S = 60.0  # of a loaded machine


@pytest.fixture
def registry() -> Iterator[RegistryFake]:
    with registry_fake.serving() as registry:
        yield registry


@pytest.fixture
def server(tmp_path: Path, registry: RegistryFake) -> Iterator[Server]:
    """A server of two processes on a store whose champion is EURUSD_A."""
    Service(tmp_path / "store", registry)
    environ = {
        "STORE_DIR": str(tmp_path / "store"),
        "MLFLOW_TRACKING_URI": registry.address,
        "MLFLOW_HOOK_SECRET": SECRET,
        "BASE_PATH": "/fx",
        "CHAMPION_MAX_AGE_S": "1",
    }
    with server_process.running(tmp_path, environ, "--processes", "2") as server:
        yield server


def deliver(server: Server, body: bytes, headers: dict[str, str], path: str = "/hooks/mlflow") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


def wait_for(folder: Path, generation: int) -> Active:
    """Until the generation is active."""
    store, deadline = open_store(Settings.from_env({"STORE_DIR": str(folder)})), time.monotonic() + PATIENCE_S
    while (active := Active.parse(store.read(keys.active_key()).data)).generation < generation:
        assert time.monotonic() < deadline, "nothing was activated"
        time.sleep(0.05)
    return active


def test_a_delivery_is_served_seconds_later(server: Server, registry: RegistryFake, tmp_path: Path) -> None:
    body = body_of("EURUSD_B")
    for path in ("/hooks/mlflow", "/fx/hooks/mlflow"):
        assert deliver(server, body, sign(body, datetime.now(UTC), SECRET[::-1]), path) == (401, b"")
    assert deliver(server, body, {}) == (401, b"")
    assert deliver(server, body_of("Other_B"), sign(body_of("Other_B"), datetime.now(UTC))) == (204, b"")
    late = sign(body, datetime.now(UTC) - timedelta(minutes=6))
    assert deliver(server, body, late) == (401, b"")
    large = body + b" " * 2**14
    assert deliver(server, large, sign(large, datetime.now(UTC))) == (401, b"")
    registry.choose("EURUSD_B", "1")
    headers = sign(body, datetime.now(UTC))
    assert [deliver(server, body, headers) for _ in range(3)] == [(202, b"")] * 3
    assert wait_for(tmp_path / "store", 2).pointer.model_name == "EURUSD_B"
    deadline = time.monotonic() + PATIENCE_S
    while server.ask("GET", "/api/predict").json["champion"]["generation"] != 2:
        assert time.monotonic() < deadline, "no caller sees it"
        time.sleep(0.2)
    assert server.ask("GET", "/hooks/mlflow").status == 404
    assert registry.tags["EURUSD_B", "1"]["serving"].startswith("active as generation 2")


def test_a_slow_delivery_is_cut_off_and_holds_nobody_up(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as slow:
        slow.sendall(b"POST /hooks/mlflow HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        assert server.ask("GET", "/health").status == 200
        assert b" 408 " in slow.recv(1000)


def test_without_a_secret_there_is_no_route(tmp_path: Path, registry: RegistryFake) -> None:
    service = Service(tmp_path / "store", registry)
    body = body_of("EURUSD_B")
    with server_process.running(tmp_path, {"STORE_DIR": service.settings.store_dir}) as server:
        assert deliver(server, body, sign(body, datetime.now(UTC)))[0] == 404


@pytest.mark.parametrize("secret", ["short", f"{SECRET},"])
def test_a_weak_secret_stops_the_start(secret: str, tmp_path: Path) -> None:
    settings = Settings.from_env({"STORE_DIR": str(tmp_path), "MLFLOW_HOOK_SECRET": secret})
    with pytest.raises(SettingsError, match=r"^MLFLOW_HOOK_SECRET: ") as error:
        Hooks(open_store(settings), settings, {})
    assert SECRET not in str(error.value)


def request_of(model: str) -> Request:
    body = body_of(model)
    return Request("POST", "/hooks/mlflow", headers=sign(body, datetime.now(UTC)), read_body=lambda: body)


def test_deliveries_beyond_the_limit_are_repeated_by_mlflow(tmp_path: Path, registry: RegistryFake) -> None:
    service = Service(tmp_path, registry)
    settings = service.settings._replace(mlflow_hook_secret=SECRET)
    registry.is_down = True
    hooks = Hooks(service.store, settings, {}, pauses_s=(0.5, 0.0))
    responses = [hooks.respond(request_of("EURUSD_B")) for _ in range(MAX_WAITING + 1)]
    assert [response.status for response in responses] == [202] * MAX_WAITING + [503]
    assert responses[-1].headers == {"Retry-After": "20"}
    hooks.close()


def test_mlflow_that_comes_back_is_asked_again(tmp_path: Path, registry: RegistryFake) -> None:
    service = Service(tmp_path, registry)
    registry.choose("EURUSD_C", "1")
    registry.is_down = True
    hooks = Hooks(service.store, service.settings._replace(mlflow_hook_secret=SECRET), {}, pauses_s=[0.0, *[0.2] * 50])
    assert hooks.respond(request_of("EURUSD_C")).status == 202
    time.sleep(0.5)
    registry.is_down = False
    assert wait_for(tmp_path, 2).pointer.model_name == "EURUSD_C"
    hooks.close()
    assert json.loads(service.store.read(keys.forecast_key()).data)["generation"] == 2
