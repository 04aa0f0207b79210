"""The checked price table of one pair, with one row for each business day, from the ECB or from a CSV file."""

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
from training.prices.pair_check import compare
from training.prices.read_options import PLAIN, Reading
from training.prices.reader import read_file, read_rows
from training.prices.row_checks import PriceError, Rows, check
from training.prices.table_checks import TableFindings, check_table, drop_unusable_ranges
from training.prices.windows import WINDOW

Source = Literal["ecb", "csv"]
EMBEDDED = "European Central Bank, embedded"  # the origin of a table made from the installed package's rates
OLD_AFTER = 7  # days: embedded rates older than this get a note; the gaps at Easter and Christmas are five days


class StaleError(TemporaryError):
    """The current rates are required but unavailable; a later attempt may succeed."""


@dataclass(frozen=True, eq=False)
class PriceTable:
    """The prices of one pair from one source.

    Attributes:
        frame: Has a DatetimeIndex named date (midnight, no time zone, ascending, unique) and lower-case float64
            columns, `close` first, the others sorted. NaN occurs only in columns that no model declared.
        source: Where the prices are from, `ecb` or `csv`.
        sha256: Digest of `serialised()`.
        origin: A description of the source, for people.
        notes: Remarks that the user should read.
        trusted: The objections to the prices that the user overruled with --trust; empty if there are none.
    """

    frame: pd.DataFrame
    source: Source
    sha256: str
    origin: str
    notes: tuple[str, ...] = ()
    trusted: str = ""

    def serialised(self) -> bytes:
        """Return the price file of this table, byte for byte as the store and serving have it."""
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
    ecb_rates: ecb.EcbRates | None = None,
) -> PriceTable:
    """Load and check the price table of a source.

    `csv` is a user's file: Date,Close and any other columns, in any order and case, or a format of
    `training.prices.formats`. It is checked as a table and against the ECB's rates of the pair. `ecb` are the
    European Central Bank's reference rates since 1999, with the pair as `close` and the others as the ECB quotes them
    (`eurjpy`, ...): the embedded ones, or the current ones if `fresh` is given.

    Args:
        source: `ecb` or `csv`.
        today: Later rows are faults.
        path: The user's file; needed for `csv`.
        pair: The currency pair, such as EURUSD.
        fresh: Seconds to wait for the ECB's current file; None uses the embedded rates. If the current rates cannot be
            used, the embedded ones are returned with a note that says why.
        required: Raise StaleError instead of falling back to the embedded rates.
        columns: The price columns besides close that a model uses; they must be as clean as close.
        min_rows: The smallest number of rows.
        reason: What `min_rows` are needed for, for the error message.
        ecb_url: Where the ECB's current file is.
        reading: The user's options for reading the file.
        ecb_rates: Shared by several calls, so that the rates are read and fetched once.

    Raises:
        PriceError: The prices cannot be used; the message lists all faults.
        StaleError: The current rates are `required` and unavailable.
    """

    def make_table(rows: Rows, origin: str, notes: Sequence[str] = ()) -> PriceTable:
        check(rows, columns, today, min_rows, reason)
        return _build_table(rows, source, origin, notes)

    if source == "csv":
        if path is None:
            raise PriceError(["csv: no file given; name the CSV file that has the prices"])
        rows = read_file(path, reading, pair, columns)
        if (start := reading.start) is not None:
            rows = rows.select(np.array([day is None or day >= start for day in rows.days], np.bool_))
        return _check_user_file(rows, pair, today, reading, make_table)
    ecb_rates = ecb_rates or ecb.EcbRates()
    embedded = ecb_rates.embedded
    last = max(day for day in embedded.days if day is not None)
    notes = []
    if fresh is not None:
        try:
            rates, data = ecb_rates.fetch(ecb_url, fresh)
            fetched = make_table(ecb.quote(rates, pair), "European Central Bank, fetched", rates.notes)
            ecb.check_like_ingest(data, ecb_url, pair, columns, today)
        except PriceError as error:
            if required:
                raise StaleError(f"--fresh=require: the current rates cannot be used: {error}; try later") from error
            notes = [f"warning: using the embedded rates, which end {last}: {error}"]
        else:
            return fetched
    elif (age := (today - last).days) > OLD_AFTER:
        notes = [f"the embedded rates end {last}, {age} days ago; --fresh fetches newer ones"]
    return make_table(ecb.quote(embedded, pair), EMBEDDED, notes)


def _check_user_file(
    rows: Rows,
    pair: str,
    today: date,
    reading: Reading,
    make_table: Callable[[Rows, str, Sequence[str]], PriceTable],
) -> PriceTable:
    """Check a user's rows as a table, then row by row, then against the ECB's rates of the pair.

    Args:
        rows: The rows of the file.
        pair: The currency pair that the file should have.
        today: Later rows are faults.
        reading: The user's options; `trust` turns doubts into notes.
        make_table: Checks each row and makes the table.
    """
    # A file that was read in the wrong way has an odd table too, so its diagnoses stand alone.
    findings = TableFindings([], [], []) if rows.diagnoses else check_table(rows, today, reading.trust)
    doubts = [] if reading.trust else [f"{doubt}; --trust accepts them" for doubt in findings.doubts]
    rows_with_findings = replace(rows, diagnoses=(*rows.diagnoses, *findings.diagnoses, *doubts))
    notes = (*rows.notes, *(f"{rows.name}: {note}" for note in findings.notes))
    table = make_table(rows_with_findings, rows.name, notes)
    comparison = compare(table.frame, pair)
    if comparison.doubt and not reading.trust:
        raise PriceError([f"{rows.name}: {comparison.doubt}"])
    if comparison.note:
        table = replace(table, notes=(*table.notes, f"{rows.name}: {comparison.note}"))
    overruled = "; ".join(doubt for doubt in (*findings.doubts, comparison.doubt) if doubt) if reading.trust else ""
    if not overruled:
        return table
    return replace(table, trusted=overruled, notes=(*table.notes, f"{rows.name}: used with --trust: {overruled}"))


def load_stored(store: Store, pair: str, source: Source, *, today: date, columns: Sequence[str] = ()) -> PriceTable:
    """Load the price file in the store, which the ingest function keeps up to date.

    Args:
        store: The store.
        pair: The currency pair.
        source: `ecb` or `csv`.
        today: Later rows are faults.
        columns: The price columns besides close that a model uses.

    Raises PriceError as `load` does.
    """
    key = price_key(pair, source)
    try:
        data = store.read(key).data
    except Missing as error:
        raise PriceError([f"{error}; write it with `eurusd prices --save`"]) from error
    rows = replace(read_rows(data, key), is_ecb=source == "ecb")
    check(rows, columns, today, WINDOW, "one window of the models")
    return _build_table(rows, source, f"{key} of the {store.describe()}", rows.notes)


def store_prices(store: Store, pair: str, table: PriceTable, append: bool = False, replace: bool = False) -> str:
    """Write the table as the pair's price file if there is none; return a sentence that says what was done.

    A stored file that continues this table is always left as it is.

    Args:
        store: The store.
        pair: The currency pair.
        table: The prices; its source is part of the file's key.
        append: Write the table if it continues the stored file; otherwise the file is left as it is.
        replace: Write the table over a stored file with another history.

    Raises PriceError, which names the first date at which the histories differ.
    """
    key, data = price_key(pair, table.source), table.serialised()
    try:
        stored = store.read(key)
    except Missing:
        stored = None
    if stored is None:
        is_written, outcome = store.replace(key, data, None), f"{key}: created, {len(table.frame):,} rows"
    elif stored.data == data:
        return f"{key}: unchanged"
    elif replace:
        is_written, outcome = store.replace(key, data, stored.etag), f"{key}: replaced, {len(table.frame):,} rows"
    elif _continues(data, stored.data):
        new_rows = data[len(stored.data) :].count(b"\n")
        if not append:
            return f"{key}: behind, {new_rows:,} new rows in this table; ingest or `prices --save` adds them"
        is_written, outcome = store.replace(key, data, stored.etag), f"{key}: appended, {new_rows:,} new rows"
    elif _continues(stored.data, data):
        more_rows = stored.data[len(data) :].count(b"\n")
        return f"{key}: unchanged; it has {more_rows:,} rows more than this table"
    else:
        difference = _first_difference(stored.data, data)
        raise PriceError([f"{key}: {difference}; --replace overwrites it with this table"])
    if not is_written:
        raise PriceError([f"{key}: another process changed it; try again"])
    return outcome


def _continues(longer: bytes, shorter: bytes) -> bool:
    # The line end is required: otherwise a truncated price would count, as 1.08 begins with 1.0.
    return shorter.endswith(b"\n") and longer.startswith(shorter)


def _first_difference(stored: bytes, data: bytes) -> str:
    """Describe the first place in which two price files differ."""
    stored_lines, table_lines = (
        [line.split(",") for line in text.decode(errors="replace").split("\n")] for text in (stored, data)
    )
    if stored_lines[0] != table_lines[0]:
        return f"its columns are {','.join(stored_lines[0])[:200]} and this table's {','.join(table_lines[0])[:200]}"
    for stored_line, table_line in zip_longest(stored_lines[1:], table_lines[1:], fillvalue=[""]):
        for column, before, after in zip_longest(table_lines[0], stored_line, table_line, fillvalue=""):
            if before != after:
                first_date = table_line[0] or stored_line[0]
                return f"history differs from {first_date} on, {column} was {before} and is {after}"
    return "its rows are equal but its bytes differ"


def _build_table(rows: Rows, source: Source, origin: str, notes: Sequence[str]) -> PriceTable:
    """Make the table of rows that passed the checks; columns without a number are left out.

    Args:
        rows: The rows.
        source: `ecb` or `csv`.
        origin: A description of the source, for people.
        notes: Remarks that the user should read.
    """
    order = rows.in_order()
    finite = {name: np.where(np.isfinite(prices), prices, np.nan) for name, prices in rows.columns.items()}
    names = ["close", *sorted(name for name in finite if name != "close" and not np.isnan(finite[name]).all())]
    index = pd.DatetimeIndex([rows.days[i] for i in order], name="date").as_unit("us")
    frame, range_notes = drop_unusable_ranges(
        pd.DataFrame({name: finite[name][order] for name in names}, index=index), rows.name
    )
    return PriceTable(
        frame=frame,
        source=source,
        sha256=hashlib.sha256(_serialise(frame)).hexdigest(),
        origin=f"{origin} through {frame.index[-1]:%Y-%m-%d}",
        notes=(*notes, *range_notes),
    )


def _serialise(frame: pd.DataFrame) -> bytes:
    columns: Mapping[str, Sequence[float]] = {str(name): frame[name].tolist() for name in frame.columns}
    return serialise(pd.DatetimeIndex(frame.index).date.tolist(), columns)
