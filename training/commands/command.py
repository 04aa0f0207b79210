"""The decorator that makes a command of a function: common options, environment, and errors as exit codes."""

import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from lambda_fn.settings import Settings
from lambda_fn.store.command_line import TEMPORARY_FAILURE, exit_code, read_dotenv
from training.commands.context import NAMED_ERRORS, Context
from training.commands.options import FileOption
from training.errors import TemporaryError

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
STOPPED = 130  # 128 and the number of SIGINT, as shells count
OWN_PACKAGES = ("lambda_fn", "training")
INSTALL_TRAINING = "install the training packages: pip install '.[training]' in the folder of the project"
EXIT_CODES = """\
exit codes:
  0    success
  1    rejected model, failed run on AWS Batch, or unexpected error
  2    usage or configuration error; the message says how to fix it
  75   temporary failure (store, registry, price source, expired credentials or forecast): retry later
  130  interrupted with Ctrl-C; the service is unaffected
"""


class Command(click.Command):
    """A command whose help lists the options for reading a price file apart, and the exit codes."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, of_file in (("Options", False), ("How to read your own file (--csv), if it is ambiguous", True)):
            options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
            records = [option.get_help_record(ctx) for option in options if isinstance(option, FileOption) == of_file]
            if rows := [record for record in records if record]:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"\n{EXIT_CODES}")


def command(name: str, summary: str) -> Callable[[Callable[..., int | None]], Command]:
    """Return a decorator that makes a command of a function.

    The function gets a `Context` and the values of its own options, and returns the exit code (None is 0). Its module
    imports at the top only what the options need, and the rest in the function: so `--help` imports nothing heavy.
    """

    def decorate(function: Callable[..., int | None]) -> Command:
        @click.option("--json", "as_json", is_flag=True, help="print JSON instead of a table")
        @click.option("--wide", is_flag=True, help="print all columns, whatever the terminal width")
        @click.option("--debug", is_flag=True, help="print the traceback of an error")
        @wraps(function)
        def run(*, as_json: bool, wide: bool, debug: bool, **options: Any) -> int:
            # Linear algebra of this size is slower on two threads than on one, and its sums differ with their number.
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow reads it on import
            try:
                os.environ.update(read_dotenv(Path(".env"), os.environ))
                context = Context(Settings.from_env(os.environ), datetime.now(UTC), wide, as_json)
                return function(context, **options) or 0
            except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - users get one line, --debug has the rest
                if debug:
                    traceback.print_exception(error)
                code, message = describe_error(error)
                sys.stderr.write(f"{message}\n")
                return code

        text = f"{summary[0].upper()}{summary[1:]}."
        return click.command(name, Command, help=text, short_help=summary, context_settings=HELP_OPTIONS)(run)

    return decorate


def describe_error(error: BaseException) -> tuple[int, str]:
    """Return the exit code for an error that ends a command, and the line that is printed about it."""
    if isinstance(error, KeyboardInterrupt):
        return STOPPED, "stopped; the service is unaffected"
    if isinstance(error, NAMED_ERRORS):
        is_temporary = isinstance(error, TemporaryError) or exit_code(error) == TEMPORARY_FAILURE
        return TEMPORARY_FAILURE if is_temporary else 2, f"error: {error}"
    if isinstance(error, ModuleNotFoundError) and (package := str(error.name).partition(".")[0]) not in OWN_PACKAGES:
        return 2, f"error: {package} is not installed; {INSTALL_TRAINING}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}, line {frame.lineno}"
    return 1, f"error: {type(error).__name__}: {error} ({place}); --debug prints the traceback"
