"""`python -m training`: the commands. Tables go to standard output, progress and notes to standard error."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

EXAMPLES = """\
examples:
  python -m training run                          train, select and publish on the ECB's embedded prices
  python -m training run --csv eurusd.csv         the same on prices of your own
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

    def add(name: str, words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        return command

    for name, words in (
        ("run", "prices, evaluation, selection, registry and publishing: the whole job"),
        ("evaluate", "walk the families forward and print the score table; write nothing"),
    ):
        command = add(name, words)
        _prices(command)
        command.add_argument("--families", help="comma-separated, such as random_walk,lstm; all unless told")
        command.add_argument("--first-year", type=int, default=2010, help="first year that is forecast (2010)")
        command.add_argument("--seed", type=int, default=0, help="seed of everything random (0)")
    command = add("prices", "check the prices and say what they are")
    _prices(command)
    command.add_argument("--save", action="store_true", help="write them to the store; new rows are appended")
    command.add_argument("--replace", action="store_true", help="with --save: also where history differs")
    command = add("publish", "publish a version of the registry that you chose, and move the champion alias to it")
    command.add_argument("model", help="models:/EURUSD_ARIMA@challenger or models:/EURUSD_ARIMA/3")
    command = add("rollback", "publish an earlier champion again, as a new generation")
    command.add_argument("--to", type=int, metavar="GENERATION", help="which; the one before the active unless told")
    add("status", "what is active, since when, its scores, the age of the prices, and what does not fit together")
    command = add("clean", "the clean slate: list runs and models of the registry, and delete them when you say yes")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.add_argument("--store", action="store_true", help="also everything the store holds of this pair")
    command.add_argument("--experiment", action="store_true", help="also the experiment itself")
    command = add("forecast", "ask the Lambda handler for the forecast, as API Gateway would, and print it")
    command.add_argument("--horizon", type=int, help="business days; all unless told")
    return top


def _prices(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group()
    source.add_argument("--csv", type=Path, metavar="FILE", help="prices of your own: Date and Close, more if you like")
    source.add_argument("--fresh", action="store_true", help="fetch the ECB's current rates instead of the embedded")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what it says, 1 when the champion was refused, 2 for an error it names."""
    asked = parser().parse_args(arguments)
    # Linear algebra of this size is slower on two threads than on one, and its sums differ with their number.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
    from lambda_fn.settings import Settings, SettingsError, read_dotenv
    from training.commands import ERRORS, run_command
    from training.context import Context

    try:
        os.environ.update(read_dotenv(Path(".env"), os.environ))
        settings = Settings.from_env(os.environ)
        return run_command(asked, Context(settings, datetime.now(UTC)))
    except (*ERRORS, SettingsError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what was served before is still served\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
