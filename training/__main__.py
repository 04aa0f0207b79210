"""`python -m training`: the commands. Tables go to standard output, progress and notes to standard error."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from lambda_fn.fields import ContractError
from lambda_fn.settings import Settings, SettingsError, read_dotenv
from lambda_fn.store.objects import Missing, Unavailable
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
)
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h
EXAMPLES = """\
examples:
  python -m training run                          train, select and publish on the ECB's embedded prices
  python -m training run --csv eurusd.csv         the same on prices of your own
  python -m training run --workers 4 --seeds 5    on four processes; each random family averages five seeds
  python -m training publish models:/EURUSD_ARIMA@challenger
  python -m training status                       what is served, and why the registry may say something else
"""


def parser() -> argparse.ArgumentParser:
    """The command line; `--help` of each command tells its options."""
    top = argparse.ArgumentParser(
        "python -m training",
        description="Train forecasts of EUR/USD, choose the champion and publish it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        command: Command = import_module(f"training.commands.{name}").COMMAND
        words = command.words
        own = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        own.add_argument("--json", action="store_true", help="print JSON instead of a table")
        command.options(own)
        own.set_defaults(work=command.work)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what it says, 1 when the champion was refused, 2 for an error it names, and 75
    when that is a store or a registry that does not answer: a job is then worth another try."""
    asked = parser().parse_args(arguments)
    # Linear algebra of this size is slower on two threads than on one, and its sums differ with their number.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
    try:
        return _run(asked)
    except (NamedError, SettingsError, ContractError, Missing, Unavailable) as error:
        sys.stderr.write(f"error: {error}\n")
        return TRY_AGAIN if isinstance(error, TemporaryError | Unavailable) else 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what was served before is still served\n")
        return 130


def _run(asked: argparse.Namespace) -> int:
    os.environ.update(read_dotenv(Path(".env"), os.environ))
    context = Context(Settings.from_env(os.environ), datetime.now(UTC))
    code: int = asked.work(asked, context)
    return code


if __name__ == "__main__":
    sys.exit(main())
