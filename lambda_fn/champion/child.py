"""A child process with resource limits, and the exchange of messages with it.

The child (`champion.worker`) has an empty folder, none of this process's environment, and limits that the kernel
enforces. All limits hold on Linux; macOS does not limit memory.
"""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from lambda_fn.champion.messages import Limits, frame, is_whole, parse_frame
from lambda_fn.store.object_store import Unavailable

MAX_REPLY = 32 * 2**20  # bytes; the longest window with the most columns takes 13 MB
# Without `site`: its folders are in PYTHONPATH, and a child must not run the code that it would load from them.
ARGUMENTS = ("-S", "-B", "-m", "lambda_fn.champion.worker")
_CHUNK = 2**18


class ChildEnded(Exception):
    """The child ended without a reply; `code` is as in subprocess, and `late` says whether it exceeded its time."""

    def __init__(self, code: int, late: bool) -> None:
        super().__init__(f"signal {-code}" if code < 0 else f"code {code}")
        self.code = code
        self.late = late


class Process(Protocol):
    """The part of subprocess.Popen that a child uses."""

    stdin: BinaryIO
    stdout: BinaryIO

    def kill(self) -> None: ...

    def wait(self, timeout: float | None = None) -> int: ...


def start(limits: Limits, folder: str) -> Process:
    """Start a child in `folder`, in a session of its own so that Ctrl-C does not reach it. Raises OSError."""
    process: Any = subprocess.Popen(
        [sys.executable, *ARGUMENTS, json.dumps(limits._asdict())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd=folder,
        env=environment(),
        start_new_session=True,
    )
    return process  # type: ignore[no-any-return]


def environment() -> dict[str, str]:
    """Return the variables that Python needs to import the same packages, and no secret that a champion could read."""
    root = str(Path(__file__).parents[2])
    paths = [root, *(str(Path(path).absolute()) for path in sys.path if path)]
    names = ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PATH": os.defpath, **inherited, **threads}


class Child:
    """One child process."""

    def __init__(self, limits: Limits) -> None:
        """Start the process without waiting for it. Raises Unavailable."""
        self._limits = limits
        self._folder = tempfile.TemporaryDirectory()  # removed once it is the child's working folder
        self._ready = False
        try:
            self._process = start(limits, self._folder.name)
        except OSError as error:
            self._folder.cleanup()
            raise Unavailable(f"sandbox: its process cannot be started: {error}; try again") from error
        for stream in (self._process.stdin, self._process.stdout):
            os.set_blocking(stream.fileno(), False)

    def exchange(self, head: Mapping[str, Any], data: Sequence[bytes] = ()) -> tuple[dict[str, Any], bytes]:
        """Send a request and return the reply. Raises ChildEnded, and Unavailable when no child can run here."""
        deadline = time.monotonic() + self._limits.wall_s
        try:
            if not self._ready:
                try:
                    self._transfer(b"", deadline)
                except ChildEnded as error:
                    reason = f"it took more than {self._limits.wall_s:g} s" if error.late else f"it ended with {error}"
                    raise Unavailable(f"sandbox: its process cannot be started: {reason}; try again") from error
                self._folder.cleanup()
                self._ready = True
            return self._transfer(frame(head, *data), deadline)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Kill the child."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._folder.cleanup()

    def _transfer(self, request: bytes, deadline: float) -> tuple[dict[str, Any], bytes]:
        """Write the request and read the whole reply before the deadline. Raises ChildEnded."""
        stdin, stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        unsent, reply = memoryview(request), bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if unsent:
                selector.register(stdin, selectors.EVENT_WRITE)
            while True:
                events = selector.select(max(deadline - time.monotonic(), 0))
                if time.monotonic() >= deadline:  # checked every time, because a child may send a byte now and then
                    self._process.kill()
                    raise ChildEnded(self._process.wait(), late=True)
                for key, _ in events:
                    if key.fd == stdin:
                        unsent = unsent[_write(stdin, unsent) :]
                        if not unsent:
                            selector.unregister(stdin)
                    elif chunk := os.read(stdout, _CHUNK):
                        reply += chunk
                        if len(reply) > MAX_REPLY:
                            self._process.kill()
                            raise ChildEnded(self._process.wait(), late=False)
                        if is_whole(reply):
                            return parse_frame(bytes(reply))
                    else:
                        try:
                            code = self._process.wait(1)
                        except subprocess.TimeoutExpired:  # it has closed its output and does not end
                            self._process.kill()
                            code = self._process.wait()
                        raise ChildEnded(code, late=False)


def _write(fd: int, data: memoryview) -> int:
    try:
        return os.write(fd, data[:_CHUNK])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(data)  # the child has ended; reading from it will report that
