"""A command in a real terminal: a pseudo-terminal of so many columns, and what it shows."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

_STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown(
    folder: Path, *arguments: str, columns: int = 80, program: tuple[str, ...] = (), code: int = 0, **variables: str
) -> str:
    """What `python -m training` shows on standard output, run in `folder`, without styles; it must end with `code`."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = program or (sys.executable, "-m", "training", *arguments)
    process = subprocess.Popen(
        command, cwd=folder, env=_environ(variables), stdin=child, stdout=child, stderr=subprocess.PIPE, text=True
    )
    os.close(child)
    chunks = []
    while chunk := _read(parent):
        chunks.append(chunk)
    os.close(parent)
    _, errors = process.communicate()
    assert process.returncode == code, errors
    return _STYLES.sub("", b"".join(chunks).decode()).replace("\r\n", "\n")


def _environ(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    return {**kept, "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2]), **variables}


def _read(parent: int) -> bytes:
    try:
        return os.read(parent, 65536)
    except OSError:  # how Linux says that nobody has the other end open
        return b""
