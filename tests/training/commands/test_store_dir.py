"""Commands that only read: a missing store is named and not created, times have one form, nothing is left behind."""

import json
import re
from pathlib import Path

import pytest

from tests.support import terminal
from training.__main__ import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


@pytest.mark.parametrize("command", ["status", "history", "forecast"])
@pytest.mark.parametrize(("name", "problem"), [("nothing", "does not exist"), ("file", "is a file")])
def test_a_store_that_is_not_there_is_named_and_not_made(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    name: str,
    problem: str,
) -> None:
    (place / "file").write_text("no folder")
    monkeypatch.setenv("STORE_DIR", name)
    assert main([command]) == 2
    assert capsys.readouterr().err.startswith(f"error: STORE_DIR: {name} {problem}; ")
    assert [path.name for path in place.iterdir()] == ["file"]


def test_a_rollback_with_nothing_to_do_leaves_no_database(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STORE_DIR", str(place))
    assert main(["rollback"]) == 2
    assert "nothing is active" in capsys.readouterr().err
    assert [path for path in place.rglob("*") if path.is_file()] == []


def test_times_in_json_have_the_documented_form(published: Path) -> None:
    for command in ("status", "history"):
        text = terminal.shown(published, command, "--json")
        assert json.loads(text)
        times = re.findall(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[^\"]*", text)
        assert times and all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", time) for time in times)
