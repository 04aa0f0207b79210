"""Large objects may take longer than records: read from a server that sends slowly, and from a real one."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lambda_fn.contract import MAX_MODEL_BYTES
from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings
from lambda_fn.store import object_store, s3
from lambda_fn.store.object_store import Missing, Store, Unavailable
from lambda_fn.store.s3 import open_store
from tests.support.server_process import until

pytestmark = pytest.mark.both_stores  # conditional writes, which the two stores do in different ways

MIB = 2**20
LARGE = bytes(range(256)) * (3 * MIB // 256)


class SlowServer(ThreadingHTTPServer):
    """Sends `data` in pieces with pauses; every answer waits for `go_on` before the piece `stop_after`."""

    daemon_threads = False  # server_close waits for them

    def __init__(self, data: bytes, pieces: int, pause_s: float = 0.0, stop_after: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data, self.pieces, self.pause_s, self.stop_after = data, pieces, pause_s, stop_after
        self.go_on, self.ended = threading.Event(), threading.Event()
        self.waits = list[str]()  # the path of each answer that came to `stop_after`

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: SlowServer

    def do_GET(self) -> None:
        server, data = self.server, self.server.data
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Tue, 24 Nov 2026 12:00:00 GMT")
        self.end_headers()
        size = -(-len(data) // server.pieces)
        try:
            for number in range(server.pieces):
                if number == server.stop_after:
                    server.waits.append(self.path)
                    server.go_on.wait()
                self.wfile.write(data[number * size : (number + 1) * size])
                if server.ended.wait(server.pause_s):
                    return
        except ConnectionError:
            return  # the reader gave up, or reads the body with another client

    def log_message(self, *_: object) -> None:
        """Write no access log."""


@contextmanager
def slow_server(data: bytes, pieces: int, pause_s: float = 0.0, stop_after: int | None = None) -> Iterator[SlowServer]:
    server = SlowServer(data, pieces, pause_s, stop_after)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


def open_at(address: str) -> Store:
    return open_store(Settings.from_env({"USE_S3": "true", "S3_BUCKET": "slow", "AWS_ENDPOINT_URL_S3": address}))


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "store" not in request.fixturenames:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_8_mb_a_second_are_enough_for_the_largest_champion() -> None:
    needed = timedelta(seconds=MAX_MODEL_BYTES / 8e6)
    assert s3.TIMEOUT < needed < s3.LARGE_TIMEOUT


def test_a_large_object_may_take_longer_than_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second half comes after the read of a small object, which began later, has timed out."""
    for name in ("NO_PROGRESS", "LARGE_TIMEOUT"):
        monkeypatch.setattr(s3, name, timedelta(hours=1))
    with (
        ThreadPoolExecutor(1) as pool,
        slow_server(LARGE, 2, stop_after=1) as large,
        slow_server(b"x" * 1000, 1000, 0.1) as small,
    ):
        reading = pool.submit(open_at(large.address).read, "serving/champions/x.onnx")
        until(lambda: len(large.waits) == 2, "the requests of its head and of its body")
        with pytest.raises(Unavailable, match=r"serving/active\.json"):
            open_at(small.address).read("serving/active.json")
        large.go_on.set()
        assert reading.result().data == LARGE


@pytest.mark.parametrize(("limit", "pieces", "stop_after"), [("NO_PROGRESS", 4, 2), ("LARGE_TIMEOUT", 400, None)])
def test_the_read_of_a_large_object_times_out_without_progress_and_after_its_total(
    limit: str, pieces: int, stop_after: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other limit is out of reach, so it is this one that ends the read."""
    for name in ("NO_PROGRESS", "LARGE_TIMEOUT"):
        monkeypatch.setattr(s3, name, timedelta(seconds=0.5 if name == limit else 3600))
    with slow_server(LARGE, pieces, 0.02, stop_after) as server, pytest.raises(Unavailable, match=r"x\.onnx"):
        open_at(server.address).read("x.onnx")


def test_a_real_store_writes_and_reads_large_objects(store: Store) -> None:
    data = bytes(range(256)) * (32 * MIB // 256)
    assert store.create("x.onnx", data)
    assert not store.create("x.onnx", data)
    blob = store.read("x.onnx")
    assert blob.data == data
    assert store.read("x.onnx", blob.etag) is None
    assert store.tail("x.onnx", 2 * MIB) == (data[-2 * MIB :], blob.etag, blob.stored_at)
    assert not store.replace("x.onnx", data, '"other"')
    assert store.replace("x.onnx", data[1:], blob.etag)
    assert store.read("x.onnx").data == data[1:]
    with pytest.raises(Missing):
        store.read("y.onnx")


def test_what_belongs_to_nothing_here_is_not_taken_into_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "MAX_BYTES", 1000)
    store.create("huge", b"x" * 1001)
    with pytest.raises(ContractError, match="huge: 1,001 bytes, at most 1,000 are read"):
        store.read("huge")
    assert len(store.tail("huge", 1000).data) == 1000


class NotModified(BaseHTTPRequestHandler):
    """304 to everything, also to what did not ask for it."""

    def do_GET(self) -> None:
        self.send_response(304)
        self.end_headers()

    do_PUT = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Write no access log."""


def test_a_plain_304_is_unavailable() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), NotModified)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        found = open_at(f"http://127.0.0.1:{server.server_port}")
        assert found.read("key", '"known"') is None
        for ask in (
            lambda: found.read("key"),
            lambda: found.head("key", 5),
            lambda: found.tail("key", 5),
            lambda: found.list("key"),
        ):
            with pytest.raises(Unavailable):
                ask()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
