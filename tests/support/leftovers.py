"""What a run of the tests must not leave behind: processes, and files in the clone or in the temporary folder.

A port needs no check of its own: it closes with its process.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0  # for processes that end by themselves once the tests have ended
PR_SET_CHILD_SUBREAPER = 36
# Helpers of multiprocessing and loky, which end with the process that uses them.
HELPERS = ("resource_tracker", "loky")
# MLflow locks each database by a file, which it never removes.
LOCKS = "db_init_lock-"
# Builds and caches of the tools, which git ignores.
CACHES = (
    ".aws-sam/",
    "__pycache__/",
    ".pytest_cache/",
    ".hypothesis/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".import_linter_cache/",
)


class Leftovers:
    """The state before the tests; `find` compares it with the state after them."""

    def __init__(self) -> None:
        self._clone = _clone_state()
        self._temporary = Path(tempfile.mkdtemp(prefix="eurusd-tests-"))
        os.environ.setdefault(
            "PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir()
        )  # pytest keeps its folders of the last runs
        os.environ["TMPDIR"] = tempfile.tempdir = str(self._temporary)
        if sys.platform == "linux":
            # Orphans become children of this process, so none can escape the check.
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)

    def find(self, patience_s: float = PATIENCE_S) -> list[str]:
        """Return a line for each leftover, and remove the temporary folder."""
        deadline = time.monotonic() + patience_s
        while (processes := _children()) and time.monotonic() < deadline:
            time.sleep(0.05)
        files = [f"temporary file {path.name}" for path in sorted(self._temporary.iterdir())]
        shutil.rmtree(self._temporary, ignore_errors=True)
        clone = sorted(_clone_state() - self._clone)
        return (
            [f"process {process}" for process in processes] + files + [f"file in the clone: {line}" for line in clone]
        )


def _children() -> list[str]:
    """Process id and command of each child of this process that still runs; those that have ended are reaped."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    pids = [pid for task in tasks.glob("*/children") for pid in task.read_text().split()]
    lines = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z" and not any(helper in command for helper in HELPERS):
            lines.append(f"{pid}: {command[:200]}")
    return lines


def _clone_state() -> set[str]:
    """The lines of `git status`, ignored files included; nothing where this is no clone."""
    command = ["git", "status", "--porcelain", "--ignored"]
    status = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return {line for line in status.stdout.splitlines() if not line.endswith(CACHES)}
