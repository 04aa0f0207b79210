"""`python -m training` as a user runs it: a process of its own with these variables."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.server_process import variables


def training(folder: Path, environ: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs one command in `folder` and gives its exit code and what it wrote."""
    command = [sys.executable, "-m", "training", *arguments]
    return subprocess.run(command, cwd=folder, env=variables(environ), capture_output=True, text=True)
