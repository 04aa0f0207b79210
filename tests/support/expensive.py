"""Counts of expensive operations in a run of the tests, compared with `tests/expensive.json`.

A test that starts a thousand trials costs minutes and looks like any other, so a run of `make test` fails when it does
more of an expensive operation than the committed file allows.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIMITS = Path(__file__).parents[1] / "expensive.json"
BIN = Path(sys.executable).parent
counts: Counter[str] = Counter()


def count(operation: str) -> None:
    """Count one `operation`, which must be a key of `tests/expensive.json`."""
    counts[operation] += 1


def watch() -> None:
    """Count the Python processes that this process starts and the SQLite databases that it makes."""
    sys.addaudithook(_audit)


def watch_refits() -> None:
    """Count the refits of this process, once the module that makes them is imported."""
    work: Any = sys.modules.get("training.runs.task_runner")
    if work is None or hasattr(work.refit, "is_counted"):
        return
    compute = work.refit

    def refit(*args: Any, **options: Any) -> Any:
        count("refits")
        return compute(*args, **options)

    refit.is_counted = True  # type: ignore[attr-defined]
    work.refit = refit


def exceeded(total: Mapping[str, int]) -> list[str]:
    """A line for each operation of `total` that is over its limit, or that has none."""
    limits: dict[str, int] = json.loads(LIMITS.read_text())
    return [
        f"{name}: {number}, limit {limits.get(name, 0)}; make fewer, or raise the limit in {LIMITS.name}"
        for name, number in sorted(total.items())
        if number > limits.get(name, 0)
    ]


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        program = Path(str(args[0]))
        if program.parent == BIN or program.name.startswith("python"):
            count("python starts")
    elif event == "sqlite3.connect":
        path = str(args[0])
        # SQLAlchemy's databases are MLflow's, which migrates a new one; the tests' own cost nothing.
        if "sqlalchemy" in sys._getframe(1).f_code.co_filename and path and not Path(path).exists():
            count("new databases")
