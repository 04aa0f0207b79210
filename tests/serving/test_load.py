"""The short forms of `make soak`: one warm environment over many swaps, and a server whose store fails under load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.load import faults, server
from tests.support import seaweedfs
from tests.support.project import ROOT

GROWTH = 5.0  # megabytes, of an interpreter that has all it needs


def test_a_warm_environment_stays_as_it_is() -> None:
    command = [sys.executable, "-m", "tests.load.warm", "--invocations", "400", "--swaps", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    samples = json.loads(done.stdout)
    assert samples[-1]["files"] == samples[1]["files"]
    assert samples[-1]["megabytes"] - samples[1]["megabytes"] < GROWTH


@pytest.mark.skipif(not seaweedfs.installed(), reason="its server is for Linux only")
@pytest.mark.parametrize("seconds", [1.5, pytest.param(6, marks=pytest.mark.long)])
def test_under_load_and_faults_no_answer_is_wrong_or_lost_and_a_hung_worker_is_replaced(
    seconds: float, tmp_path: Path
) -> None:
    with server.scene(tmp_path, processes=2) as scene:
        found = server.load(scene, seconds=seconds, connections=16, promote_every=seconds / 3)
        assert found["wrong"] == {}
        assert found["generations"] > 1
        assert found["faults"] > 0
        assert server.replaced(scene)


@pytest.mark.skipif(not seaweedfs.installed(), reason="its server is for Linux only")
@pytest.mark.long
def test_a_fault_is_measured_with_and_without_memory(tmp_path: Path) -> None:
    with faults.scene(tmp_path) as scene:
        found = faults.measure(scene, "refused", 0.3)
    assert 0 < min(found)
