"""Price files of the store: `prices/<PAIR>-<source>.csv`, written and read whole, so that their sum is checked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import is_business_day
from lambda_fn.prices.limits import MAX_JUMP
from lambda_fn.store.keys import price_key
from lambda_fn.store.object_store import Store


class Table(NamedTuple):
    """Rows of a price file: dates ascending, each column float64 [rows], NaN where the file has no price."""

    dates: list[date]
    columns: dict[str, NDArray[np.float64]]


def serialise(dates: Sequence[date], columns: Mapping[str, Sequence[float]]) -> bytes:
    """The price file: UTF-8, LF, header `date,close` and the other columns sorted, shortest decimals that give the
    same float64 back, an empty cell for NaN. Raises ContractError unless dates ascend and columns fit them."""
    if "close" not in columns:
        raise ContractError("prices: no column close; add it")
    names = ["close", *sorted(name for name in columns if name != "close")]
    for name in names:
        if len(columns[name]) != len(dates):
            raise ContractError(f"prices: {len(columns[name])} values of {name} for {len(dates)} dates")
    with _naming("prices"):
        _check_ascending(dates)
    cells = [["" if text == "nan" else text for text in map(repr, map(float, columns[name]))] for name in names]
    rows = map(",".join, zip((day.isoformat() for day in dates), *cells, strict=True))
    return ("\n".join([",".join(["date", *names]), *rows]) + "\n").encode()


def parse(data: bytes, wanted: Sequence[str] | None = None) -> Table:
    """A whole price file, of its columns those `wanted` (None: all); raises ContractError naming the row."""
    header, _, body = data.partition(b"\n")
    with _naming("prices"):
        return parse_tail(body, len(body), parse_header(header), wanted)


def parse_header(line: bytes) -> list[str]:
    """The names after `date`; raises ContractError unless the first is `close`."""
    names = line.decode("utf-8", "replace").rstrip("\r").split(",")
    if names[:2] != ["date", "close"]:
        raise ContractError(f"the header is {','.join(names)[:60]!r}; it must begin with date,close")
    return names[1:]


def parse_tail(tail: bytes, rows: int, names: Sequence[str], wanted: Sequence[str] | None = None) -> Table:
    """The last `rows` whole rows of `tail` (fewer when it has fewer), whose columns after the date are `names` and
    perhaps more; only the columns `wanted` are read (None: all). Raises ContractError naming the row's date."""
    lines = tail.decode("utf-8", "replace").split("\n")
    lines = [line for line in lines if line][-rows:] if rows else []
    cells = [line.rstrip("\r").split(",") for line in lines]
    dates = [_date(row[0]) for row in cells]
    _check_ascending(dates)
    columns = {
        name: np.array([_price(row, i + 1, name) for row in cells], dtype=np.float64)
        for i, name in enumerate(names)
        if wanted is None or name in wanted
    }
    return Table(dates, columns)


def read_table(store: Store, pair: str, source: str, rows: int, columns: Sequence[str] = ("close",)) -> Table:
    """The last `rows` rows of the pair's price file from `source`, the columns asked for.

    Raises Missing, Unavailable, and ContractError when the file is wrong, has too few rows or has no such column.
    """
    key = price_key(pair, source)
    header, _, body = store.read(key).data.partition(b"\n")
    with _naming(key):
        names = parse_header(header)
        missing = [name for name in columns if name not in names]
        if missing:
            raise ContractError(f"no column {', '.join(missing)}; it has {', '.join(names)}")
        table = parse_tail(body, rows, names, columns)
        if len(table.dates) < rows:
            raise ContractError(f"{len(table.dates)} rows, the champion needs {rows}; add older prices")
    return table


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """Puts the file's name before the errors about its contents."""
    try:
        yield
    except ContractError as error:
        raise ContractError(f"{file}: {error}") from error


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"{text[:20]!r} is no date; write it as 2026-10-30") from error


def _price(row: Sequence[str], at: int, name: str) -> float:
    try:
        return float(row[at] or "nan")
    except (ValueError, IndexError) as error:
        raise ContractError(f"{row[0]} has no number as {name}; correct or leave it empty") from error


def _check_ascending(dates: Sequence[date]) -> None:
    for before, after in pairwise(dates):
        if before >= after:
            raise ContractError(f"{after} follows {before}; sort the rows and keep one a date")


AHEAD = timedelta(days=1)  # it is tomorrow already somewhere
ROWS = 25  # whose days are looked at: older ones were looked at when they were the newest


def check_window(table: Table, columns: Sequence[str], source: str, today: date) -> None:
    """Raises ContractError naming the date of the first of the newest rows that cannot be: a day of the future or
    without a price, or a change over MAX_JUMP in a day in one of `columns`."""
    if table.dates and table.dates[-1] > today + AHEAD:
        raise ContractError(f"prices: {table.dates[-1]} is in the future, today is {today}; correct the file")
    for day in table.dates[-ROWS:]:
        if not is_business_day(day, source):
            raise ContractError(
                f"prices: {day} is a {day:%A} on which there are no prices ({source}); correct the file"
            )
    for name in columns:
        values = table.columns[name]
        jumps = np.abs(values[1:] / values[:-1] - 1) > MAX_JUMP
        if jumps.any():
            at = int(jumps.argmax()) + 1
            raise ContractError(
                f"prices: {name} jumps on {table.dates[at]} from {values[at - 1]} to {values[at]}, over {MAX_JUMP:.0%} "
                "in a day; correct the faulty price of the two"
            )
