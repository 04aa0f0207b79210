"""The checks of a whole run notice what they are for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import expensive
from tests.support.project import ROOT

LEAVE = """
import subprocess, sys, tempfile
from pathlib import Path
from tests.support.leftovers import Leftovers
leftovers = Leftovers()
tempfile.mkstemp(prefix="forgotten")
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
orphan = f"import subprocess, sys; subprocess.Popen({sleep})"
subprocess.run([sys.executable, "-c", orphan], check=True)
lines = leftovers.find(0)
for pid in [line.split()[1].rstrip(":") for line in lines if line.startswith("process")]:
    subprocess.run(["kill", pid], check=True)
print(lines)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are listed in /proc")
def test_an_orphan_and_a_temporary_file_are_reported() -> None:
    command = [sys.executable, "-c", LEAVE]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "sleep(600)" in output
    assert "temporary file forgotten" in output


def test_more_than_the_limit_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = tmp_path / "limits.json"
    limits.write_text(json.dumps({"trials": 2}))
    monkeypatch.setattr(expensive, "LIMITS", limits)
    assert expensive.exceeded({"trials": 2}) == []
    [over, unknown] = expensive.exceeded({"trials": 3, "unknown": 1})
    assert over.startswith("trials: 3, limit 2")
    assert unknown.startswith("unknown: 1, limit 0")


def test_a_process_and_a_database_are_counted(tmp_path: Path) -> None:
    code = """
import subprocess, sys
from sqlalchemy import create_engine
from tests.support import expensive
expensive.watch()
subprocess.run([sys.executable, "-c", ""])
subprocess.run(["true"])
for _ in range(2):
    create_engine(f"sqlite:///{sys.argv[1]}").connect().close()
print(dict(expensive.counts))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "mlflow.db")]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert output == "{'python starts': 1, 'new databases': 1}\n"
