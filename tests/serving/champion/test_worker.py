"""The limits that a child sets for itself, as it asks the kernel for them."""

import resource
import sys
from pathlib import Path

import pytest

from lambda_fn.champion.messages import JOB
from lambda_fn.champion.worker import allow_cpu, confine

Limits = dict[int, tuple[int, int]]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """What the kernel is asked for, in place of this process's limits."""
    limits: Limits = {}
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (7, 99))
    return limits


def test_a_child_writes_no_file_and_no_core_dump(limits: Limits) -> None:
    confine(JOB)
    assert limits[resource.RLIMIT_CORE] == limits[resource.RLIMIT_FSIZE] == (0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit the memory")
def test_a_child_has_so_much_memory_beyond_its_imports(limits: Limits) -> None:
    before = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    confine(JOB)
    soft, hard = limits[resource.RLIMIT_AS]
    assert soft == hard
    assert JOB.memory <= soft < before + 2 * JOB.memory


@pytest.mark.parametrize(("seconds", "began", "soft"), [(2, 0.0, 2), (2, 3.2, 6), (10, 3.2, 14), (1.5, 1.0, 3)])
def test_processor_time_is_counted_from_where_the_work_began(
    seconds: float, began: float, soft: int, limits: Limits
) -> None:
    assert allow_cpu(seconds, began) == began
    assert limits == {resource.RLIMIT_CPU: (soft, 99)}
