"""A request ends within its limits and fails in one way; test_mlflow_rest.py tests statuses, redirects and sizes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request

import pytest

from lambda_fn.store.http_client import send_request
from lambda_fn.store.object_store import Unavailable
from tests.support.recorder import Reply, recording


def test_a_body_that_ends_early_is_no_answer() -> None:
    with (
        recording(lambda _: Reply(200, b"half", {"Connection": "close"}, 8)) as server,
        pytest.raises(Unavailable, match="IncompleteRead"),
    ):
        send_request(Request(server.address), 5, 100)


@contextmanager
def one_byte() -> Iterator[str]:
    """A server that sends the first byte of a body and nothing more."""
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nx")
            ended.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


def test_a_body_that_drips_ends_in_time() -> None:
    """No second byte is waited for once the deadline has passed."""
    times = iter([0.0, 60.1])
    with one_byte() as address, pytest.raises(Unavailable, match=r"^http://127\.0\.0\.1:.*\(not complete\b"):
        send_request(Request(address), 60, 10_000_000, lambda: next(times))


def test_silence_ends_in_time() -> None:
    released = threading.Event()

    def wait(_: object) -> Reply:
        released.wait(30)
        return Reply()

    with recording(wait) as server:
        try:
            with pytest.raises(Unavailable, match="timed out"):
                send_request(Request(server.address), 0.2, 100)
        finally:
            released.set()


@pytest.mark.parametrize("host", ["127.0.0.1:{free}", "127.0.0.1:99999", "a b", "127.0.0.1:port"])
def test_no_server_names_the_address(host: str) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        host = host.format(free=taken.getsockname()[1])
        with pytest.raises(Unavailable, match=f"http://{host} does not answer"):
            send_request(Request(f"http://{host}"), 2, 100)
