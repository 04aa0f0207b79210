"""The price table: one row a business day, checked at the edge, from the ECB's rates or from a user's CSV."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from lambda_fn.prices.price_file import serialise
from lambda_fn.settings import DEFAULT_PAIR, DEFAULTS
from lambda_fn.store.keys import price_key
from lambda_fn.store.object_store import Missing, Store
from training.errors import TemporaryError
from training.prices import ecb
from training.prices.cleaning import kept
from training.prices.ohlc_check import usable
from training.prices.pair_check import compare
from training.prices.read_options import PLAIN, Reading
from training.prices.reader import read_file, read_rows
from training.prices.row_checks import PriceError, Rows, check
from training.prices.table_checks import Shape, judge
from training.prices.windows import WINDOW

Source = Literal["ecb", "csv"]
EMBEDDED = "European Central Bank, embedded"  # the origin of a table of the package's rates
OLD_AFTER = 7  # days without a new embedded rate before the console says so; Easter and Christmas take five


class StaleError(TemporaryError):
    """The current rates are required and cannot be had; a later try may have them."""


@dataclass(frozen=True, eq=False)
class PriceTable:
    """Prices of one pair from one source.

    `frame` has a DatetimeIndex named date (midnight, no time zone, ascending, unique) and lower-case float64
    columns, `close` first, the others sorted; NaN only in columns that no model declared. `sha256` is that of
    `serialised()`, `origin` says in words where the prices are from, `notes` what a reader should know, `trusted` what
    spoke against the prices and was overruled, empty where nothing did.
    """

    frame: pd.DataFrame
    source: Source
    sha256: str
    origin: str
    notes: tuple[str, ...] = ()
    trusted: str = ""

    def serialised(self) -> bytes:
        """The price file of this table, as the store and serving have it."""
        return _serialise(self.frame)


def load(
    source: Source,
    *,
    today: date,
    path: Path | None = None,
    pair: str = DEFAULT_PAIR,
    fresh: float | None = None,
    required: bool = False,
    columns: Sequence[str] = (),
    min_rows: int = WINDOW,
    reason: str = "one window of the models",
    ecb_url: str = DEFAULTS["ECB_URL"],
    reading: Reading = PLAIN,
    bank: ecb.Bank | None = None,
) -> PriceTable:
    """The checked price table of a source.

    `csv` is a user's file at `path`: Date,Close and whatever else it has, in any order and case, or a form of
    `training.prices.formats`, read as `reading` says; it is judged as a table and against the pair's rates. `ecb`
    are the European Central Bank's reference rates from 1999, with `close` of the pair and the others as the ECB
    quotes them (`eurjpy`, ...): the embedded ones, or the current ones from `ecb_url` within `fresh` seconds, or the
    embedded ones with a note why when those cannot be used and are not `required`. `columns` are the price columns
    besides close that a model uses; they must be as clean as close. `min_rows` are needed for the `reason`. A `bank`
    given to several calls is read and asked once.

    Raises PriceError listing all faults at once when the prices cannot be used, and StaleError.
    """

    def table(rows: Rows, origin: str, notes: Sequence[str] = ()) -> PriceTable:
        check(rows, columns, today, min_rows, reason)
        return _table(rows, source, origin, notes)

    if source == "csv":
        if path is None:
            raise PriceError(["csv: no file given; name the CSV file with the prices"])
        return _own(_from(read_file(path, reading, pair, columns), reading), pair, today, reading, table)
    bank = bank or ecb.Bank()
    known = bank.embedded
    last = max(day for day in known.days if day is not None)
    notes = []
    if fresh is not None:
        try:
            rates, data = bank.fetch(ecb_url, fresh)
            found = table(ecb.quote(rates, pair), "European Central Bank, fetched", rates.notes)
            ecb.judge(data, ecb_url, pair, columns, today)
        except PriceError as error:
            if required:
                raise StaleError(f"--fresh=require: the current rates cannot be used: {error}; try later") from error
            notes = [f"warning: using the embedded rates, which end {last}: {error}"]
        else:
            return found
    elif (age := (today - last).days) > OLD_AFTER:
        notes = [f"the embedded rates end {last}, {age} days ago; --fresh fetches newer ones"]
    return table(ecb.quote(known, pair), EMBEDDED, notes)


def _own(
    rows: Rows, pair: str, today: date, reading: Reading, table: Callable[[Rows, str, Sequence[str]], PriceTable]
) -> PriceTable:
    """The table of a user's rows: judged as a whole, then row by row, then against the rates of the pair."""
    shape = (
        judge(rows, today, reading.trust) if not rows.diagnoses else Shape([], [], [])
    )  # what is read wrong looks odd, too
    doubts = [] if reading.trust else [f"{words}; --trust takes them so" for words in shape.doubts]
    judged = replace(rows, diagnoses=(*rows.diagnoses, *shape.diagnoses, *doubts))
    found = table(judged, rows.name, (*rows.notes, *(f"{rows.name}: {note}" for note in shape.notes)))
    against = compare(found.frame, pair)
    if against.doubt and not reading.trust:
        raise PriceError([f"{rows.name}: {against.doubt}"])
    if against.note:
        found = replace(found, notes=(*found.notes, f"{rows.name}: {against.note}"))
    overruled = "; ".join(words for words in (*shape.doubts, against.doubt) if words) if reading.trust else ""
    if not overruled:
        return found
    return replace(found, trusted=overruled, notes=(*found.notes, f"{rows.name}: used with --trust: {overruled}"))


def _from(rows: Rows, reading: Reading) -> Rows:
    """The rows from the day on that the reading begins with."""
    if reading.start is None:
        return rows
    first = reading.start
    return kept(rows, np.array([day is None or day >= first for day in rows.days], np.bool_))


def stored(store: Store, pair: str, source: Source, *, today: date, columns: Sequence[str] = ()) -> PriceTable:
    """The price file that the store holds, which the ingest function keeps up to date; raises PriceError like load."""
    key = price_key(pair, source)
    try:
        data = store.read(key).data
    except Missing as error:
        raise PriceError([f"{error}; write it with `python -m training prices --save`"]) from error
    rows = replace(read_rows(data, key), bank=source == "ecb")
    check(rows, columns, today, WINDOW, "one window of the models")
    return _table(rows, source, f"{key} of the {store.describe()}", rows.notes)


def store_prices(store: Store, pair: str, table: PriceTable, append: bool = False, replace: bool = False) -> str:
    """Write the table as the pair's price file of its source where there is none; say in words what was done.

    A file that this table continues is left as it is unless `append`; one that continues this table always is.
    Raises PriceError naming the first date at which the histories differ, unless `replace`.
    """
    key, data = price_key(pair, table.source), table.serialised()
    try:
        stored = store.read(key)
    except Missing:
        stored = None
    if stored is None:
        written, done = store.replace(key, data, None), f"{key}: created, {len(table.frame):,} rows"
    elif stored.data == data:
        return f"{key}: unchanged"
    elif replace:
        written, done = store.replace(key, data, stored.etag), f"{key}: replaced, {len(table.frame):,} rows"
    elif append and _continues(data, stored.data):
        new = data[len(stored.data) :].count(b"\n")
        written, done = store.replace(key, data, stored.etag), f"{key}: appended, {new:,} new rows"
    else:
        return _compare(key, stored.data, data)
    if not written:
        raise PriceError([f"{key}: somebody else wrote it in the meantime; try again"])
    return done


def _compare(key: str, stored: bytes, data: bytes) -> str:
    """Which of the two continues the other; raises PriceError where they differ."""
    if _continues(data, stored):
        new = data[len(stored) :].count(b"\n")
        return f"{key}: behind, {new:,} new rows in this table; ingest or `prices --save` adds them"
    if _continues(stored, data):
        newer = stored[len(data) :].count(b"\n")
        return f"{key}: ahead, left as it is with {newer:,} rows more than this table"
    raise PriceError([f"{key}: {_first_difference(stored, data)}; --replace writes this table over it"])


def _continues(longer: bytes, shorter: bytes) -> bool:
    # Without the line's end a price that was cut off would count: 1.0 begins 1.08.
    return shorter.endswith(b"\n") and longer.startswith(shorter)


def _first_difference(stored: bytes, data: bytes) -> str:
    """Say where two price files part."""
    theirs, ours = ([line.split(",") for line in text.decode(errors="replace").split("\n")] for text in (stored, data))
    if theirs[0] != ours[0]:
        return f"its columns are {','.join(theirs[0])[:200]} and this table's {','.join(ours[0])[:200]}"
    for old, new in zip_longest(theirs[1:], ours[1:], fillvalue=[""]):
        for column, before, after in zip_longest(ours[0], old, new, fillvalue=""):
            if before != after:
                return f"history differs from {new[0] or old[0]} on, {column} was {before} and is {after}"
    return "its rows are the same and its bytes are not"


def _table(rows: Rows, source: Source, origin: str, notes: Sequence[str]) -> PriceTable:
    """The table of rows that passed the checks; columns without a number are left out."""
    order = rows.in_order()
    finite = {name: np.where(np.isfinite(prices), prices, np.nan) for name, prices in rows.columns.items()}
    names = ["close", *sorted(name for name in finite if name != "close" and not np.isnan(finite[name]).all())]
    index = pd.DatetimeIndex([rows.days[i] for i in order], name="date").as_unit("us")
    frame, told = usable(pd.DataFrame({name: finite[name][order] for name in names}, index=index), rows.name)
    return PriceTable(
        frame=frame,
        source=source,
        sha256=hashlib.sha256(_serialise(frame)).hexdigest(),
        origin=f"{origin} through {frame.index[-1]:%Y-%m-%d}",
        notes=(*notes, *told),
    )


def _serialise(frame: pd.DataFrame) -> bytes:
    columns: Mapping[str, Sequence[float]] = {str(name): frame[name].tolist() for name in frame.columns}
    return serialise(pd.DatetimeIndex(frame.index).date.tolist(), columns)
