"""`completion`: the script by which a shell completes the command `eurusd`."""

import argparse
import sys

from training.commands.context import Command, Context

SHELLS = ("bash", "zsh")
PROGRAM = "eurusd"  # the command that `pip install .` makes; a shell cannot complete `python -m training`


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("shell", choices=SHELLS, help="which shell")


def work(asked: argparse.Namespace, context: Context) -> int:
    import shtab

    asked.parser.prog = PROGRAM
    sys.stdout.write(shtab.complete(asked.parser, shell=asked.shell) + "\n")
    return 0


COMMAND = Command("print the script by which bash or zsh completes the command eurusd", work, add_options)
