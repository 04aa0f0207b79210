"""The commands refresh, ingest and record: options, settings, store, the loop over pairs, results and exit codes.

Exit codes are those of sysexits.h: 2 configuration, 75 temporary failure, 1 any other error.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lambda_fn import __version__
from lambda_fn.settings import Settings, SettingsError
from lambda_fn.store.object_store import Misconfigured, Store, Unavailable
from lambda_fn.store.s3 import open_store

T = TypeVar("T")
CONFIGURATION_ERROR = 2  # a retry would fail in the same way
TEMPORARY_FAILURE = 75  # EX_TEMPFAIL of sysexits.h: the store does not answer, or credentials have expired
EXPECTED = (SettingsError, Unavailable)
FAILURES = ("refused", "failed")  # outcomes


class Job(NamedTuple):
    """The parsed options of a command, the settings of the service, the pairs of the option --pair, and the store."""

    args: argparse.Namespace
    settings: Settings
    pairs: Sequence[str]
    store: Store


def read_dotenv(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Merge the variables of the file at `path`, which may be missing, into `environ`, which takes precedence."""
    from dotenv import dotenv_values  # Lambda reads no .env, so only commands need this import

    in_file = {name: value for name, value in dotenv_values(path).items() if value is not None}
    return {**in_file, **environ}


def make_parser(command: str, description: str) -> argparse.ArgumentParser:
    """Return a parser of `eurusd <command>` with the options that all commands have."""
    parser = argparse.ArgumentParser(f"eurusd {command}", description=description)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--pair", help="one of the pairs in PAIRS (default: all)")
    return parser


def run_command(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    work: Callable[[Job], int],
    expected: tuple[type[Exception], ...] = EXPECTED,
) -> int:
    """Run a command with the settings of the environment and .env, and return its exit code.

    Args:
        parser: made by `make_parser`.
        arguments: of the command line; None for those of this process.
        work: does the work and returns the exit code.
        expected: errors that are one sentence on standard error.
    """
    args = parser.parse_args(arguments)
    try:
        os.environ.update(read_dotenv(Path(".env"), os.environ))  # credentials are read from the environment
        settings = Settings.from_env(os.environ)
        return work(Job(args, settings, settings.select_pairs(args.pair), open_store(settings)))
    except expected as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error)


def exit_code(error: Exception) -> int:
    """Return the exit code of a command that ends with this error."""
    if isinstance(error, Unavailable) and not isinstance(error, Misconfigured):
        return TEMPORARY_FAILURE
    return CONFIGURATION_ERROR if isinstance(error, SettingsError | Misconfigured) else 1


def each_result(pairs: Sequence[str], work: Callable[[str], T]) -> Iterator[tuple[str, T | Exception]]:
    """Run `work` for each pair, and yield the pair with its result or with the exception that it raised."""
    for pair in pairs:
        try:
            result: T | Exception = work(pair)
        except Exception as error:  # noqa: BLE001 the failure concerns only this pair
            result = error
        yield pair, result


def run_and_print_each(pairs: Sequence[str], work: Callable[[str], Mapping[str, Any]], as_json: bool) -> int:
    """Run `work` for each pair, print the results, and return the highest exit code.

    One result is printed as it is; several have their pair at the beginning of each line, or are under `pairs` in JSON.
    An exception for the only pair is raised; with several it becomes the pair's result and does not stop the others.
    """
    results: dict[str, Mapping[str, Any]] = {}
    code = 0
    for pair, result in each_result(pairs, work):
        if isinstance(result, Exception):
            if len(pairs) == 1:
                raise result
            code = max(code, exit_code(result))
            result = {"outcome": "failed", "reason": str(result)}
        forecast = result.get("forecast") or {}
        is_failure = result["outcome"] in FAILURES or forecast.get("outcome") in FAILURES
        results[pair], code = result, max(code, int(is_failure))
        if not as_json:
            lines = f"{result['outcome']}: {result['reason']}".splitlines()
            if forecast:
                lines += f"forecast {forecast['outcome']}: {forecast['reason']}".splitlines()
            prefix = f"{pair}: " if len(pairs) > 1 else ""
            (sys.stderr if is_failure else sys.stdout).writelines(f"{prefix}{line}\n" for line in lines)
    if as_json:
        sys.stdout.write(json.dumps({"pairs": results} if len(pairs) > 1 else results[pairs[0]]) + "\n")
    return code


def parse_generation(text: str) -> int:
    """Parse the value of an option that is a generation."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a generation; give a whole number such as 12")
    return int(text)


def parse_day(text: str) -> date:
    """Parse the value of an option that is a date."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date; give one such as 2026-10-30") from error
