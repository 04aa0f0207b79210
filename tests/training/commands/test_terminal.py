"""The commands in a terminal of 80 columns: no row is wrapped, no number cut, times of one form."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from lambda_fn.settings import Settings
from tests.support import terminal
from training.__main__ import command_line, main
from training.commands.command import EXIT_CODES
from training.commands.context import WIDE, Context
from training.console import TimeLeft

MOMENT = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d UTC\b")


def checked(text: str, columns: int = 80) -> str:
    assert "…" not in text, "something is cut"
    assert max(map(len, text.splitlines())) <= columns
    times = re.findall(r"\d\d:\d\d", text)
    assert len(MOMENT.findall(text)) == len(times), "every time has its one form"
    return text


def test_status_fits_and_draws_the_skill(published: Path) -> None:
    text = checked(terminal.shown(published, "status"))
    assert re.search(r"^sha256 +[0-9a-f]{64}$", text, re.MULTILINE)
    assert re.search(r"^generation +2, since \d{4}-\d\d-\d\d \d\d:\d\d UTC", text, re.MULTILINE)
    assert "Skill of lstm" in text and re.search(r"^ 1 d vs ewma .*│", text, re.MULTILINE)


@pytest.mark.parametrize("columns", [80, 100, 120])
@pytest.mark.parametrize("command", ["status", "forecast"])
def test_fan_and_skill_are_drawn_by_both_as_wide_as_the_terminal(published: Path, command: str, columns: int) -> None:
    text = checked(
        terminal.shown(published, command, columns=columns, code=75 if command == "forecast" else 0), columns
    )
    fan, skill = text.partition("Skill of lstm: ")[::2]
    assert "┃ median  ░ 50 %  ─ 95 %" in fan
    days = re.findall(r"^\d{4}-\d\d-\d\d past [ ─░█]*┃[ ─░█]*$", fan, re.MULTILINE)
    assert len(days) == 3 and max(map(len, days)) > columns - 17
    assert len(re.findall(r"^[ \d]\d d vs (?:garch|ewma) .*│.* [+-]\d+\.\d\d %$", skill, re.MULTILINE)) == 3


def test_history_leaves_columns_out_where_it_is_narrow(published: Path) -> None:
    text = checked(terminal.shown(published, "history"))
    assert len(MOMENT.findall(text)) == 3, "two began and one ended"
    assert re.search(r"^Left out .*: 21 d; --wide ", text, re.MULTILINE)
    assert " 21 d" in terminal.shown(published, "history", "--wide").splitlines()[1]


def test_a_forecast_is_a_table_and_a_fan(published: Path) -> None:
    fine = checked(terminal.shown(published, "forecast", code=75))
    assert "┃ median" in fine
    plain = checked(terminal.shown(published, "forecast", code=75, PYTHONIOENCODING="ascii"))
    assert "| median" in plain and plain.isascii()
    assert [len(line) for line in plain.splitlines()] == [len(line) for line in fine.splitlines()]


LONG = pytest.mark.long
TASKS = ((), ("--pairs", "EURUSD,GBPUSD"), ("--pairs", "EURUSD,GBPUSD", "--seeds", "2"))


@pytest.mark.parametrize("more", [pytest.param(TASKS[0], marks=LONG), pytest.param(TASKS[1], marks=LONG), TASKS[2]])
def test_tasks_fit_too(published: Path, more: tuple[str, ...]) -> None:
    text = checked(terminal.shown(published, "tasks", *more))
    assert "linear_regression" in text and ("pair EURUSD" in text) == (not more)


@pytest.mark.long  # the table itself, at many widths: test_scores.py
def test_scores_fit(published: Path) -> None:
    small = ("evaluate", "--families", "random_walk", "--first-year", "2026")
    assert "Theil's U" not in checked(terminal.shown(published, *small)).partition("Left out")[0]


def test_wide_has_room_for_every_column() -> None:
    wide = Context(Settings.from_env({}), datetime.now(UTC), wide=True).out
    assert wide.width == WIDE >= 120


def test_every_exit_code_is_in_every_help(capsys: pytest.CaptureFixture[str]) -> None:
    codes = [line.split()[0] for line in EXIT_CODES.splitlines()[1:]]
    assert codes == ["0", "1", "2", "75", "130"]
    documented = (Path(__file__).parents[3] / "docs/operate.md").read_text("utf-8")
    for code in codes:
        assert re.search(rf"^\| `{code}` \|", documented, re.MULTILINE), code
    for name in set(command_line.commands) - {"serve", "refresh", "ingest", "record"}:  # theirs is argparse's
        assert main([name, "--help"]) == 0
        assert EXIT_CODES in capsys.readouterr().out, name


FAILS = """
import sys
from lambda_fn.store.object_store import Unavailable
from training.__main__ import command_line, main
from training.commands.command import command
from training.errors import NamedError
def work(context): {}
command_line.add_command(command("keys", "fail")(work))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("statement", "code", "line"),
    [
        ("return 1", 1, ""),
        ("return {}['gone']", 1, "error: KeyError: 'gone' (<string>, line 7); --debug "),
        ("raise NamedError('nothing is active')", 2, "error: nothing is active"),
        ("raise Unavailable('the bucket is down')", 75, "error: the bucket is down"),
        ("raise KeyboardInterrupt", 130, "stopped; "),
    ],
)
def test_an_error_is_one_line_and_with_debug_all_of_it(tmp_path: Path, statement: str, code: int, line: str) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", FAILS.format(statement), "keys", *arguments]
        root = Path(__file__).parents[3]
        return subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True)

    plain, whole = run(), run("--debug")
    assert (plain.returncode, whole.returncode) == (code, code)
    assert plain.stderr.startswith(line) and plain.stderr.count("\n") == (1 if line else 0)
    assert ("Traceback" in whole.stderr) == bool(line)
    assert whole.stderr.endswith(plain.stderr)


def test_the_time_left_goes_by_the_pace_since_the_stage_began() -> None:
    now = 0.0
    with Progress(TimeLeft(), console=Console(quiet=True), get_time=lambda: now, auto_refresh=False) as progress:
        task = progress.add_task("fit", total=30)
        column = TimeLeft()
        assert str(column.render(progress.tasks[0])) == ""
        now = 20.0
        progress.update(task, advance=6)  # a worker's task of six refits comes at once
        assert str(column.render(progress.tasks[0])) == "0:01:20 left"
        now = 100.0
        progress.update(task, advance=24)
        assert str(column.render(progress.tasks[0])) == "0:00:00 left"
