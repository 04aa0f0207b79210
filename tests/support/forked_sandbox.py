"""The sandbox's children without a new Python each: a single-threaded process forks them, with all imports done.

The product starts `python -m lambda_fn.champion.worker`, which takes 0.24 s of processor time, most of it imports.
`ForkServer.start` replaces `child.start` in the tests: the forked child runs the same code with the same limits,
session, working folder and environment.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from lambda_fn.champion import child
from lambda_fn.champion.base import Rows
from lambda_fn.champion.messages import Limits
from lambda_fn.champion.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
INT = 8  # bytes of a number in the messages


class ForkedChild:
    """The part of `subprocess.Popen` that a sandbox needs, for a child of the server."""

    def __init__(self, server: "ForkServer", pid: int, stdin: BinaryIO, stdout: BinaryIO) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self._server = server
        self._pid = pid
        self._code: int | None = None

    def kill(self) -> None:
        if self._code is None:  # until `wait` has returned the server keeps the child as a zombie
            with contextlib.suppress(ProcessLookupError):  # the server ends its children when it ends itself
                os.kill(self._pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._code is None:
            self._code = self._server.exit_code(self._pid)
            if self._code is None and deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("forked child", timeout or 0)
        return self._code


class ForkServer:
    """The client of the server process, which starts with the first child. `forks` counts the children."""

    def __init__(self) -> None:
        self.forks = 0
        self._folders: list[str] = []
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._server: socket.socket | None = None

    def start(self, limits: Limits, folder: str) -> ForkedChild:
        """Replaces `child.start`."""
        child_in, stdin = os.pipe()
        stdout, child_out = os.pipe()
        with self._lock:
            server = self._connect()
            self.forks += 1
            self._folders.append(folder)
            message = b"\0".join([b"fork", folder.encode(), json.dumps(limits._asdict()).encode()])
            socket.send_fds(server, [message], [child_in, child_out])
            pid = _receive(server)
        os.close(child_in)
        os.close(child_out)
        return ForkedChild(self, pid, os.fdopen(stdin, "wb", 0), os.fdopen(stdout, "rb", 0))

    def exit_code(self, pid: int) -> int | None:
        """The exit code of a child, as subprocess has it, which may be asked once; None while it runs."""
        with self._lock:
            if self._server is None:  # at the end of this process
                return -signal.SIGKILL
            server = self._server
            server.sendall(b"\0".join([b"wait", str(pid).encode()]))
            code = _receive(server)
        return None if code == RUNS else code

    def close(self) -> None:
        with self._lock:
            server, self._server = self._server, None
        if server and self._process:
            server.close()
            self._process.wait()
            for folder in self._folders:  # of sandboxes that are closed when this process exits
                shutil.rmtree(folder, ignore_errors=True)

    def _connect(self) -> socket.socket:
        if self._server is None:
            self._server, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with end, tempfile.TemporaryDirectory() as folder:
                self._process = subprocess.Popen(
                    [sys.executable, "-s", "-B", "-m", __name__, str(end.fileno())],
                    stdin=subprocess.DEVNULL,
                    cwd=folder,
                    env=child.environment(),
                    pass_fds=[end.fileno()],
                    start_new_session=True,
                )
                _receive(self._server)  # it is ready, so it needs its first working folder no more
        return self._server


class Memory:
    """Results of a sandbox that were computed before in this session, by all that decides them.

    `repeats` counts the ones that were not computed again.
    """

    def __init__(self) -> None:
        self.repeats = 0
        self._results: dict[tuple[object, ...], Any] = {}

    def of_judge(self, judge: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps `Sandbox._judge`."""

        def remembered(box: Sandbox, head: Mapping[str, Any], data: bytes) -> Any:
            key = json.dumps(head, sort_keys=True), hashlib.sha256(data).digest()
            return self._result(key, lambda: judge(box, head, data))

        return remembered

    def of_forecast(self, forecast: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps `Sandbox.forecast`."""

        def remembered(box: Sandbox, data: bytes, sha256: str, inputs: Rows, shape: tuple[int, int, int]) -> Any:
            key = hashlib.sha256(data).digest(), json.dumps(inputs, sort_keys=True), shape
            return self._result(key, lambda: forecast(box, data, sha256, inputs, shape))

        return remembered

    def _result(self, key: tuple[object, ...], compute: Callable[[], Any]) -> Any:
        if key in self._results:
            self.repeats += 1
        else:
            self._results[key] = compute()  # an error is computed again
        return self._results[key]


RUNS = 1000  # no exit code
WAIT_S = 0.01


def serve(client: socket.socket) -> None:
    """Fork and reap children until the client closes the connection; then end those that still run."""
    import lambda_fn.champion.worker  # noqa: F401  # every child then has numpy and onnxruntime

    os.chdir("/")
    children: set[int] = set()
    _send(client, os.getpid())
    while True:
        message, fds, _, _ = socket.recv_fds(client, 8192, 2)
        if not message:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            return
        command, *arguments = message.split(b"\0")
        if command == b"wait":
            pid = int(arguments[0])
            code = _reap(pid)
            if code != RUNS:
                children.discard(pid)
            _send(client, code)
            continue
        pid = os.fork()
        if pid == 0:
            _become_child(client, arguments, fds)
        children.add(pid)
        for fd in fds:
            os.close(fd)
        _send(client, pid)


def _reap(pid: int) -> int:
    deadline = time.monotonic() + WAIT_S
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return RUNS
        time.sleep(WAIT_S / 10)


def _become_child(client: socket.socket, arguments: list[bytes], fds: list[int]) -> None:
    """Do in the fork what `child.start` asks of subprocess, and run the worker."""
    from lambda_fn.champion import worker

    (folder, limits), (stdin, stdout) = arguments, fds

    try:
        os.setsid()
        os.chdir(folder)
        with open(os.devnull, "wb") as stderr:  # noqa: PTH123
            for fd, number in ((stdin, 0), (stdout, 1), (stderr.fileno(), 2)):
                os.dup2(fd, number)
        for fd in (stdin, stdout):
            os.close(fd)
        client.close()
        sys.argv[1:] = [limits.decode()]
        os._exit(worker.main())
    finally:
        os._exit(1)


def _send(connection: socket.socket, number: int) -> None:
    connection.send(number.to_bytes(INT, "big", signed=True))


def _receive(connection: socket.socket) -> int:
    data: Any = connection.recv(INT)
    if not data:
        raise OSError("the server of forked children ended")
    return int.from_bytes(data, "big", signed=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
