"""The child process of a sandbox, which runs champions within limits.

It reads requests from standard input and writes replies to standard output, each in the form of `messages.frame`, until
standard input ends. It has one thread besides the watchdog's, an empty working folder and a small environment. A crash
ends only this process; the parent reports it and starts another.
"""

import json
import math
import os
import resource
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lambda_fn.champion.base import ForecastError, TooSlow
from lambda_fn.champion.messages import Limits, frame, read_frame
from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import Golden
from lambda_fn.fields import ContractError

MAX_LOADED = 4  # champions kept in memory, because a server forecasts for several pairs
Reply = tuple[dict[str, Any], bytes]


class Worker:
    """Answers requests within the limits of this process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._loaded: dict[str, Champion] = {}

    def reply(self, request: dict[str, Any], data: bytes) -> Reply:
        """Answer one request. Every exception that a champion causes becomes a reply about that champion."""
        try:
            match request["operation"]:
                case "judge":
                    return self._judge(request, data)
                case "forecast":
                    return self._forecast(request, data)
                case _:  # load
                    allow_cpu(self._limits.cpu_s)
                    Champion.load(data)
                    return {"good": {}}, b""
        except TooSlow as error:
            return {"too_slow": str(error)}, b""
        except ForecastError as error:
            return {"failed": str(error)}, b""
        except ContractError as error:
            return {"refused": str(error)}, b""
        except MemoryError:
            return {
                "refused": f"champion: it takes more than {self._limits.memory // 2**20} MB; export a smaller model"
            }, b""
        except Exception as error:  # noqa: BLE001  # whatever a champion causes is an error about that champion
            return {"refused": f"champion: it failed with {type(error).__name__}: {error}; export it again"}, b""

    def _judge(self, request: dict[str, Any], data: bytes) -> Reply:
        from lambda_fn.champion import trial  # lazy: a forecast of the API does not need it and waits for the start
        from lambda_fn.prices.price_file import Table

        columns = {name: np.array(values, dtype=np.float64) for name, values in request["columns"].items()}
        table = Table([date.fromisoformat(day) for day in request["dates"]], columns)
        golden = [Golden(**entry) for entry in request["golden"]]
        start = allow_cpu(self._limits.first_cpu_s)

        def extend_cpu() -> None:
            allow_cpu(self._limits.cpu_s, start)

        forecast = trial.run_trial(data, golden, table, time.process_time, extend_cpu, request["seed"])
        return {"good": vars(forecast)}, b""

    def _forecast(self, request: dict[str, Any], data: bytes) -> Reply:
        """Run a champion. The data are the inputs, after the champion's file if the parent sends it."""
        allow_cpu(self._limits.cpu_s)
        sha256, size = request["sha256"], request["model_bytes"]
        if size:
            self._loaded[sha256] = Champion.load(data[:size], self._limits.run_s)
        elif sha256 not in self._loaded:
            return {"unknown": sha256}, b""
        champion = self._loaded[sha256] = self._loaded.pop(sha256)
        while len(self._loaded) > MAX_LOADED:
            del self._loaded[next(iter(self._loaded))]
        inputs, at = {}, size
        for name, kind, shape in request["inputs"]:
            values = np.frombuffer(data, kind, math.prod(shape), at)
            inputs[name] = values.reshape(shape)
            at += values.nbytes
        forecast = champion.run(inputs)
        outputs = forecast.outputs()
        reply = {name: list(values.shape) for name, values in outputs.items()}
        return reply, b"".join(values.tobytes() for values in outputs.values())


def allow_cpu(seconds: float, start: float | None = None) -> float:
    """Let the kernel end this process after `seconds` of processor time, and return the start of that time.

    The start is in seconds of processor time of this process, by default now.
    """
    start = time.process_time() if start is None else start
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(start) + math.ceil(seconds), hard))
    return start


def confine(limits: Limits) -> None:
    """Set the permanent limits of this process: memory, no file and no core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():  # macOS does not have it, and does not limit memory
        size = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + limits.memory, size + limits.memory))


def serve(stdin: BinaryIO, stdout: int, limits: Limits) -> None:
    """Answer requests until `stdin` ends."""
    confine(limits)
    worker = Worker(limits)
    _write(stdout, frame({"ready": True}))
    while request := read_frame(stdin):
        reply, data = worker.reply(*request)
        _write(stdout, frame(reply, data))


def _write(stdout: int, data: bytes) -> None:
    """Write all bytes, because a pipe accepts only some at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(stdout, view) :]


def main() -> int:
    """Serve the parent; the limits are the argument, as JSON."""
    stdout = os.dup(1)
    os.dup2(2, 1)  # so that only replies reach the parent
    serve(sys.stdin.buffer, stdout, Limits(**json.loads(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
