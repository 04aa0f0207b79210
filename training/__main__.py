"""`python -m training`: the commands. Tables go to standard output, progress and notes to standard error."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings, SettingsError, read_dotenv
from lambda_fn.store.exit_code import TEMPORARY_FAILURE as TEMPORARY_FAILURE
from lambda_fn.store.exit_code import exit_code
from lambda_fn.store.object_store import Missing, Unavailable
from training.commands.context import Command, Context
from training.errors import NamedError, TemporaryError

COMMANDS = (  # each a file of training/commands, in the order of the help
    "run",
    "demo",
    "evaluate",
    "tasks",
    "task",
    "select",
    "submit",
    "prices",
    "publish",
    "rollback",
    "keys",
    "status",
    "history",
    "clean",
    "forecast",
    "report",
    "completion",
)
STOPPED = 130  # 128 and the number of SIGINT, as shells count
EXIT_CODES = """\
exit codes:
  0    it did what it says
  1    the champion was refused, a run on AWS Batch failed, or an error that has no name
  2    an error that it names with the cure, such as an option that cannot be used
  75   a store, a registry or a source of prices does not answer, or credentials have expired: try again later
  130  stopped by Ctrl-C; what was served before is still served
"""
EXAMPLES = """\
examples:
  python -m training run                          train, select and publish on the ECB's embedded prices
  python -m training run --csv eurusd.csv         the same on prices of your own
  python -m training run --workers 4 --seeds 5    on four processes; each random family averages five seeds
  python -m training run --pairs EURUSD,GBPUSD    each pair has a champion of its own
  python -m training publish models:/EURUSD_ARIMA@challenger
  python -m training status                       what is served, and why the registry may say something else
"""


def parser() -> argparse.ArgumentParser:
    """The command line; `--help` of each command tells its options."""
    top = argparse.ArgumentParser(
        "python -m training",
        description="Train forecasts of EUR/USD, choose the champion and publish it.",
        epilog=f"{EXAMPLES}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        command: Command = import_module(f"training.commands.{name}").COMMAND
        words = command.words
        own = commands.add_parser(
            name,
            help=words,
            description=f"{words[0].upper()}{words[1:]}.",
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        own.add_argument("--json", action="store_true", help="print JSON instead of a table")
        own.add_argument("--wide", action="store_true", help="print every column, however narrow the terminal is")
        own.add_argument("--debug", action="store_true", help="show where an error comes from")
        command.options(own)
        own.set_defaults(work=command.work, parser=top)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code, as EXIT_CODES says; a job that ends with 75 is worth another try."""
    asked = parser().parse_args(arguments)
    # Linear algebra of this size is slower on two threads than on one, and its sums differ with their number.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
    try:
        return _run(asked)
    except (NamedError, SettingsError, ContractError, Missing, Unavailable) as error:
        _say(f"error: {error}", asked)
        return TEMPORARY_FAILURE if isinstance(error, TemporaryError) or exit_code(error) == TEMPORARY_FAILURE else 2
    except KeyboardInterrupt:
        _say("stopped; what was served before is still served", asked)
        return STOPPED
    except Exception as error:  # noqa: BLE001 - a person gets a line of it, and all of it with --debug
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}"
        _say(f"error: {type(error).__name__}: {error} ({place}); --debug shows where it comes from", asked)
        return 1


def _say(words: str, asked: argparse.Namespace) -> None:
    """The error that is being handled in one line, after its traceback with --debug."""
    if asked.debug:
        traceback.print_exc()
    sys.stderr.write(f"{words}\n")


def _run(asked: argparse.Namespace) -> int:
    os.environ.update(read_dotenv(Path(".env"), os.environ))
    context = Context(Settings.from_env(os.environ), datetime.now(UTC), asked.wide)
    if (pair := getattr(asked, "pair", None)) is not None:
        context = context.of(pair)
    code: int = asked.work(asked, context)
    return code


if __name__ == "__main__":
    sys.exit(main())
