"""A champion's trial: it is judged in a child process with limits of memory, processor and time.

What a champion does to the child is a refusal: any end but "good", a crash and a kill included, becomes a ContractError
with its reason. The child has an empty folder to work in, and none of this process's environment. All limits hold on
Linux; on macOS, where the size of an address space says little, that of memory does not.
"""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lambda_fn.contract import Golden
from lambda_fn.fields import ContractError
from lambda_fn.prices.table import Table
from lambda_fn.store.objects import Unavailable

MEMORY = 256 * 2**20  # bytes beyond what the child has when it has imported what it needs
FIRST_CPU_S = 2  # of processor time to the first forecast, after which the kernel ends it: it counts whole seconds
CPU_S = 10  # of processor time for the whole trial; a usual one takes 0.3
WALL_S = 30.0  # a last net, for a busy machine; refresh in Lambda has a minute, in which it must record the refusal
MAX_VERDICT = 32 * 2**20  # bytes; the longest window with the most columns takes 13 MB
ARGUMENTS = ("-s", "-B", "-m", "lambda_fn.champion.trial")


class _Ended(NamedTuple):
    """How a child ended: `code` as subprocess has it, what it wrote, and whether its time was up."""

    code: int
    said: bytes
    late: bool


def run(data: bytes, golden: Sequence[Golden], table: Table) -> Golden:
    """The forecast of the newest window, `table`, with its inputs.

    Raises ContractError for whatever a champion may do, and Unavailable when this machine can start no trial.
    """
    found = _tried(
        data,
        {
            "golden": [vars(known) for known in golden],
            "dates": [day.isoformat() for day in table.dates],
            "columns": {name: values.tolist() for name, values in table.columns.items()},
        },
    )
    try:
        return Golden(**found)
    except TypeError as error:
        raise ContractError(f"champion: its trial gave no forecast ({error}), and so no verdict") from error


def check_loads(data: bytes) -> None:
    """Whether it loads and forecasts at all; raises as `run`."""
    _tried(data, {})


def _tried(data: bytes, asked: Mapping[str, Any]) -> dict[str, Any]:
    head = json.dumps(asked).encode()
    try:
        ended = _child(len(head).to_bytes(8, "big") + head + data)
    except OSError as error:
        raise Unavailable(f"the trial of a champion cannot be started: {error}; try again") from error
    return _verdict(ended)


def _child(request: bytes) -> _Ended:
    """One child from start to end. Its session is its own: a Ctrl-C that ends this process is no champion's fault."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile() as asked:
        asked.write(request)
        asked.seek(0)
        with subprocess.Popen(
            [sys.executable, *ARGUMENTS],
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=empty,
            env=_environment(),
            start_new_session=True,
        ) as process:
            said = _listen(process)
    return _Ended(process.returncode, said, time.monotonic() - began >= WALL_S)


def _listen(process: "subprocess.Popen[bytes]") -> bytes:
    """What it writes until it ends, which is soon: it is killed when it takes too long or writes too much."""
    assert process.stdout is not None
    limit = threading.Timer(WALL_S, process.kill)
    limit.daemon = True
    limit.start()
    try:
        said = process.stdout.read(MAX_VERDICT + 1)
        if len(said) > MAX_VERDICT:
            process.kill()
        process.wait()
    except BaseException:
        process.kill()
        raise
    finally:
        limit.cancel()
    return said


def _environment() -> dict[str, str]:
    """What Python needs to find the same packages, and nothing that a champion could read."""
    here = str(Path(__file__).parents[2])
    paths = [here, *(str(Path(path).absolute()) for path in sys.path if path)]
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE") if name in os.environ}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PATH": os.defpath, **kept, **threads}


def _verdict(ended: _Ended) -> dict[str, Any]:
    if ended.late:
        raise ContractError(f"champion: its trial took more than {WALL_S:g} s; make it smaller")
    if ended.code == 1 and not ended.said:  # Python's own: once it has a champion, the child ends otherwise
        raise Unavailable("the trial of a champion cannot be started: python -m lambda_fn.champion.trial fails here")
    try:
        found: dict[str, Any] = json.loads(ended.said) if ended.code == 0 else {}
        if found.keys() == {"good"}:
            return dict(found["good"])
        if found.keys() == {"refused"}:
            raise ContractError(str(found["refused"]))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ContractError):
            raise
    how = f"signal {-ended.code}" if ended.code < 0 else f"code {ended.code}"
    raise ContractError(f"champion: its trial ended with {how} and no verdict: {_WHY.get(-ended.code, _BROKEN)}")


_TOO_LONG = f"it took more than {FIRST_CPU_S} s of processor time to its first forecast, or {CPU_S} s in all"
_BROKEN = f"it took more than {MEMORY // 2**20} MB, or it broke the runtime; make it smaller or export it again"
_WHY: dict[int, str] = {
    signal.SIGXCPU: f"{_TOO_LONG}; make it smaller",
    signal.SIGKILL: f"{_TOO_LONG}, or it was killed; try again",
}


def _limit() -> Callable[[], None]:
    """From here on: the memory, no file and no core dump, and the processor time to the first forecast; what it
    returns allows that of the whole trial."""
    import resource

    statm = Path("/proc/self/statm")
    size = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
    used = math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + FIRST_CPU_S, used + CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if size:  # elsewhere the size of the address space says little
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    return lambda: resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_S, used + CPU_S))


def main() -> int:
    """The child: reads the champion from standard input, and writes its verdict."""
    from datetime import date

    import numpy as np

    from lambda_fn.champion import judging

    stream = sys.stdin.buffer
    asked = json.loads(stream.read(int.from_bytes(stream.read(8), "big")))
    data = stream.read()
    golden = [Golden(**known) for known in asked.get("golden", ())]
    columns = {name: np.array(values, dtype=np.float64) for name, values in asked.get("columns", {}).items()}
    table = Table([date.fromisoformat(day) for day in asked.get("dates", ())], columns)
    out = os.dup(1)
    os.dup2(2, 1)  # nothing but the verdict is written there
    allow_all = _limit()
    try:
        if table.dates:
            good = vars(judging.judge(data, golden, table, time.process_time, allow_all))
        else:
            judging.load(data)
            good = {}
        verdict: dict[str, Any] = {"good": good}
    except ContractError as error:
        verdict = {"refused": str(error)}
    except MemoryError:
        verdict = {"refused": f"champion: it takes more than {MEMORY // 2**20} MB; make it smaller"}
    except Exception as error:  # noqa: BLE001  # whatever a champion brought about is about that champion
        verdict = {"refused": f"champion: its trial ended with {type(error).__name__}: {error}; export it again"}
    _write(out, json.dumps(verdict).encode())
    os._exit(0)  # at once: what is left of the champion must not speak again


def _write(out: int, data: bytes) -> None:
    """All of it: a pipe takes less at once."""
    while data:
        data = data[os.write(out, data) :]


if __name__ == "__main__":
    sys.exit(main())
