"""What the ECB's current file does to the stored price file: nothing, new rows, or an error that says why not."""

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
from lambda_fn.prices.limits import MAX_JUMP
from lambda_fn.prices.price_file import Table, parse, serialise

SOURCE = "ecb"
# How far a new price may move, in multiples of the largest move before it. In the ECB's history of 109 pairs, the only
# days beyond it are also over MAX_JUMP: TRL in 2001, ISK in 2008, RUB in 2014.
LARGEST_MOVES = 2.5
LEAST_MOVE = 0.01  # that is accepted of a pair which hardly moved before, such as a pegged one
HISTORY = 500  # rows before which a pair is not judged by its own history
FIRST_DAY = date(1999, 1, 4)  # of the euro's rates: a file that begins later is another one, or a part of it
ENDED_ROWS = 5  # without a price up to the newest: the bank has ended a currency, and no day is missing
REPLACE = "python -m lambda_fn.ingest --replace"
ACCEPT = "python -m lambda_fn.ingest --accept"


class Update(NamedTuple):
    """The price file's new bytes, None when they stay; how many of its rows are new, and its last date."""

    outcome: Literal["created", "appended", "replaced", "unchanged"]
    data: bytes | None
    rows: int
    last_date: date
    reason: str


def offered_table(data: bytes, name: str, pair: str) -> Table:
    """The pair's price table in the ECB's zip `data`; columns without a number are left out.

    Raises EcbError when it is not the ECB's history of the pair; `name` is what errors call it.
    """
    quoted = ecb.quote(_history(data, name), pair)
    columns = {column: np.array(prices) for column, prices in quoted.columns.items()}
    kept = {column: prices for column, prices in columns.items() if column == "close" or not np.isnan(prices).all()}
    return Table(quoted.dates, kept)


@lru_cache(maxsize=1)  # one download is read once, for whatever number of pairs
def _history(data: bytes, name: str) -> ecb.Rates:
    rates = ecb.read(data, name)
    if not rates.dates:
        raise ecb.EcbError(f"{name}: has a header and no rows; the good table stays")
    if rates.dates[0] != FIRST_DAY:
        raise ecb.EcbError(f"{name}: begins {rates.dates[0]} and not {FIRST_DAY}; check that ECB_URL is the history's")
    for before, after in pairwise(rates.dates):
        if before == after:
            raise ecb.EcbError(f"{name}: has {after} twice; keep one row a date")
    return rates


def update(
    stored: bytes | None,
    offered: Table,
    declared: Sequence[str],
    today: date,
    replace: bool = False,
    accepted: date | None = None,
) -> Update:
    """The stored price file (None: there is none) continued by the offered table.

    Its rows stay as they are, and so does its header: a new column is left out and named in the reason. History must
    be the same in `close` and in the columns that the active champion `declared`; new rows must be of business days
    up to `today` and have positive prices in those columns, less than MAX_JUMP from the day before and, but on the day
    `accepted`, less than LARGEST_MOVES times the largest move before. With `replace` the whole offered table takes the
    stored one's place when it does not continue it, and the reason says what changes. Raises ContractError with the
    first date that is wrong.
    """
    if stored is None:
        return _whole(offered, "created", today, _count(len(offered.dates), "row"))
    if replace and not _continues(_serialised(offered), stored):
        return _whole(offered, "replaced", today, _changes(stored, offered))
    before = _parse(stored)
    needed = ["close", *(name for name in declared if name in before.columns and name != "close")]
    if changed := differences(before, offered, needed):
        raise ContractError(f"history has changed: {'; '.join(changed)}; if the ECB is right, run {REPLACE}")
    start, gap = len(before.dates), np.full(len(offered.dates), math.nan)
    continued = Table(offered.dates, {name: offered.columns.get(name, gap) for name in before.columns})
    _check_rows(continued, start, needed, today)
    _check_moves(continued, start, needed, accepted)
    notes = _notes(before, offered, needed)
    rows, last_date = len(offered.dates) - start, offered.dates[-1]
    if not rows:
        return Update("unchanged", None, 0, last_date, f"nothing newer than {last_date}{notes}")
    new = Table(continued.dates[start:], {name: prices[start:] for name, prices in continued.columns.items()})
    lines = _serialised(new).partition(b"\n")[2]
    return Update("appended", stored + lines, rows, last_date, f"{_count(rows, 'new row')} through {last_date}{notes}")


def differences(before: Table, after: Table, names: Sequence[str]) -> list[str]:
    """What `after` has not as `before` up to its last date, in rows and in the columns `names`, each with the first
    date of it."""
    position = {day: i for i, day in enumerate(after.dates)}
    known = set(before.dates)
    gone = [day for day in before.dates if day not in position]
    added = [day for day in after.dates if day < before.dates[-1] and day not in known]
    found = [f"{_count(len(gone), 'row')} of {len(known):,} gone, the first {gone[0]}"] if gone else []
    found += [f"{_count(len(added), 'row')} put in, the first {added[0]}"] if added else []
    kept = [i for i, day in enumerate(before.dates) if day in position]
    moved = [position[before.dates[i]] for i in kept]
    for name in names:
        if name not in after.columns:
            found.append(f"{name} is gone")
            continue
        old, new = before.columns[name][kept], after.columns[name][moved]
        wrong = np.flatnonzero((old != new) & ~(np.isnan(old) & np.isnan(new)))
        if wrong.size:
            at = wrong[0]
            first = f"the first {before.dates[kept[at]]}, was {old[at]} and is {new[at]}"
            found.append(f"{name} differs on {_count(wrong.size, 'date')}, {first}")
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _continues(longer: bytes, shorter: bytes) -> bool:
    """Whether `shorter`, a header and whole rows, is the beginning of `longer`."""
    return shorter.endswith(b"\n") and shorter.count(b"\n") > 1 and longer.startswith(shorter)


def _whole(offered: Table, outcome: Literal["created", "replaced"], today: date, reason: str) -> Update:
    _check_rows(offered, 0, ["close"], today)
    last_date = offered.dates[-1]
    return Update(outcome, _serialised(offered), len(offered.dates), last_date, f"{reason}, through {last_date}")


def _changes(stored: bytes, offered: Table) -> str:
    """In words, what takes the place of the stored table changes in it."""
    try:
        before = _parse(stored)
    except ContractError as error:
        return str(error)
    newer = sum(day > before.dates[-1] for day in offered.dates)
    added = sorted(offered.columns.keys() - before.columns.keys())
    changed = differences(before, offered, list(before.columns))
    changed += [f"new columns {', '.join(added)}"] if added else []
    return "; ".join([*changed, _count(newer, "new row")])


def _notes(before: Table, offered: Table, needed: Sequence[str]) -> str:
    """What the ECB's file says otherwise in columns that nobody needs."""
    notes = differences(before, offered, [name for name in before.columns if name not in needed])
    added = sorted(offered.columns.keys() - before.columns.keys())
    notes += [f"new columns {', '.join(added)}"] if added else []
    return f"; left as stored: {'; '.join(notes)}; to take it over, run {REPLACE}" if notes else ""


def _check_rows(table: Table, start: int, names: Sequence[str], today: date) -> None:
    """Raises ContractError for the first row from `start` on that cannot be."""
    for day in table.dates[start:]:
        if day > today:
            raise ContractError(f"{day} is in the future, today is {today}")
        if not is_business_day(day, SOURCE):
            raise ContractError(f"{day} is a {day:%A} on which the ECB publishes no rates")
    for name in names:
        prices = table.columns[name].tolist()
        for i in range(start, len(prices)):
            day, price, before = table.dates[i], prices[i], prices[max(i - 1, 0)]
            if len(prices) - i >= ENDED_ROWS and all(map(math.isnan, prices[i:])):
                raise ContractError(f"{name} is not quoted since {day}; choose another pair")
            if not (math.isfinite(price) and price > 0):
                raise ContractError(f"{name} has no price on {day} but {price}")
            if abs(price - before) > MAX_JUMP * before:
                raise ContractError(f"{name} jumps on {day} from {before} to {price}, over {MAX_JUMP:.0%} in a day")


def _check_moves(table: Table, start: int, names: Sequence[str], accepted: date | None) -> None:
    """Raises ContractError for the first new price that moved further than the history before it allows."""
    for name in names:
        prices = table.columns[name]
        moves = np.abs(np.diff(np.log(prices)))
        allowed = np.maximum(LARGEST_MOVES * np.fmax.accumulate(moves), LEAST_MOVE)
        for i in range(max(start, HISTORY), len(table.dates)):
            day = table.dates[i]
            if moves[i - 1] > allowed[i - 2] and day != accepted:
                raise ContractError(
                    f"{name} moves on {day} from {prices[i - 1]} to {prices[i]}, over {LARGEST_MOVES:g} times as far "
                    f"as on any day before; if the ECB is right, run {ACCEPT} {day}"
                )


def _parse(stored: bytes) -> Table:
    """The stored table; raises ContractError unless rows can be added to its end."""
    try:
        table = parse(stored)
        names = [name for name in table.columns if name != "close"]
        if not table.dates or names != sorted(names) or not stored.endswith(b"\n"):
            raise ContractError("prices: no whole rows under a header of date,close and the others sorted")
    except ContractError as error:
        raise ContractError(
            f"the stored table cannot be continued ({error}); to write it anew, run {REPLACE}"
        ) from error
    return table


def _serialised(table: Table) -> bytes:
    return serialise(table.dates, {name: prices.tolist() for name, prices in table.columns.items()})
