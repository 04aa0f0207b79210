"""Every example of the documents is executed as it stands, in a copy of the checkout, or is listed with the reason."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from lambda_fn.settings import DEFAULTS
from tests.support import ecb_server, mlflow_database
from tests.support.examples import (
    ADDED,
    ASKED,
    ELSEWHERE,
    ENDS_WITH,
    EXECUTED,
    NOT_EXECUTED,
    SERVED,
    SHELL,
    commands_of,
    examples,
    named_tests,
    who,
)
from tests.support.project import ROOT, copy_tracked
from tests.support.server_process import running


def shell(folder: Path, environ: dict[str, str], line: str) -> "subprocess.CompletedProcess[str]":
    """By bash, as a user does."""
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone has, with `python` and `eurusd` on its PATH and a database of MLflow."""
    found = tmp_path_factory.mktemp("clone")
    copy_tracked(found)
    mlflow_database.create(found / "mlflow.db")
    for name, words in (("python", '"$@"'), ("eurusd", '-m training "$@"')):
        script = found / "on-path" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}\n')
        script.chmod(0o755)
    return found


@pytest.fixture(scope="module")
def environ(folder: Path) -> Iterator[dict[str, str]]:
    """A new user's: nothing set of the project's but where its files are, and a bank that answers with a real file."""
    with ecb_server.running() as bank:
        bank.files["history.zip"] = files("currency_converter").joinpath("eurofxref-hist.zip").read_bytes()
        inherited = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
        path = f"{folder / 'on-path'}:{os.environ['PATH']}"
        yield {**inherited, "PATH": path, "ECB_URL": bank.url("history.zip"), "STORE_DIR": str(folder)}


@pytest.fixture(scope="module")
def done(folder: Path, environ: dict[str, str]) -> dict[str, "subprocess.CompletedProcess[str]"]:
    """All commands, one after the other: each finds what those before left."""
    return {command: shell(folder, environ, f"{command} {ADDED.get(command, '')}") for command in EXECUTED}


def test_every_example_has_a_test_or_one_reason_why_it_has_none() -> None:
    """A new one belongs into a list of tests/support/examples.py."""
    answers = {example.name: who(example) for example in examples()}
    assert {name: several for name, several in answers.items() if len(several) != 1} == {}
    assert ELSEWHERE.keys().isdisjoint(NOT_EXECUTED)
    listed = {*EXECUTED, *ASKED, SERVED, SHELL, *ELSEWHERE, *NOT_EXECUTED}
    assert listed - answers.keys() == set(), "these are in no document any more"
    assert ADDED.keys() | ENDS_WITH.keys() <= set(EXECUTED)


@pytest.mark.parametrize("test", sorted(named_tests()))
def test_the_test_of_an_example_is_defined(test: str) -> None:
    path, separator, name = test.partition("::")
    assert separator and name.startswith("test_"), "name it as file::test"
    tree = ast.parse((ROOT / path).read_text())
    assert name in [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("$ a  # why\nprinted\n$ b 'x\n  y'\nprinted\n", ["a", "b 'x\n  y'"]),
        ("$ a \\\n    b\nprinted\n$ c", ["a \\\n    b", "c"]),
    ],
)
def test_a_command_ends_where_its_last_line_does(block: str, found: list[str]) -> None:
    assert commands_of(block) == found


@pytest.mark.long
@pytest.mark.parametrize("command", EXECUTED)
def test_a_command_does_what_it_says(command: str, done: dict[str, "subprocess.CompletedProcess[str]"]) -> None:
    run = done[command]
    assert run.returncode == ENDS_WITH.get(command, 0), run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout or "select" in command or "--save" in command


@pytest.mark.long
def test_the_server_serves_and_the_requests_are_answered(
    folder: Path, environ: dict[str, str], done: dict[str, "subprocess.CompletedProcess[str]"]
) -> None:
    """On a port that is free here; what the answers are is compared by test_demo.py."""
    assert SERVED.removeprefix("python -m lambda_fn.server ") == "--port 8080"
    with running(folder, environ) as server:
        answers = [shell(folder, environ, command.replace("8080", str(server.port))) for command in ASKED]
    assert [answer.returncode for answer in answers] == [0] * len(ASKED), answers
    table, *others = (answer.stdout for answer in answers)
    assert table.startswith("date,horizon,mean,") and table.count("\n") == 4
    asked, refused, one, health = map(json.loads, others)
    assert [len(each["forecast"]) for each in (asked, one)] == [1, 1]
    assert (refused["status"], refused["field"]) == (400, "horizon")
    assert health["status"] in ("ok", "late", "expired"), "depends on today"


def test_the_shells_set_up_completes_the_command(folder: Path, environ: dict[str, str]) -> None:
    """As it stands in bash, which numbers arrays from 0: zsh's first folder is the second here."""
    (block,) = [example.text for example in examples() if example.name == SHELL]
    (folder / "zsh").mkdir()
    run = shell(folder, environ, f"set -e; fpath=(none {folder / 'zsh'}); {block}\ncomplete -p eurusd")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("complete ") and run.stdout.endswith(" eurusd\n")
    assert "compdef" in (folder / "zsh/_eurusd").read_text()
