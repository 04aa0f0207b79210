"""`make compare BEFORE=REVISION`: shows that a refactoring leaves files and answers as they were.

It runs the same commands in a checkout of BEFORE and in this one, each in processes of its own, and compares what users
see: the champions' bytes, the files of the store, JSON answers and the OpenAPI document. Times, digests that follow
from the version of the code, and texts (messages, cures, descriptions) are masked. It exits with 1 when anything else
differs.
"""

import argparse
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import onnx

from tests.support.project import ROOT

TRAIN = ("run", "--families", "random_walk,linear_regression,calendar", "--first-year", "2025", "--workers", "1")
PAIRS = "EURUSD,GBPUSD"
PATHS = (
    "/",
    "/health",
    "/api/predict",
    "/api/predict?horizon=3&level=95,50",
    "/api/predict?pair=GBPUSD",
    "/api/predict?format=csv",
    "/api/predict?horizon=99",
    "/api/predict?horizont=1",
    "/api/predict?pair=XXXYYY",
    "/api/probability?below=1.1",
    "/api/probability?above=1.2&horizon=21",
    "/api/probability?probability=0.05",
    "/api/probability",
    "/api/champion",
    "/api/record",
    "/api/record?format=csv",
    "/api/history",
    "/api/history?format=csv",
    "/api/pairs",
    "/api/nothing",
    "/openapi.json",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/EURUSD_calendar",
    "/ping",
    "/version",
)
TEXTS = {"message", "cure", "summary", "description", "title", "note", "notes", "text", "sentence", "reason"}
TIMES = {
    "checked_at",
    "age_s",
    "as_of_age_days",
    "made_at",
    "activated_at",
    "created_at",
    "stored_at",
    "expires_in_days",
}
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|\+00:00)")
DIGEST = re.compile(r"[0-9a-f]{32,64}")


def snapshot(checkout: Path, folder: Path) -> dict[str, object]:
    """Return name to content of all that one checkout makes: files, answers and the OpenAPI document."""
    store = folder / "store"
    tracking = f"sqlite:///{folder / 'mlflow.db'}"
    environ = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")},
        **{"STORE_DIR": str(store), "MLFLOW_TRACKING_URI": tracking, "PAIRS": PAIRS, "PYTHONPATH": str(checkout)},
        **{"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    }

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{checkout}: {arguments} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    result: dict[str, object] = {}
    for pair in PAIRS.split(","):
        result[f"training run {pair}"] = _figures(run("training", *TRAIN, "--pairs", pair))
    run("lambda_fn.refresh")
    result |= {str(path.relative_to(store)): _content(path) for path in sorted(store.rglob("*")) if path.is_file()}
    with Server(folder, environ) as ask:
        result |= {f"GET {path}": ask("GET", path, None) for path in PATHS}
        closes = [round(1.1 + 0.001 * (row % 7), 4) for row in range(520)]
        tensor = {"name": "close", "shape": [1, 513], "datatype": "FP64", "data": closes[:513]}
        for path, body in (
            ("/api/predict", {"close": closes, "as_of": "2026-10-30"}),
            ("/api/predict?horizon=2", {"series": [{"close": closes, "as_of": "2026-10-30"}] * 2}),
            ("/api/predict", {"close": closes[:3]}),
            ("/api/predict", {"close": [*closes, -1]}),
            ("/invocations", {"inputs": {"close": [closes[:513]]}}),
            ("/v2/models/EURUSD_calendar/infer", {"inputs": [tensor]}),
        ):
            result[f"POST {path} {json.dumps(body)[:60]}"] = ask("POST", path, body)
    return _with_names(result)


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """Yield the names whose content differs, with the places."""
    for name in sorted(before.keys() | after.keys()):
        yield from (f"{name}{place}" for place in _apart(before.get(name), after.get(name), ""))


def _apart(old: object, new: object, place: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _apart(old.get(key), new.get(key), f"{place}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for position, pair in enumerate(zip(old, new, strict=True)):
            yield from _apart(*pair, f"{place}[{position}]")
    elif old != new:
        yield f"{place}: {str(old)[:120]} -> {str(new)[:120]}"


class Server:
    """The server of a checkout, and a function that asks it."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        command = [sys.executable, "-m", "lambda_fn.server", "--port", str(self._port)]
        log = (folder / "server.log").open("wb")
        self._process = subprocess.Popen(command, cwd=folder, env=dict(environ), stdout=log, stderr=log)

    def __enter__(self) -> Callable[[str, str, object], object]:
        for _ in range(300):
            try:
                self._ask("GET", "/health", None)
            except OSError:
                time.sleep(0.1)
            else:
                return self._ask
        raise RuntimeError("the server does not answer")

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait()

    def _ask(self, method: str, path: str, body: object) -> object:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Accept": "application/json", "Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read().decode()
        names = ("content-type", "cache-control", "retry-after", "allow", "vary")
        headers = {name: reply.getheader(name) for name in names}
        kind = str(headers["content-type"])
        content = _masked(json.loads(text)) if "json" in kind else TIME.sub("TIME", text)
        return {"status": reply.status, "headers": headers, "content": content}


def _content(path: Path) -> object:
    data = path.read_bytes()
    if path.suffix == ".onnx":
        model = onnx.load_from_string(data)
        for entry in model.metadata_props:
            if entry.key == "code_version":
                entry.value = ""
        return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    if path.suffix == ".json":
        return _masked(json.loads(data))
    return TIME.sub("TIME", data.decode())


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        members = {key: inner for key, inner in value.items() if key not in ("crc32", "run_id", "code_version")}
        texts = {key for key, inner in members.items() if key in TEXTS and isinstance(inner, str | list)}
        return {key: "MASKED" if key in texts | TIMES else _masked(inner) for key, inner in members.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return TIME.sub("TIME", value) if isinstance(value, str) else value


def _with_names(result: Mapping[str, object]) -> dict[str, object]:
    """Replace digests, which follow from the code's version, by the order in which they first come."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return numbers.setdefault(match[0], f"DIGEST {len(numbers)}")

    champions = sorted(f"{Path(name).parent} {digest}" for name, digest in result.items() if name.endswith(".onnx"))
    others = {name: content for name, content in result.items() if not name.endswith(".onnx")}
    return {**json.loads(DIGEST.sub(number, json.dumps(others))), "champions": champions}


def _figures(text: str) -> list[str]:
    """The numbers of a printed text with three decimals or more: scores, and no durations."""
    return re.findall(r"[-+]?\d+\.\d{3,}", text)


def main() -> int:
    parser = argparse.ArgumentParser("make compare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("before", help="revision to compare with, such as HEAD~1")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = folder / "before"
        subprocess.run(["git", "worktree", "add", "--detach", str(before), args.before], cwd=ROOT, check=True)
        try:
            snapshots = []
            for checkout, place in ((before, folder / "old"), (ROOT, folder / "new")):
                place.mkdir()
                snapshots.append(snapshot(checkout, place))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(before)], cwd=ROOT, check=True)
    lines = list(differences(*snapshots))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.write(f"{len(snapshots[0])} files and answers compared, {len(lines)} differences\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
