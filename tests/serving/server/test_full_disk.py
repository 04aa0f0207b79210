"""A store on a disk that is full or read-only: a warning now and every hour, exit code 75, and recovery."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_fn import refresh
from lambda_fn.server.__main__ import REPEAT_S, Refresher
from lambda_fn.settings import Settings
from lambda_fn.store.command_line import TEMPORARY_FAILURE
from lambda_fn.store.s3 import open_store
from tests.support import foreign, seaweedfs, small_disk

EVERY_S = 60


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a store on a disk of its own, with a champion that is published and not active."""
    with small_disk.mounted(tmp_path / "store"):
        found = {"STORE_DIR": str(tmp_path / "store")}
        foreign.publish_to(open_store(Settings.from_env(found)))
        yield found


def logged(environ: dict[str, str], caplog: pytest.LogCaptureFixture, hours: int = 2) -> list[tuple[str, str]]:
    """The level and text of each line that a server writes about refresh in these hours."""
    settings, now = Settings.from_env(environ), [0.0]
    refresher = Refresher(open_store(settings), settings, EVERY_S, {}, lambda: now[0])
    caplog.clear()
    with caplog.at_level(logging.INFO):
        for _ in range(hours * int(REPEAT_S) // EVERY_S + 1):
            refresher.refresh()
            now[0] += EVERY_S
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_full_disk_is_a_warning_every_hour_until_there_is_room(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    filler = small_disk.fill(Path(environ["STORE_DIR"]))
    lines = logged(environ, caplog)
    assert len(lines) == 3 and len(set(lines)) == 1, lines
    assert lines[0][0] == "WARNING" and re.search(r"serving/.*No space left on device", lines[0][1])
    filler.unlink()
    [(level, text)] = logged(environ, caplog, hours=0)
    assert level == "INFO" and text.startswith("refresh: activated, ")


def test_a_read_only_disk_is_a_warning_every_hour(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    small_disk.make_read_only(Path(environ["STORE_DIR"]))
    lines = logged(environ, caplog)
    assert len(lines) == 3 and len(set(lines)) == 1, lines
    assert lines[0][0] == "WARNING" and re.search(r"serving/.*Read-only file system", lines[0][1])


def test_a_command_on_a_full_disk_can_be_repeated(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    filler = small_disk.fill(Path(environ["STORE_DIR"]))
    with seaweedfs.variables(environ):
        assert refresh.main([]) == TEMPORARY_FAILURE
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "No space left on device" in error
        filler.unlink()
        assert refresh.main([]) == 0
