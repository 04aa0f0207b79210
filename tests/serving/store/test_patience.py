"""A store for jobs waits and tries again; one for requests asks once: against a server that is busy at first."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Unavailable
from lambda_fn.store.s3 import open_store

BUSY = 2  # answers of 503 before the object comes


@contextmanager
def busy_server() -> Iterator[tuple[str, list[str]]]:
    """Its address, and the requests that reached it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data = b"" if len(asked) <= BUSY else b"here"
            self.send_response(200 if data else 503)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Tue, 24 Nov 2026 12:00:00 GMT")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """No access log among the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def settings(address: str) -> Settings:
    return Settings.from_env({"USE_S3": "true", "S3_BUCKET": "busy", "AWS_ENDPOINT_URL_S3": address})


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_a_job_tries_again() -> None:
    with busy_server() as (address, asked):
        assert open_store(settings(address), patient=True).read("runs/x").data == b"here"
    assert len(asked) == BUSY + 1


def test_a_request_asks_once() -> None:
    with busy_server() as (address, asked), pytest.raises(Unavailable):
        open_store(settings(address)).read("serving/active.json")
    assert len(asked) == 1
