"""Completion of the command `eurusd`, in a real bash."""

import shutil
import subprocess

import pytest

from training.__main__ import COMMANDS, main

BASH = shutil.which("bash")
ASK = """
eval "$(cat)"
COMP_WORDS=(eurusd "$@"); COMP_CWORD=$#
completer=$(complete -p eurusd | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
$completer
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("st",), {"status"}),
        (("",), set(COMMANDS)),
        (("run", "--fr"), {"--fresh", "--from"}),
        (("completion", ""), {"bash", "zsh"}),
        (("prices", "--decimal", ""), {".", ","}),
    ],
)
def test_bash_completes(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], offered: set[str]) -> None:
    assert BASH is not None and main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    done = subprocess.run([BASH, "-c", ASK, "bash", *words], input=script, capture_output=True, text=True, check=True)
    assert offered <= set(done.stdout.split())
    if words[-1]:
        assert set(done.stdout.split()) == offered


def test_zsh_gets_a_script_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.startswith("#compdef eurusd\n")
