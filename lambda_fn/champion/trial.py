"""A champion's trial: it is judged in a child process with limits of memory, processor and time.

What a champion does to the child is a refusal: any end but "good", a crash and a kill included, becomes a ContractError
with its reason. The child has an empty folder to work in, and none of this process's environment.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lambda_fn.contract import Golden
from lambda_fn.fields import ContractError
from lambda_fn.prices.table import Table

MEMORY = 256 * 2**20  # bytes beyond what the child has when it has imported what it needs
CPU_S = 10  # of processor time for the whole trial; a usual one takes 0.3
WALL_S = 30.0  # a last net: a machine may be busy, and a champion may sleep
ARGUMENTS = ("-s", "-B", "-m", "lambda_fn.champion.trial")


def run(data: bytes, golden: Sequence[Golden], table: Table) -> Golden:
    """The forecast of the newest window, `table`, with its inputs. Raises ContractError for whatever else happens."""
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
        raise ContractError(f"champion: its trial gave no forecast ({error}); export it again") from error


def check_loads(data: bytes) -> None:
    """Whether it loads and forecasts at all; raises ContractError when it does not."""
    _tried(data, {})


def _tried(data: bytes, asked: Mapping[str, Any]) -> dict[str, Any]:
    head = json.dumps(asked).encode()
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                [sys.executable, *ARGUMENTS],
                input=len(head).to_bytes(8, "big") + head + data,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=empty,
                env=_environment(),
                timeout=WALL_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ContractError(f"champion: its trial took more than {WALL_S:g} s; make it smaller") from error
    return _verdict(done)


def _environment() -> dict[str, str]:
    """What Python needs to find the same packages, and nothing that a champion could read."""
    here = str(Path(__file__).parents[2])
    paths = [here, *(str(Path(path).absolute()) for path in sys.path if path)]
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE") if name in os.environ}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PATH": os.defpath, **kept, **threads}


def _verdict(done: "subprocess.CompletedProcess[bytes]") -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(done.stdout)
        if done.returncode == 0 and found.keys() == {"good"}:
            return dict(found["good"])
        if done.returncode == 0 and found.keys() == {"refused"}:
            raise ContractError(str(found["refused"]))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ContractError):
            raise
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
    raise ContractError(
        f"champion: its trial ended with {how} and no verdict: it took more than {CPU_S} s of processor time or "
        f"{MEMORY // 2**20} MB, or it broke the runtime; make it smaller or export it again"
    )


def _limit() -> None:
    """From here on: the memory, the processor time, no file and no core dump."""
    import resource

    statm = Path("/proc/self/statm")
    size = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if size:  # elsewhere the size of the address space says little
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))


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
    _limit()
    try:
        if table.dates:
            verdict: dict[str, Any] = {"good": vars(judging.judge(data, golden, table, judging.processor_time))}
        else:
            judging.load(data)
            verdict = {"good": {}}
    except ContractError as error:
        verdict = {"refused": str(error)}
    except MemoryError:
        verdict = {"refused": f"champion: it takes more than {MEMORY // 2**20} MB; make it smaller"}
    os.write(out, json.dumps(verdict).encode())
    os._exit(0)  # at once: what is left of the champion must not speak again


if __name__ == "__main__":
    sys.exit(main())
