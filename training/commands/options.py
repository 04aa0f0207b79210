"""Options that several commands share, as decorators, and the types of their values."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import click

from lambda_fn.currency_pairs import read_pairs
from lambda_fn.prices.ecb import TIMEOUT_S
from training.commands.context import Context
from training.prices.read_options import Reading

REQUIRED = "require"
Work: TypeAlias = Callable[..., int | None]
"""The function of a command."""


class Fresh(NamedTuple):
    """The value of --fresh: the timeout in seconds, and whether it is an error that current rates are unavailable."""

    seconds: float
    required: bool = False


@dataclass(frozen=True)
class PriceOptions:
    """The source of the prices, by default the embedded ECB rates, and how a file is read."""

    csv: Path | None
    fresh: Fresh | None
    stored: bool
    reading: Reading


@dataclass(frozen=True)
class JobOptions:
    """A training job, and how the command does it. A command without the option of a field has its default.

    Attributes:
        prices: The source of the prices.
        families: The names of the models, separated by commas; None is all that the prices allow.
        first_year: The first year to backtest.
        seed: The random seed.
        seeds: Seeds to average of each stochastic model.
        span: Refits per task.
        pairs: The pairs, one job each; None is those of the settings.
        replace: Overwrite stored prices that differ.
        workers: The number of processes; None is one per core, at most two.
    """

    prices: PriceOptions
    families: str | None
    first_year: int
    seed: int
    seeds: int
    span: int
    pairs: tuple[str, ...] | None = None
    replace: bool = False
    workers: int | None = None


class FileOption(click.Option):
    """An option for reading a price file. It requires --csv."""


def parse_pairs(text: str) -> tuple[str, ...]:
    """Return the currency pairs in `text`, in their order. Raises BadParameter when there are none."""
    try:
        return read_pairs(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def parse_pair(text: str) -> str:
    """Return the currency pair in `text`. Raises BadParameter when it names none or several."""
    pairs = parse_pairs(text)
    if len(pairs) > 1:
        raise click.BadParameter(f"{text!r} names {len(pairs)} pairs; give one, such as {pairs[0]}")
    return pairs[0]


def parse_day(text: str) -> date:
    """Return a date. Raises BadParameter for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a date; write it as 2015-01-31") from error


def parse_currency(text: str) -> str:
    """Return a currency code in upper case. Raises BadParameter for anything else."""
    if not re.fullmatch("[A-Za-z]{3}", text):
        raise click.BadParameter(f"{text!r} is not a currency code; give three letters, such as PLN")
    return text.upper()


def parse_fresh(text: str) -> Fresh:
    """Return the value of --fresh. Raises BadParameter unless it is `require` or a positive number of seconds."""
    if text == REQUIRED:
        return Fresh(TIMEOUT_S, required=True)
    try:
        seconds = float(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a number of seconds; give one such as 5") from error
    if not (math.isfinite(seconds) and seconds > 0):
        raise click.BadParameter(f"{text!r} is not a valid timeout; give seconds above 0, such as 5")
    return Fresh(seconds)


def _check_single_source(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Return the value of an option. Raises UsageError when another source of the prices is selected, too."""
    if value and (other := ctx.meta.setdefault("source of the prices", param.opts[0])) != param.opts[0]:
        raise click.UsageError(f"{param.opts[0]} is not allowed with {other}; leave one of them out", ctx)
    return value


def _record(name: str, record: type[Any], *options: Callable[[Work], Work]) -> Callable[[Work], Work]:
    """Return a decorator that adds options and passes their values as one argument.

    Args:
        name: The name of the argument.
        record: Its type, a dataclass whose fields are the values.
        options: The decorators of the options, in the order of the help.
    """

    def decorate(function: Work) -> Work:
        @wraps(function)
        def with_record(*args: Any, **values: Any) -> int | None:
            record_values = {field.name: values.pop(field.name) for field in fields(record) if field.name in values}
            return function(*args, **values, **{name: record(**record_values)})

        work: Work = with_record
        for option in reversed(options):
            work = option(work)
        return work

    return decorate


_count_option = partial(click.option, type=click.IntRange(min=1), metavar="N")
_source_option = partial(click.option, callback=_check_single_source)
_file_option = partial(click.option, cls=FileOption)
one_pair_option = click.option(
    "--pair", type=parse_pair, metavar="PAIR", help="currency pair, e.g. GBPUSD (default: the first of $PAIRS)"
)
pairs_option = click.option(
    "--pairs",
    type=parse_pairs,
    metavar="PAIRS",
    help="currency pairs, e.g. EURUSD,GBPUSD; or majors, all, or a currency for all its pairs (default: $PAIRS)",
)
replace_option = click.option("--replace", is_flag=True, help="overwrite stored prices that differ")
workers_option = _count_option(
    "--workers", help="worker processes (default: the number of CPU cores; of one pair at most 2)"
)
run_option = click.option("--run", "run_name", metavar="NAME", required=True, help="name of the frozen run")
price_options = _record(
    "prices",
    PriceOptions,
    _source_option(
        "--csv", type=Path, metavar="FILE", help="your own price file: Date and Close, other columns are optional"
    ),
    _source_option(
        "--fresh",
        type=parse_fresh,
        is_flag=False,
        flag_value=f"{TIMEOUT_S:g}",
        metavar=f"[S|{REQUIRED}]",
        help=f"download current ECB rates, waiting at most S seconds (default: {TIMEOUT_S:g}), and fall back to the "
        f"embedded rates; --fresh={REQUIRED} exits with code 75 instead, for scheduled jobs",
    ),
    _source_option("--stored", is_flag=True, help="use the ECB rates in the store"),
    _record(
        "reading",
        Reading,
        _file_option("--date-column", metavar="NAME", help="date column, by title or number (the first is 1)"),
        _file_option("--close-column", metavar="NAME", help="column of closing prices, by title or number"),
        _file_option("--date-format", metavar="FORM", help="date format, e.g. %d/%m/%Y"),
        _file_option("--decimal", type=click.Choice([".", ","]), help="decimal mark"),
        _file_option("--from", "start", type=parse_day, metavar="DATE", help="ignore rows before this day"),
        _file_option(
            "--resample", metavar="TIME", help='take daily closes from intraday bars, e.g. "17:00 America/New_York"'
        ),
        _file_option(
            "--base",
            type=parse_currency,
            metavar="CODE",
            help="base currency of a table with one column per currency, e.g. PLN",
        ),
        _file_option("--invert", is_flag=True, help="with --base: values are in the base; without: use 1 / close"),
        _file_option("--trust", is_flag=True, help="accept prices that look wrong for the pair"),
    ),
)


def job_options(*others: Callable[[Work], Work]) -> Callable[[Work], Work]:
    """Add the options of a job and others of `JobOptions`; the function gets their values as `options`."""
    return _record(
        "options",
        JobOptions,
        *others,
        price_options,
        click.option("--families", help="comma-separated models, e.g. random_walk,lstm (default: all)"),
        click.option("--first-year", type=int, default=2010, help="first year to backtest (default: 2010)"),
        click.option("--seed", type=int, default=0, help="random seed (default: 0)"),
        _count_option("--seeds", default=1, help="average N seeds of each stochastic model (default: 1)"),
        _count_option("--span", default=6, help="refits per task; does not affect results (default: 6)"),
    )


def pair_option(function: Work) -> Work:
    """Add --pair, one pair; the function gets the context of that pair."""

    @one_pair_option
    @wraps(function)
    def with_pair(context: Context, *, pair: str | None, **values: Any) -> int | None:
        return function(context if pair is None else context.for_pair(pair), **values)

    return with_pair
