"""A link to a server: passes bytes on, from another address or with a delay, as a slow network would."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

_SIZE = 65536


class Link:
    """Listens on a free port of `host` and joins each connection with the server at `target`."""

    def __init__(self, target: str, host: str = "127.0.0.1") -> None:
        address = urlsplit(target)
        self._target = (address.hostname or "", address.port or 0)
        self._listening = socket.create_server((host, 0))
        self._no_delay = threading.Event()
        self._no_delay.set()
        self.port = int(self._listening.getsockname()[1])
        self.url = f"http://{host}:{self.port}"

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Within, nothing that clients send arrives; connecting still works."""
        self._no_delay.clear()
        try:
            yield
        finally:
            self._no_delay.set()

    def run(self) -> None:
        """Serves until closed."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._no_delay.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _join(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            back = threading.Thread(target=_pass_on, args=(server, client, None), daemon=True)
            back.start()
            _pass_on(client, server, self._no_delay)
            back.join()


def _pass_on(source: socket.socket, sink: socket.socket, gate: threading.Event | None) -> None:
    try:
        while data := source.recv(_SIZE):
            if gate is not None:
                gate.wait()
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one side hung up; the other is told by closing
        for end in (source, sink):
            end.close()


@contextmanager
def link(target: str, host: str = "127.0.0.1") -> Iterator[Link]:
    """A link that is closed at the end."""
    found = Link(target, host)
    thread = threading.Thread(target=found.run, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.close()
        thread.join()
