"""Merge the ECB's current file into the stored price file: append new rows, or raise an error that says why not."""

import math
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from lambda_fn.fields import ContractError
from lambda_fn.prices import ecb
from lambda_fn.prices.business_days import is_business_day
from lambda_fn.prices.plausibility import MAX_DAILY_CHANGE
from lambda_fn.prices.price_file import Table, parse, serialise

SOURCE = "ecb"
# The largest log return of a new price, in multiples of the largest one before it. In the ECB's history of 109 pairs,
# the only days beyond it are also over MAX_DAILY_CHANGE: TRL in 2001, ISK in 2008, RUB in 2014.
MAX_MOVE_RATIO = 2.5
MIN_MOVE_LIMIT = 0.01  # always allowed, for pairs that hardly moved before, such as a pegged one
MIN_HISTORY_ROWS = 500  # rows after which a pair's moves are compared with its own history
FIRST_DAY = date(1999, 1, 4)  # of the euro's rates: a file that begins later is another file, or incomplete
DISCONTINUED_ROWS = 5  # newest rows without a price that mean a discontinued currency instead of a missing day
REPLACE = "eurusd ingest --replace"
ACCEPT = "eurusd ingest --accept"


class Update(NamedTuple):
    """A change of the price file: its new bytes (None if unchanged), the number of new rows, and its last date."""

    outcome: Literal["created", "appended", "replaced", "unchanged"]
    data: bytes | None
    rows: int
    last_date: date
    reason: str


def read_ecb_table(data: bytes, name: str, pair: str) -> Table:
    """Return the pair's price table in the ECB's zip `data`, without columns that have no number.

    Raises EcbError if it is not the ECB's history of the pair; errors name the file `name`.
    """
    rates = ecb.quote(_read_history(data, name), pair)
    columns = {column: np.array(prices) for column, prices in rates.columns.items()}
    return Table(
        rates.dates,
        {column: prices for column, prices in columns.items() if column == "close" or not np.isnan(prices).all()},
    )


@lru_cache(maxsize=1)  # one download is parsed once for all pairs
def _read_history(data: bytes, name: str) -> ecb.Rates:
    rates = ecb.read(data, name)
    if not rates.dates:
        raise ecb.EcbError(f"{name}: has a header and no rows; check ECB_URL (the stored table is unchanged)")
    if rates.dates[0] != FIRST_DAY:
        raise ecb.EcbError(
            f"{name}: begins on {rates.dates[0]} instead of {FIRST_DAY}; set ECB_URL to the URL of the whole history"
        )
    for before, after in pairwise(rates.dates):
        if before == after:
            raise ecb.EcbError(f"{name}: has {after} twice; keep one row for each date")
    return rates


def update(
    stored_file: bytes | None,
    ecb_table: Table,
    champion_columns: Sequence[str],
    today: date,
    replace: bool = False,
    accept_day: date | None = None,
) -> Update:
    """Append the new rows of the ECB's table to the stored price file.

    The stored rows and header stay as they are; a new column is left out and named in the reason. History must be the
    same in `close` and in the champion's columns. New rows must be on business days up to `today`, with positive prices
    in those columns. These must change by less than MAX_DAILY_CHANGE from the day before, and by less than
    MAX_MOVE_RATIO times the largest move before.

    Args:
        stored_file: bytes of the stored price file; None if there is none.
        ecb_table: the pair's table in the ECB's file.
        champion_columns: columns that the active champion needs.
        today: the date in UTC.
        replace: replace the whole stored table if the ECB's does not continue it; the reason says what changes.
        accept_day: a day whose move may exceed MAX_MOVE_RATIO.

    Raises ContractError with the first date that is invalid.
    """
    if stored_file is None:
        return _write_whole(ecb_table, "created", today, _count(len(ecb_table.dates), "row"))
    if replace:
        is_whole = stored_file.endswith(b"\n") and stored_file.count(b"\n") > 1  # a header and whole rows
        if not (is_whole and _serialise_table(ecb_table).startswith(stored_file)):
            return _write_whole(ecb_table, "replaced", today, _describe_replacement(stored_file, ecb_table))
    before = _parse_stored(stored_file)
    names = ["close", *(name for name in champion_columns if name in before.columns and name != "close")]
    if changes := find_differences(before, ecb_table, names):
        raise ContractError(f"history has changed: {'; '.join(changes)}; if the ECB is right, run {REPLACE}")
    start, gap = len(before.dates), np.full(len(ecb_table.dates), math.nan)
    table = Table(ecb_table.dates, {name: ecb_table.columns.get(name, gap) for name in before.columns})
    _check_rows(table, start, names, today)
    _check_moves(table, start, names, accept_day)
    other_changes = find_differences(before, ecb_table, [name for name in before.columns if name not in names])
    other_changes += _name_new_columns(before, ecb_table)
    notes = (
        f"; left as stored: {'; '.join(other_changes)}; to use the new values, run {REPLACE}" if other_changes else ""
    )
    rows, last_date = len(ecb_table.dates) - start, ecb_table.dates[-1]
    if not rows:
        return Update("unchanged", None, 0, last_date, f"nothing newer than {last_date}{notes}")
    new = Table(table.dates[start:], {name: prices[start:] for name, prices in table.columns.items()})
    lines = _serialise_table(new).partition(b"\n")[2]
    return Update(
        "appended", stored_file + lines, rows, last_date, f"{_count(rows, 'new row')} through {last_date}{notes}"
    )


def find_differences(before: Table, after: Table, names: Sequence[str]) -> list[str]:
    """Describe where `after` differs from `before` up to the last date of `before`.

    Rows and the columns `names` are compared; each description names the first date.
    """
    position = {day: i for i, day in enumerate(after.dates)}
    dates = set(before.dates)
    missing = [day for day in before.dates if day not in position]
    new_days = [day for day in after.dates if day < before.dates[-1] and day not in dates]
    differences = []
    if missing:
        differences.append(f"{_count(len(missing), 'row')} of {len(dates):,} missing, the first {missing[0]}")
    differences += [f"{_count(len(new_days), 'row')} inserted, the first {new_days[0]}"] if new_days else []
    common = [i for i, day in enumerate(before.dates) if day in position]
    common_after = [position[before.dates[i]] for i in common]
    for name in names:
        if name not in after.columns:
            differences.append(f"{name} is gone")
            continue
        old, new = before.columns[name][common], after.columns[name][common_after]
        rows = np.flatnonzero((old != new) & ~(np.isnan(old) & np.isnan(new)))
        if rows.size:
            row = rows[0]
            first = f"the first {before.dates[common[row]]}, was {old[row]} and is {new[row]}"
            differences.append(f"{name} differs on {_count(rows.size, 'date')}, {first}")
    return differences


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _name_new_columns(before: Table, ecb_table: Table) -> list[str]:
    new_columns = sorted(ecb_table.columns.keys() - before.columns.keys())
    return [f"new columns {', '.join(new_columns)}"] if new_columns else []


def _write_whole(ecb_table: Table, outcome: Literal["created", "replaced"], today: date, reason: str) -> Update:
    """Check the whole table, and make it the new price file.

    Args:
        ecb_table: the pair's table in the ECB's file.
        outcome: the outcome of the update.
        today: the date in UTC.
        reason: what has changed; the last date is appended.
    """
    _check_rows(ecb_table, 0, ["close"], today)
    last_date = ecb_table.dates[-1]
    return Update(
        outcome, _serialise_table(ecb_table), len(ecb_table.dates), last_date, f"{reason}, through {last_date}"
    )


def _describe_replacement(stored_file: bytes, ecb_table: Table) -> str:
    """Describe what changes if the ECB's table replaces the stored one."""
    try:
        before = _parse_stored(stored_file)
    except ContractError as error:
        return str(error)
    newer = sum(day > before.dates[-1] for day in ecb_table.dates)
    changes = find_differences(before, ecb_table, list(before.columns)) + _name_new_columns(before, ecb_table)
    return "; ".join([*changes, _count(newer, "new row")])


def _check_rows(table: Table, start: int, names: Sequence[str], today: date) -> None:
    """Check the rows from `start` on.

    Args:
        table: the price table.
        start: index of the first row to check.
        names: columns that must have prices.
        today: the date in UTC; no row may be later.

    Raises ContractError for the first row that is invalid.
    """
    for day in table.dates[start:]:
        if day > today:
            raise ContractError(f"{day} is in the future, today is {today}")
        if not is_business_day(day, SOURCE):
            raise ContractError(f"{day} is a {day:%A} on which the ECB publishes no rates")
    for name in names:
        prices = table.columns[name].tolist()
        for i in range(start, len(prices)):
            day, price, before = table.dates[i], prices[i], prices[max(i - 1, 0)]
            if len(prices) - i >= DISCONTINUED_ROWS and all(map(math.isnan, prices[i:])):
                raise ContractError(f"{name} has not been quoted since {day}; choose another pair")
            if not (math.isfinite(price) and price > 0):
                raise ContractError(f"{name} on {day} is not a positive price but {price}")
            if abs(price - before) > MAX_DAILY_CHANGE * before:
                raise ContractError(
                    f"{name} jumps on {day} from {before} to {price}, over {MAX_DAILY_CHANGE:.0%} in a day"
                )


def _check_moves(table: Table, start: int, names: Sequence[str], accept_day: date | None) -> None:
    """Check that new prices do not move further than the history before them allows.

    Args:
        table: the price table.
        start: index of the first new row.
        names: columns to check.
        accept_day: a day whose move is not checked.

    Raises ContractError for the first price that does.
    """
    for name in names:
        prices = table.columns[name]
        moves = np.abs(np.diff(np.log(prices)))
        limits = np.maximum(MAX_MOVE_RATIO * np.fmax.accumulate(moves), MIN_MOVE_LIMIT)
        for i in range(max(start, MIN_HISTORY_ROWS), len(table.dates)):
            day = table.dates[i]
            if moves[i - 1] > limits[i - 2] and day != accept_day:
                raise ContractError(
                    f"{name} moves on {day} from {prices[i - 1]} to {prices[i]}, over {MAX_MOVE_RATIO:g} times as far "
                    f"as on any day before; if the ECB is right, run {ACCEPT} {day}"
                )


def _parse_stored(stored_file: bytes) -> Table:
    """Parse the stored price file. Raises ContractError unless rows can be appended to it."""
    try:
        table = parse(stored_file)
        names = [name for name in table.columns if name != "close"]
        if not table.dates or names != sorted(names) or not stored_file.endswith(b"\n"):
            raise ContractError("prices: not whole rows under a header of date,close and the other columns sorted")
    except ContractError as error:
        raise ContractError(
            f"cannot append to the stored table ({error}); to write a new one, run {REPLACE}"
        ) from error
    return table


def _serialise_table(table: Table) -> bytes:
    return serialise(table.dates, {name: prices.tolist() for name, prices in table.columns.items()})
