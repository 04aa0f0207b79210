"""Commands of training, run in this process."""

import json
from collections.abc import Sequence
from typing import Any

import click
import pytest

from training.__main__ import command_line, main


def parsed(words: Sequence[str]) -> click.Context:
    """The context of a command line of training, whose words must be known; the command does not run."""
    name, *rest = words
    return command_line.commands[name].make_context(name, rest)


def command(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """What the command prints with --json; it must end with `code`."""
    capsys.readouterr()
    ended = main([*arguments, "--json"])
    output = capsys.readouterr()
    assert ended == code, output.err
    return json.loads(output.out)
