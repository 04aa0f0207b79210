"""Completion of the command `eurusd`, in a real bash that runs it at each tab."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from training.__main__ import command_line, main

ROOT = Path(__file__).parents[3]
BASH = shutil.which("bash")
ASK = """
eval "$(cat)"
COMP_WORDS=(eurusd "$@"); COMP_CWORD=$#
completer=$(complete -p eurusd | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
$completer eurusd "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("st",), {"status"}),
        (("",), set(command_line.commands)),
        (("run", "--fr"), {"--fresh", "--from"}),
        (("completion", ""), {"bash", "zsh", "fish"}),
        (("prices", "--decimal", ""), {"."}),  # a comma separates the answers that click's script reads
    ],
)
def test_bash_completes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], offered: set[str]
) -> None:
    program = tmp_path / "eurusd"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m training "$@"\n')
    program.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    assert BASH is not None and main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    done = subprocess.run(
        [BASH, "-c", ASK, "bash", *words], input=script, env=environ, capture_output=True, text=True, check=True
    )
    assert offered <= set(done.stdout.split())
    if words[-1]:
        assert set(done.stdout.split()) == offered


@pytest.mark.parametrize(("shell", "command"), [("zsh", "compdef"), ("fish", "complete --no-files --command")])
def test_other_shells_get_a_script_of_their_own(capsys: pytest.CaptureFixture[str], shell: str, command: str) -> None:
    assert main(["completion", shell]) == 0
    assert f"{command} eurusd" in capsys.readouterr().out
