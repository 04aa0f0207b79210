"""`completion`: print a shell script that completes the command `eurusd`."""

import argparse
import sys

from training.commands.context import Command, Context

SHELLS = ("bash", "zsh")
PROGRAM = "eurusd"  # the command that `pip install .` installs; a shell cannot complete `python -m training`


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell that runs the script")


def work(args: argparse.Namespace, context: Context) -> int:
    import shtab

    args.parser.prog = PROGRAM
    sys.stdout.write(shtab.complete(args.parser, shell=args.shell) + "\n")
    return 0


COMMAND = Command("print the completion script of the command eurusd for bash or zsh", work, add_options)
