"""Price files of the store, `prices/<PAIR>-<source>.csv`; they are read whole, so that their CRC-32 is checked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.fields import ContractError
from lambda_fn.prices.business_days import is_business_day
from lambda_fn.prices.plausibility import MAX_DAILY_CHANGE
from lambda_fn.store.keys import price_key
from lambda_fn.store.object_store import Store


class Table(NamedTuple):
    """Rows of a price file: ascending dates, and columns float64 [rows], NaN where the file has no price."""

    dates: list[date]
    columns: dict[str, NDArray[np.float64]]


def serialise(dates: Sequence[date], columns: Mapping[str, Sequence[float]]) -> bytes:
    """Return the bytes of a price file.

    UTF-8, LF, header `date,close` and the other columns sorted, the shortest decimals that give the same float64 back,
    an empty cell for NaN. Raises ContractError unless dates ascend and columns are as long.
    """
    if "close" not in columns:
        raise ContractError("prices: no column close; add it")
    names = ["close", *sorted(name for name in columns if name != "close")]
    for name in names:
        if len(columns[name]) != len(dates):
            raise ContractError(f"prices: {len(columns[name])} values of {name} for {len(dates)} dates")
    with _prefix_errors("prices"):
        _check_ascending(dates)
    cells = [["" if text == "nan" else text for text in map(repr, map(float, columns[name]))] for name in names]
    rows = map(",".join, zip((day.isoformat() for day in dates), *cells, strict=True))
    return ("\n".join([",".join(["date", *names]), *rows]) + "\n").encode()


def parse(data: bytes, wanted: Sequence[str] | None = None) -> Table:
    """Parse a price file, with the columns `wanted` (None: all). Raises ContractError naming the row."""
    header, _, body = data.partition(b"\n")
    with _prefix_errors("prices"):
        return parse_tail(body, len(body), parse_header(header), wanted)


def parse_header(line: bytes) -> list[str]:
    """Return the names of the columns after `date`. Raises ContractError unless the first is `close`."""
    names = line.decode("utf-8", "replace").rstrip("\r").split(",")
    if names[:2] != ["date", "close"]:
        raise ContractError(f"the header is {','.join(names)[:60]!r}; it must begin with date,close")
    return names[1:]


def parse_tail(tail: bytes, rows: int, names: Sequence[str], wanted: Sequence[str] | None = None) -> Table:
    """Parse the last rows of the end of a price file.

    Args:
        tail: the end of a file, with at least `rows` whole rows unless it has fewer.
        rows: number of rows to return, or fewer if `tail` has fewer.
        names: names of the columns after the date; there may be more columns.
        wanted: names of the columns to return; None for all of `names`.

    Raises ContractError naming the row's date.
    """
    lines = tail.decode("utf-8", "replace").split("\n")
    lines = [line for line in lines if line][-rows:] if rows else []
    cells = [line.rstrip("\r").split(",") for line in lines]
    dates = []
    for row in cells:
        try:
            dates.append(date.fromisoformat(row[0]))
        except ValueError as error:
            raise ContractError(f"{row[0][:20]!r} is not a date; write it as 2026-10-30") from error
    _check_ascending(dates)
    columns = {}
    for i, name in enumerate(names, 1):
        if wanted is None or name in wanted:
            prices = []
            for row in cells:
                try:
                    prices.append(float(row[i] or "nan"))
                except (ValueError, IndexError) as error:
                    raise ContractError(f"{row[0]} has no number in {name}; correct it or leave it empty") from error
            columns[name] = np.array(prices, dtype=np.float64)
    return Table(dates, columns)


def read_table(store: Store, pair: str, source: str, rows: int, columns: Sequence[str] = ("close",)) -> Table:
    """Read the last `rows` rows of the pair's price file from `source`.

    Args:
        store: the store.
        pair: the currency pair, such as EURUSD.
        source: source of the prices, such as ecb.
        rows: number of rows that the champion needs.
        columns: names of the columns to return.

    Raises Missing, Unavailable, and ContractError if the file is invalid, has too few rows or lacks a column.
    """
    key = price_key(pair, source)
    header, _, body = store.read(key).data.partition(b"\n")
    with _prefix_errors(key):
        names = parse_header(header)
        missing = [name for name in columns if name not in names]
        if missing:
            raise ContractError(f"no column {', '.join(missing)}; it has {', '.join(names)}")
        table = parse_tail(body, rows, names, columns)
        if len(table.dates) < rows:
            raise ContractError(f"{len(table.dates)} rows, the champion needs {rows}; add older prices")
    return table


@contextmanager
def _prefix_errors(file: str) -> Iterator[None]:
    """Prefix errors about the contents of a file with its name."""
    try:
        yield
    except ContractError as error:
        raise ContractError(f"{file}: {error}") from error


def _check_ascending(dates: Sequence[date]) -> None:
    for before, after in pairwise(dates):
        if before >= after:
            raise ContractError(f"{after} follows {before}; sort the rows and keep one a date")


TIME_ZONE_TOLERANCE = timedelta(days=1)  # for time zones ahead of UTC
CHECKED_ROWS = 25  # the days of older rows were checked when they were the newest


def check_window(table: Table, columns: Sequence[str], source: str, today: date) -> None:
    """Check the newest rows of a price table.

    Args:
        table: the champion's window, whose last rows are checked.
        columns: names of the columns in which no daily change may exceed MAX_DAILY_CHANGE.
        source: source of the prices, which defines the business days.
        today: the date in UTC; no row may be later than the day after.

    Raises ContractError naming the date of the first row that is invalid.
    """
    if table.dates and table.dates[-1] > today + TIME_ZONE_TOLERANCE:
        raise ContractError(f"prices: {table.dates[-1]} is in the future, today is {today}; correct the file")
    for day in table.dates[-CHECKED_ROWS:]:
        if not is_business_day(day, source):
            raise ContractError(
                f"prices: {day} is a {day:%A} on which there are no prices ({source}); correct the file"
            )
    for name in columns:
        values = table.columns[name]
        jumps = np.abs(values[1:] / values[:-1] - 1) > MAX_DAILY_CHANGE
        if jumps.any():
            row = int(jumps.argmax()) + 1
            raise ContractError(
                f"prices: {name} jumps on {table.dates[row]} from {values[row - 1]} to {values[row]}, over "
                f"{MAX_DAILY_CHANGE:.0%} in a day; correct the wrong price of the two"
            )
