"""`python -m training`: the commands. Tables go to standard output, progress and notes to standard error."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

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

    def add(name: str, words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        return command

    for name, words in (
        ("run", "prices, evaluation, selection, registry and publishing: the whole job"),
        ("evaluate", "walk the families forward and print the score table; write nothing"),
    ):
        command = add(name, words)
        _job(command)
        command.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share the tasks (1)")
    command = add("tasks", "list the tasks of a run; with --freeze keep its prices, so that others can run them")
    _job(command)
    command.add_argument("--run", metavar="NAME", help="a frozen run; with --freeze: the name of the new one")
    command.add_argument("--freeze", action="store_true", help="write prices and plan under runs/ of the store")
    command = add("task", "run one task of a frozen run; one that is done already is left as it is")
    command.add_argument("--run", metavar="NAME", required=True, help="the frozen run")
    command.add_argument("--index", type=int, help="which task; AWS_BATCH_JOB_ARRAY_INDEX unless told")
    command = add("select", "gather a frozen run's tasks, name what is missing, choose the champion and publish it")
    command.add_argument("--run", metavar="NAME", required=True, help="the frozen run")
    command = add("submit", "freeze a run, and submit its tasks and its selection to AWS Batch")
    _job(command)
    command.add_argument("--stack", required=True, metavar="NAME", help="the stack of infra/training.yaml")
    command.add_argument("--run", metavar="NAME", help="the name of the run")
    command.add_argument("--no-wait", action="store_true", help="do not follow the jobs to their end")
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


def _job(command: argparse.ArgumentParser) -> None:
    _prices(command)
    command.add_argument("--families", help="comma-separated, such as random_walk,lstm; all unless told")
    command.add_argument("--first-year", type=int, default=2010, help="first year that is forecast (2010)")
    command.add_argument("--seed", type=int, default=0, help="seed of everything random (0)")
    command.add_argument("--seeds", type=int, default=1, metavar="N", help="average N seeds of each random family (1)")
    command.add_argument("--span", type=int, default=6, metavar="N", help="refits a task; no result depends on it (6)")


def _prices(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group()
    source.add_argument("--csv", type=Path, metavar="FILE", help="prices of your own: Date and Close, more if you like")
    source.add_argument("--fresh", action="store_true", help="fetch the ECB's current rates instead of the embedded")
    source.add_argument("--stored", action="store_true", help="the ECB's rates as the store has them")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what it says, 1 when the champion was refused, 2 for an error it names, and 75
    when that is a store or a registry that does not answer: a job is then worth another try."""
    asked = parser().parse_args(arguments)
    # Linear algebra of this size is slower on two threads than on one, and its sums differ with their number.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
    from lambda_fn.settings import Settings, SettingsError, read_dotenv
    from training.commands.commands import ERRORS, TEMPORARY, run_command
    from training.commands.context import Context

    try:
        os.environ.update(read_dotenv(Path(".env"), os.environ))
        settings = Settings.from_env(os.environ)
        return run_command(asked, Context(settings, datetime.now(UTC)))
    except (*ERRORS, SettingsError) as error:
        sys.stderr.write(f"error: {error}\n")
        return TRY_AGAIN if isinstance(error, TEMPORARY) else 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what was served before is still served\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
