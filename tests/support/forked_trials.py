"""Trials without a new Python each: a single-threaded process forks the children, with all imports done.

A trial in the product starts `python -m lambda_fn.champion.trial`, which takes 0.24 s of processor time, most of it
imports. `ForkedTrials.child` replaces `trial._child` in the tests: the forked child runs the same code with the same
limits, session, working folder and environment. A request that ended with a verdict before gets the same verdict.
"""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, cast

from lambda_fn.champion import trial

ROOT = Path(__file__).parents[2]
INT = 8  # bytes of a number in the messages


class ForkedChild:
    """The part of `subprocess.Popen` that a trial needs, for a child that the server forked."""

    def __init__(self, server: socket.socket, pid: int, stdout: BinaryIO) -> None:
        self.stdout = stdout
        self.returncode: int | None = None
        self._server = server
        self._pid = pid

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)  # the server keeps the child as a zombie until `wait` has returned

    def wait(self) -> None:
        if self.returncode is None:
            self.returncode = _receive(self._server)
            self._server.sendall(b"r")


class ForkedTrials:
    """The client of one server process, which starts at the first trial. `forks` and `repeats` count the trials."""

    def __init__(self) -> None:
        self.forks = 0
        self.repeats = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._server: socket.socket | None = None
        self._verdicts: dict[bytes, trial._Ended] = {}

    def child(self, request: bytes) -> trial._Ended:
        """Replaces `trial._child`."""
        digest = hashlib.sha256(request).digest()
        with self._lock:
            if digest in self._verdicts:
                self.repeats += 1
                return self._verdicts[digest]
            self.forks += 1
            ended = self._run(request)
            if ended.code == 0 and not ended.late:
                self._verdicts[digest] = ended
            return ended

    def close(self) -> None:
        if self._server and self._process:
            self._server.close()
            self._process.wait()

    def _run(self, request: bytes) -> trial._Ended:
        server = self._connect()
        began = time.monotonic()
        reader, writer = os.pipe()
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as stdin, os.fdopen(reader, "rb") as out:
            stdin.write(request)
            stdin.seek(0)
            socket.send_fds(server, [folder.encode()], [stdin.fileno(), writer])
            os.close(writer)
            process = ForkedChild(server, _receive(server), out)
            said = trial._listen(cast("subprocess.Popen[bytes]", process))
        assert process.returncode is not None
        return trial._Ended(process.returncode, said, time.monotonic() - began >= trial.WALL_S)

    def _connect(self) -> socket.socket:
        if self._server is None:
            self._server, end = socket.socketpair()
            with end, tempfile.TemporaryDirectory() as folder:
                self._process = subprocess.Popen(
                    [sys.executable, "-s", "-B", "-m", __name__, str(end.fileno())],
                    stdin=subprocess.DEVNULL,
                    cwd=folder,
                    env={**trial._environment(), "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
                    pass_fds=[end.fileno()],
                    start_new_session=True,
                )
                _receive(self._server)  # the server is ready, so it needs its first working folder no more
        return self._server


def serve(client: socket.socket) -> None:
    """Fork a child for each request until the client closes the connection."""
    import lambda_fn.champion.judging  # noqa: F401  # every child then has numpy and onnxruntime

    os.chdir("/")
    _send(client, os.getpid())
    while True:
        folder, fds, _, _ = socket.recv_fds(client, 4096, 2)
        if not folder:
            return
        pid = os.fork()
        if pid == 0:
            _become_child(client, folder, *fds)
        for fd in fds:
            os.close(fd)
        _send(client, pid)
        status: Any = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        _send(client, status.si_status if status.si_code == os.CLD_EXITED else -status.si_status)
        client.recv(1)  # from here on the client sends no signal to this pid
        os.waitpid(pid, 0)


def _become_child(client: socket.socket, folder: bytes, stdin: int, stdout: int) -> None:
    """Do in the fork what `trial._child` asks of subprocess, and run the trial."""
    try:
        os.setsid()
        os.chdir(folder)
        with open(os.devnull, "wb") as stderr:  # noqa: PTH123
            for fd, number in ((stdin, 0), (stdout, 1), (stderr.fileno(), 2)):
                os.dup2(fd, number)
        for fd in (stdin, stdout):
            os.close(fd)
        client.close()
        trial.main()  # ends the process once there is a verdict
    finally:
        os._exit(1)


def _send(connection: socket.socket, number: int) -> None:
    connection.sendall(number.to_bytes(INT, "big", signed=True))


def _receive(connection: socket.socket) -> int:
    data = b""
    while len(data) < INT:
        part = connection.recv(INT - len(data))
        if not part:
            raise OSError("the server of forked trials ended")
        data += part
    return int.from_bytes(data, "big", signed=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
