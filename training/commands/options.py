"""Options that several commands share, and the types of their values."""

import argparse
import math
import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

from lambda_fn.currency_pairs import read_pairs
from lambda_fn.prices.ecb import TIMEOUT_S

REQUIRED = "require"


class Fresh(NamedTuple):
    """The value of --fresh: the timeout in seconds, and whether it is an error that current rates are unavailable."""

    seconds: float
    required: bool = False


def add_pair(parser: argparse.ArgumentParser) -> None:
    """Add --pair, one pair. `training.__main__` passes the settings of that pair to the command."""
    parser.add_argument(
        "--pair", type=parse_pair, metavar="PAIR", help="currency pair, e.g. GBPUSD (default: the first of $PAIRS)"
    )


def add_pairs(parser: argparse.ArgumentParser) -> None:
    """Add --pairs, the pairs that a command processes one after the other."""
    parser.add_argument(
        "--pairs",
        type=parse_pairs,
        metavar="PAIRS",
        help="currency pairs, e.g. EURUSD,GBPUSD; or majors, all, or a currency for all its pairs (default: $PAIRS)",
    )


def parse_pair(text: str) -> str:
    """Return the currency pair in `text`. Raises ArgumentTypeError when it names none or several."""
    pairs = parse_pairs(text)
    if len(pairs) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} names {len(pairs)} pairs; give one, such as {pairs[0]}")
    return pairs[0]


def parse_pairs(text: str) -> tuple[str, ...]:
    """Return the currency pairs in `text`, in their order. Raises ArgumentTypeError when there are none."""
    try:
        return read_pairs(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_prices(parser: argparse.ArgumentParser) -> None:
    """Add the options for the source of the prices. The default are the embedded ECB rates."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--csv", type=Path, metavar="FILE", help="your own price file: Date and Close, other columns are optional"
    )
    source.add_argument(
        "--fresh",
        type=parse_fresh,
        nargs="?",
        const=Fresh(TIMEOUT_S),
        metavar=f"S|{REQUIRED}",
        help=f"download current ECB rates, waiting at most S seconds (default: {TIMEOUT_S:g}), and fall back to the "
        f"embedded rates; --fresh={REQUIRED} exits with code 75 instead, for scheduled jobs",
    )
    source.add_argument("--stored", action="store_true", help="use the ECB rates in the store")
    file = parser.add_argument_group("how to read your own file (--csv), if it is ambiguous")
    file.add_argument("--date-column", metavar="NAME", help="date column, by title or number (the first is 1)")
    file.add_argument("--close-column", metavar="NAME", help="column of closing prices, by title or number")
    file.add_argument("--date-format", metavar="FORM", help="date format, e.g. %%d/%%m/%%Y")
    file.add_argument("--decimal", choices=(".", ","), help="decimal mark")
    file.add_argument("--from", type=parse_day, dest="start", metavar="DATE", help="ignore rows before this day")
    file.add_argument(
        "--resample", metavar="TIME", help='take daily closes from intraday bars, e.g. "17:00 America/New_York"'
    )
    file.add_argument(
        "--base",
        type=parse_currency,
        metavar="CODE",
        help="base currency of a table with one column per currency, e.g. PLN",
    )
    file.add_argument(
        "--invert", action="store_true", help="with --base: values are in the base; without: use 1 / close"
    )
    file.add_argument("--trust", action="store_true", help="accept prices that look wrong for the pair")


def add_replace(parser: argparse.ArgumentParser) -> None:
    """Add --replace, which overwrites a price file in the store."""
    parser.add_argument("--replace", action="store_true", help="overwrite stored prices that differ")


def parse_day(text: str) -> date:
    """Return a date. Raises ArgumentTypeError for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date; write it as 2015-01-31") from error


def parse_currency(text: str) -> str:
    """Return a currency code in upper case. Raises ArgumentTypeError for anything else."""
    if not re.fullmatch("[A-Za-z]{3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a currency code; give three letters, such as PLN")
    return text.upper()


def parse_fresh(text: str) -> Fresh:
    """Return the value of --fresh. Raises ArgumentTypeError unless it is `require` or a number of seconds."""
    return Fresh(TIMEOUT_S, required=True) if text == REQUIRED else Fresh(parse_seconds(text))


def parse_seconds(text: str) -> float:
    """Return a timeout in seconds. Raises ArgumentTypeError unless it is a finite number above 0."""
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; give one such as 5") from error
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid timeout; give seconds above 0, such as 5")
    return number


def add_job(parser: argparse.ArgumentParser) -> None:
    """Add the options that describe a training job, which `job_from_args` reads."""
    add_prices(parser)
    parser.add_argument("--families", help="comma-separated models, e.g. random_walk,lstm (default: all)")
    parser.add_argument("--first-year", type=int, default=2010, help="first year to backtest (default: 2010)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="average N seeds of each stochastic model (default: 1)"
    )
    parser.add_argument(
        "--span", type=int, default=6, metavar="N", help="refits per task; does not affect results (default: 6)"
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --workers, the number of processes on this machine."""
    parser.add_argument(
        "--workers", type=int, metavar="N", help="worker processes (default: the number of CPU cores, at most 2)"
    )


def add_frozen_run(parser: argparse.ArgumentParser) -> None:
    """Add --run, a frozen run of the store."""
    parser.add_argument("--run", metavar="NAME", required=True, help="name of the frozen run")
