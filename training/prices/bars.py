"""Intraday bars: read years of them by pyarrow, in the format of the file's head, and make daily closes of them.

Dates and times of day recur, so each distinct text is parsed once, by the rules for all other files. If pyarrow cannot
convert the prices, they are parsed cell by cell.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices.date_parsing import DateColumn, parse_dates, read_number, read_stamp
from training.prices.numbers import MISSING, mean_price, read_numbers
from training.prices.read_options import Mark
from training.prices.row_checks import MAX_LISTED, PriceError, Rows, describe_fault
from training.prices.row_dates import DAY, EXAMPLE

BLOCK = 4 * 2**20  # bytes
_TIMED = r"^(?P<day>.*?\d.*?)[T ] *(?P<time>\d{1,2}:\d\d.*|\d{6})$"  # as in `date_parsing`
_EPOCH = 9  # digits, at least
_NAT = np.datetime64("NaT", "s")
_NAT_SECONDS = np.timedelta64("NaT", "s")
_COLUMNS = ("close", "open", "high", "low")


class Bars(NamedTuple):
    """Intraday bars, n of them.

    Attributes:
        moments: datetime64[s] [n] by each row's own clock, NaT where there is none.
        offsets: Seconds from UTC [n], NaN where a row has none; None if no row has one.
        columns: float64 [n] by name.
    """

    moments: NDArray[np.datetime64]
    offsets: NDArray[np.float64] | None
    columns: Mapping[str, NDArray[np.float64]]


class Layout(NamedTuple):
    """The layout of a file, from its head.

    Attributes:
        start: The byte at which the rows begin.
        line: The line number of the first row.
        width: The number of columns.
        separator: The character between the cells.
        date: The position of the dates.
        time: The position of the times of day, or None.
        prices: The position by column name; if there are two, the price is their mean.
        mark: The decimal mark.
        date_format: The user's format of the dates, or None.
    """

    start: int
    line: int
    width: int
    separator: str
    date: int
    time: int | None
    prices: Mapping[str, tuple[int, ...]]
    mark: Mark
    date_format: str | None


def make_bars(rows: Rows, dates: DateColumn) -> Bars:
    """Return the rows of a file as bars."""
    days = np.array([_NAT if day is None else day for day in dates.days], "datetime64[s]")
    offsets = np.array([np.nan if offset is None else offset for offset in dates.offsets])
    columns = {column: rows.columns[column] for column in _COLUMNS if column in rows.columns}
    return Bars(days + np.array(dates.seconds, "timedelta64[s]"), offsets, columns)


def read_bars(data: bytes, layout: Layout, name: str) -> tuple[Bars, tuple[str, ...], tuple[str, ...]]:
    """Return the bars of a file, its faults, and notes on how its dates were read."""
    import pyarrow as pa

    try:
        return _read_batches(data, layout, name, as_text=False)
    except pa.ArrowInvalid:  # a cell that is not a number
        return _read_batches(data, layout, name, as_text=True)


def _read_batches(
    data: bytes, layout: Layout, name: str, as_text: bool
) -> tuple[Bars, tuple[str, ...], tuple[str, ...]]:
    """Read the bars.

    With `as_text` prices are parsed cell by cell; without it, pyarrow raises ArrowInvalid for a cell that is not a
    number.

    Args:
        data: The file's bytes.
        layout: The layout of the file.
        name: The file's name, for messages.
        as_text: Whether prices are read as text.
    """
    import pyarrow as pa
    from pyarrow import csv

    texts = {str(layout.date), *(() if layout.time is None else (str(layout.time),))}
    numbers = {str(place) for places in layout.prices.values() for place in places}
    missing = sorted({form for cell in MISSING for form in (cell, cell.upper(), cell.title())} | {"N/A", "NaN"})
    kind = pa.string() if as_text else pa.float64()
    stamps, odd_rows = _Stamps(layout), _OddRows()
    batches = csv.open_csv(
        pa.BufferReader(pa.py_buffer(data)[layout.start :]),
        csv.ReadOptions(
            use_threads=False, block_size=BLOCK, column_names=[str(place) for place in range(layout.width)]
        ),
        csv.ParseOptions(delimiter=layout.separator, invalid_row_handler=odd_rows),
        csv.ConvertOptions(
            include_columns=sorted(texts | numbers),
            column_types={**dict.fromkeys(numbers, kind), **dict.fromkeys(texts, pa.string())},
            null_values=missing,
            decimal_point=layout.mark,
        ),
    )
    parts: dict[str, list[NDArray[np.float64]]] = {column: [] for column in layout.prices}
    for batch in batches:
        stamps.add(batch)
        for column, places in layout.prices.items():
            cells = [batch.column(str(place)) for place in places]
            if as_text:
                texts_read = ([cell.strip() for cell in column_cells.to_pylist()] for column_cells in cells)
                values = [read_numbers(cells_read, False, layout.mark).values for cells_read in texts_read]
            else:
                values = [np.asarray(prices.to_numpy(zero_copy_only=False), np.float64) for prices in cells]
            parts[column].append(values[0] if len(values) == 1 else mean_price(*values))
    columns = {}
    for column in list(parts):
        columns[column] = np.concatenate(parts.pop(column))
    moments, offsets, notes = stamps.moments()
    faults = []
    if odd_rows.count:
        places_shown = [f"row {layout.line + number - 1}" for number in odd_rows.numbers]
        places_shown += ["another"] * (odd_rows.count - len(odd_rows.numbers))
        cure = "the file may be cut off: complete the row or drop it"
        faults.append(describe_fault(name, "row of another length", places_shown, cure))
    if (unread := np.flatnonzero(np.isnat(moments))).size:
        unread_rows = [f"row {layout.line + i}" for i in unread.tolist()]
        cure = "write dates as 2024-01-31, or give their format with --date-format"
        faults.append(describe_fault(name, "unreadable date", unread_rows, cure))
    return Bars(moments, offsets, columns), tuple(faults), notes


class _OddRows:
    """A handler that counts the rows with more or fewer cells than the others, and skips them."""

    def __init__(self) -> None:
        self.count = 0
        self.numbers: list[int] = []

    def __call__(self, row: Any) -> str:
        if row.text.strip():
            self.count += 1
            if len(self.numbers) < MAX_LISTED and row.number is not None:
                self.numbers.append(row.number)
        return "skip"


class _Stamps:
    """Dates and times of day as codes of the distinct texts, in order of appearance."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._days: dict[str, int] = {}
        self._times: dict[str, int] = {}
        self._codes: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        self._seconds: list[NDArray[np.int64]] = []  # for numbers since 1970 and dates in a given format

    def add(self, batch: Any) -> None:
        """Add the dates and times of a batch."""
        import pyarrow as pa
        import pyarrow.compute as pc

        cells = pc.utf8_trim_whitespace(batch.column(str(self._layout.date)))
        first = cells[0].as_py() if len(cells) else ""
        digits = first.split(".")[0]
        if self._layout.date_format is not None:
            moments = pd.to_datetime(cells.to_pandas(), format=self._layout.date_format, errors="coerce", utc=True)
            self._seconds.append(np.asarray(moments.to_numpy("datetime64[s]").astype(np.int64)))
        elif digits.isdecimal() and len(digits) >= _EPOCH:
            stamp = read_number(first)
            whole = pc.replace_substring_regex(cells, r"\.\d*$", "")
            numbers = np.asarray(pc.cast(whole, pa.int64()).to_numpy(zero_copy_only=False), np.int64)
            units = {"milli": 10**3, "micro": 10**6, "nano": 10**9}
            form = stamp.form if stamp is not None else ""
            unit = next((unit for prefix, unit in units.items() if form.startswith(prefix)), 1)
            self._seconds.append(numbers * 0 if stamp is None else numbers // unit)
        elif self._layout.time is not None:
            times = pc.utf8_trim_whitespace(batch.column(str(self._layout.time)))
            self._codes.append((_encode(cells, self._days), _encode(times, self._times)))
        else:
            parts = pc.extract_regex(cells, _TIMED)
            days, times = pc.struct_field(parts, "day"), pc.struct_field(parts, "time")
            days = pc.if_else(pc.is_null(days), cells, days)  # midnight is often written without a time
            self._codes.append((_encode(days, self._days), _encode(pc.fill_null(times, ""), self._times)))

    def moments(self) -> tuple[NDArray[np.datetime64], NDArray[np.float64] | None, tuple[str, ...]]:
        """Return each row's moment by its own clock, seconds from UTC if the cells have them, and notes."""
        if self._seconds:
            return np.concatenate(self._seconds).astype("datetime64[s]"), None, ()
        dates = parse_dates(list(self._days))
        days_by_code = np.array(
            [_NAT if day is None else np.datetime64(day, "s") for day in dates.days], "datetime64[s]"
        )
        clocks = []
        for time in self._times:
            if time.isdecimal() and len(time) <= 4:
                time = f"{time.zfill(4)[:2]}:{time.zfill(4)[2:]}"
            clocks.append(read_stamp(f"2000-01-01 {time}"))
        seconds_by_code = np.array([_NAT_SECONDS if clock is None else clock.second for clock in clocks], "m8[s]")
        offsets = [None if clock is None else clock.offset for clock in clocks]
        offsets_by_code = np.array([np.nan if offset is None else offset for offset in offsets])
        moments = np.concatenate([days_by_code[days] + seconds_by_code[times] for days, times in self._codes])
        if np.isnan(offsets_by_code).all():
            return moments, None, dates.notes
        return moments, np.concatenate([offsets_by_code[times] for _, times in self._codes]), dates.notes


def _encode(cells: Any, codes_by_text: dict[str, int]) -> NDArray[np.int32]:
    encoded = cells.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    codes = np.array([codes_by_text.setdefault(text, len(codes_by_text)) for text in texts], np.int32)
    return np.asarray(codes[np.asarray(encoded.indices)])


def make_daily_closes(rows: Rows, bars: Bars, zone: str, close_time: str) -> Rows:
    """Make one row a day of intraday bars.

    It has the last close before the time of day `close_time`, and the open, high and low between two such times if the
    file has them. Left out are rows without a day or a close, weekends, days without a bar in the half day before their
    close, and a last day that is not over.

    Args:
        rows: Gives name, faults and notes.
        bars: The bars, stamped when they begin.
        zone: The zone of stamps without an offset.
        close_time: Time and zone of the close, such as "17:00 America/New_York".

    Raises PriceError for an invalid time.
    """
    match = re.fullmatch(r"(\d{1,2}):(\d\d) (\S+)", close_time.strip())
    try:
        if match is None or int(match[1]) > 23 or int(match[2]) > 59:
            raise ValueError(close_time)
        cut, close_zone = int(match[1]) * 3600 + int(match[2]) * 60, ZoneInfo(match[3])
    except (ValueError, OSError, KeyError) as error:  # KeyError: ZoneInfoNotFoundError is one
        raise PriceError([f"--resample: {close_time!r} is not a time and zone; write it as {EXAMPLE}"]) from error
    if "close" not in bars.columns:
        return rows
    moments, columns = _sort_bars(_to_utc(bars, zone), bars.columns)
    if len(moments) < 2:
        raise PriceError([f"{rows.name}: --resample: there are no bars to make closes from; check the column of times"])
    step = int(np.median(np.diff(moments.asi8)))
    ends = (moments + pd.Timedelta(step, "s")).tz_convert(close_zone).tz_localize(None).as_unit("s")
    local = ends.asi8
    # An hour repeats when the clocks go back, but a day never does.
    days = np.maximum.accumulate((local - cut - 1) // DAY + 1)
    first = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    last = np.append(first[1:], len(days)) - 1
    daily = {"close": columns["close"][last]}
    if "open" in columns:
        daily["open"] = columns["open"][first]
    for column, widest in (("high", np.fmax), ("low", np.fmin)):
        if column in columns:
            daily[column] = widest.reduceat(columns[column], first)
    index = days[first].astype("datetime64[D]")
    is_over = bool(local[-1] >= days[-1] * DAY + cut - step)
    weekday = np.is_busday(index)
    keep = weekday & (local[last] >= days[first] * DAY + cut - DAY // 2)
    keep[-1] &= is_over
    note = (
        f"{len(days):,} bars made into {keep.sum():,} days, closed at {close_time}; "
        f"times without a zone are read as {zone}"
        + ("" if is_over or not weekday[-1] else f"; {index[-1]} is not over and left out")
    )
    return replace(
        rows,
        lines=list(range(1, int(keep.sum()) + 1)),
        days=index[keep].tolist(),
        columns={column: prices[keep] for column, prices in daily.items()},
        text_cells={},
    ).add_notes(note)


def _to_utc(bars: Bars, zone: str) -> pd.DatetimeIndex:
    """Return the moments in UTC; NaT if there is no day or the time is ambiguous because the clocks went back."""
    naive = pd.DatetimeIndex(bars.moments)
    by_zone = naive.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").tz_convert("UTC")
    if bars.offsets is None or np.isnan(bars.offsets).all():
        return by_zone.as_unit("s")
    shift = np.nan_to_num(bars.offsets).astype(np.int64).astype("timedelta64[s]")
    by_cell = pd.DatetimeIndex(bars.moments - shift).tz_localize("UTC")
    return pd.DatetimeIndex(by_zone.where(np.isnan(bars.offsets), by_cell)).as_unit("s")


def _sort_bars(
    moments: pd.DatetimeIndex, columns: Mapping[str, NDArray[np.float64]]
) -> tuple[pd.DatetimeIndex, Mapping[str, NDArray[np.float64]]]:
    """Return the bars that have a moment and a close, oldest first; nothing is copied if that is so already."""
    whole = np.asarray(moments.notna()) & np.isfinite(columns["close"])
    if not whole.all():
        moments, columns = moments[whole], {column: prices[whole] for column, prices in columns.items()}
    if not moments.is_monotonic_increasing:
        order = np.argsort(moments.asi8, kind="stable")
        moments, columns = moments[order], {column: prices[order] for column, prices in columns.items()}
    return moments, columns
