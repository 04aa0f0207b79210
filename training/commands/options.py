"""The options that several commands have: which prices, which job, which frozen run."""

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
    """How the ECB's current rates are fetched; where they are required, the embedded ones do not stand in."""

    seconds: float
    required: bool = False


def pair(command: argparse.ArgumentParser) -> None:
    """Which pair a command acts on; `training.__main__` gives the command the settings of that pair."""
    command.add_argument("--pair", type=one_pair, metavar="PAIR", help="such as GBPUSD; the first of PAIRS unless told")


def pairs(command: argparse.ArgumentParser) -> None:
    """Which pairs a command goes over, one after the other."""
    command.add_argument(
        "--pairs",
        type=several_pairs,
        metavar="PAIRS",
        help="such as EURUSD,GBPUSD, or majors, all, or a currency for all its pairs; the variable PAIRS unless told",
    )


def one_pair(text: str) -> str:
    """A currency pair; raises ArgumentTypeError for what is none, and for several."""
    named = several_pairs(text)
    if len(named) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} names {len(named)} pairs; give one, such as {named[0]}")
    return named[0]


def several_pairs(text: str) -> tuple[str, ...]:
    """Currency pairs in their order; raises ArgumentTypeError for what names none."""
    try:
        return read_pairs(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def prices(command: argparse.ArgumentParser) -> None:
    """Where the prices are from; the default is the ECB's embedded rates."""
    source = command.add_mutually_exclusive_group()
    source.add_argument("--csv", type=Path, metavar="FILE", help="prices of your own: Date and Close, more if you like")
    source.add_argument(
        "--fresh",
        type=fresh,
        nargs="?",
        const=Fresh(TIMEOUT_S),
        metavar=f"S|{REQUIRED}",
        help="fetch the ECB's current rates, in at most S seconds "
        f"({TIMEOUT_S:g}); the embedded stand in, unless it is --fresh={REQUIRED}, for jobs: exit code 75",
    )
    source.add_argument("--stored", action="store_true", help="the ECB's rates as the store has them")
    own = command.add_argument_group("a file of your own (--csv), where it does not say it itself")
    own.add_argument("--date-column", metavar="NAME", help="the column of dates, by its title or its number from 1")
    own.add_argument("--close-column", metavar="NAME", help="the column of closing prices, by title or number")
    own.add_argument("--date-format", metavar="FORM", help="how dates are written, such as %%d/%%m/%%Y")
    own.add_argument("--decimal", choices=(".", ","), help="the decimal mark")
    own.add_argument("--from", type=day, dest="start", metavar="DATE", help="use no row before this day")
    own.add_argument("--resample", metavar="TIME", help='closes of intraday bars, such as "17:00 America/New_York"')
    own.add_argument(
        "--base", type=currency, metavar="CODE", help="base of a table with a column a currency, such as PLN"
    )
    own.add_argument("--invert", action="store_true", help="values are in the base; without --base: use 1 / close")
    own.add_argument("--trust", action="store_true", help="use prices that do not look like the pair's")


def replace(command: argparse.ArgumentParser) -> None:
    """Whether a price file in the store may be written over."""
    command.add_argument("--replace", action="store_true", help="write the prices over stored ones that differ")


def day(text: str) -> date:
    """A date; raises ArgumentTypeError for what is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write one as 2015-01-31") from error


def currency(text: str) -> str:
    """A currency's code; raises ArgumentTypeError for what is none."""
    if not re.fullmatch("[A-Za-z]{3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no currency; give a code such as PLN")
    return text.upper()


def fresh(text: str) -> Fresh:
    """How current rates are fetched; raises ArgumentTypeError for what says nothing of it."""
    return Fresh(TIMEOUT_S, required=True) if text == REQUIRED else Fresh(seconds(text))


def seconds(text: str) -> float:
    """A time to wait; raises ArgumentTypeError for what is none."""
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; give one such as 5") from error
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait; give seconds above 0, such as 5")
    return number


def job(command: argparse.ArgumentParser) -> None:
    """What is trained on which prices; `training.commands.job_from_args.ask` reads them."""
    prices(command)
    command.add_argument("--families", help="comma-separated, such as random_walk,lstm; all unless told")
    command.add_argument("--first-year", type=int, default=2010, help="first year that is forecast (2010)")
    command.add_argument("--seed", type=int, default=0, help="seed of everything random (0)")
    command.add_argument("--seeds", type=int, default=1, metavar="N", help="average N seeds of each random family (1)")
    command.add_argument("--span", type=int, default=6, metavar="N", help="refits a task; no result depends on it (6)")


def workers(command: argparse.ArgumentParser) -> None:
    """How many processes of this machine work on the job."""
    command.add_argument("--workers", type=int, metavar="N", help="processes that share the tasks (two of two cores)")


def frozen_run(command: argparse.ArgumentParser) -> None:
    """Which run of the store."""
    command.add_argument("--run", metavar="NAME", required=True, help="the frozen run")
