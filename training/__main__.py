"""`python -m training`: the command line. Tables go to standard output, progress and notes to standard error."""

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
from lambda_fn.store.command_line import TEMPORARY_FAILURE as TEMPORARY_FAILURE
from lambda_fn.store.command_line import exit_code
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
  0    success
  1    rejected model, failed run on AWS Batch, or unexpected error
  2    usage or configuration error; the message says how to fix it
  75   temporary failure (store, registry, price source or expired credentials): retry later
  130  interrupted with Ctrl-C; the service is unaffected
"""
EXAMPLES = """\
examples:
  python -m training run                          train, select and publish on the embedded ECB rates
  python -m training run --csv eurusd.csv         the same with your own prices
  python -m training run --workers 4 --seeds 5    use four processes; average five seeds of each stochastic model
  python -m training run --pairs EURUSD,GBPUSD    train and publish a champion for each pair
  python -m training publish models:/EURUSD_ARIMA@challenger
  python -m training status                       show what is served and any mismatch with the registry
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with a subparser for each command."""
    top = argparse.ArgumentParser(
        "python -m training",
        description="Train forecasts of EUR/USD, choose the champion and publish it.",
        epilog=f"{EXAMPLES}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        command: Command = import_module(f"training.commands.{name}").COMMAND
        summary = command.summary
        subparser = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        subparser.add_argument("--json", action="store_true", help="print JSON instead of a table")
        subparser.add_argument("--wide", action="store_true", help="print all columns, whatever the terminal width")
        subparser.add_argument("--debug", action="store_true", help="print the traceback of an error")
        command.add_options(subparser)
        subparser.set_defaults(work=command.work, parser=top)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, one of EXIT_CODES. A job that ends with 75 may be retried."""
    args = make_parser().parse_args(arguments)
    # Linear algebra of this size is slower on two threads than on one, and its sums differ with their number.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow reads it on import
    try:
        os.environ.update(read_dotenv(Path(".env"), os.environ))
        context = Context(Settings.from_env(os.environ), datetime.now(UTC), args.wide)
        if (pair := getattr(args, "pair", None)) is not None:
            context = context.for_pair(pair)
        code: int = args.work(args, context)
    except (NamedError, SettingsError, ContractError, Missing, Unavailable) as error:
        _print_error(f"error: {error}", args)
        return TEMPORARY_FAILURE if isinstance(error, TemporaryError) or exit_code(error) == TEMPORARY_FAILURE else 2
    except KeyboardInterrupt:
        _print_error("stopped; the service is unaffected", args)
        return STOPPED
    except Exception as error:  # noqa: BLE001 - users get one line of it, and the traceback with --debug
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}"
        _print_error(f"error: {type(error).__name__}: {error} ({place}); --debug prints the traceback", args)
        return 1
    return code


def _print_error(message: str, args: argparse.Namespace) -> None:
    """Print one line about the error that is being handled, after its traceback with --debug."""
    if args.debug:
        traceback.print_exc()
    sys.stderr.write(f"{message}\n")


if __name__ == "__main__":
    sys.exit(main())
