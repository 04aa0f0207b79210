"""Commands of training, run in this process."""

import json
from typing import Any

import pytest

from training.__main__ import main


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What the command prints with --json; it must succeed."""
    capsys.readouterr()
    code = main([*arguments, "--json"])
    output = capsys.readouterr()
    assert code == 0, output.err
    return json.loads(output.out)
