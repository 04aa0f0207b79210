"""Read years of intraday bars in the format of the file's head, by pyarrow.

Dates and times of day recur, so each distinct text is parsed once, by the rules for all other files. If pyarrow cannot
convert the prices, they are parsed cell by cell.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.prices.date_parsing import parse_dates, read_stamp
from training.prices.intraday import Bars
from training.prices.numbers import MISSING, mean_price, read_numbers
from training.prices.read_options import Mark
from training.prices.row_checks import MAX_LISTED, describe_fault

BLOCK = 4 * 2**20  # bytes
_TIMED = r"^(?P<day>.*?\d.*?)[T ] *(?P<time>\d{1,2}:\d\d.*|\d{6})$"  # as in `date_parsing`
_EPOCH = 9  # digits, at least
_DAY = 86_400


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


def read_bars(data: bytes, layout: Layout, name: str) -> tuple[Bars, tuple[str, ...], tuple[str, ...]]:
    """Return the bars of a file, its faults, and notes on how its dates were read."""
    import pyarrow as pa

    try:
        return _read_format(data, layout, name, as_text=False)
    except pa.ArrowInvalid:  # a cell that is not a number
        return _read_format(data, layout, name, as_text=True)


def _read_format(
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
    stamps, odd_rows = _Stamps(layout), _OddRows()
    parts: dict[str, list[NDArray[np.float64]]] = {column: [] for column in layout.prices}
    for batch in _read_batches(data, layout, odd_rows, as_text):
        stamps.add(batch)
        for column, places in layout.prices.items():
            values = [_parse_floats(batch.column(str(place)), layout.mark) for place in places]
            parts[column].append(values[0] if len(values) == 1 else mean_price(*values))
    columns = {}
    for column in list(parts):
        columns[column] = np.concatenate(parts.pop(column))
    moments, offsets, notes = stamps.moments()
    faults = []
    if odd_rows.count:
        cure = "the file may be cut off: complete the row or drop it"
        faults.append(describe_fault(name, "row of another length", odd_rows.describe(layout.line), cure))
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

    def describe(self, first: int) -> list[str]:
        """Describe the rows, whose first line in the file is `first`."""
        return [f"row {first + number - 1}" for number in self.numbers] + ["another"] * (self.count - len(self.numbers))


def _read_batches(data: bytes, layout: Layout, odd_rows: _OddRows, as_text: bool) -> Iterator[Any]:
    """Yield the columns of the layout, in batches of rows.

    Args:
        data: The file's bytes.
        layout: The layout of the file.
        odd_rows: Receives the rows with another number of cells.
        as_text: Whether prices are read as text.
    """
    import pyarrow as pa
    from pyarrow import csv

    texts = {str(layout.date), *(() if layout.time is None else (str(layout.time),))}
    numbers = {str(place) for places in layout.prices.values() for place in places}
    missing = sorted({form for cell in MISSING for form in (cell, cell.upper(), cell.title())} | {"N/A", "NaN"})
    kind = pa.string() if as_text else pa.float64()
    yield from csv.open_csv(
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


def _parse_floats(column: Any, mark: Mark) -> NDArray[np.float64]:
    """Convert a column to float64 [n]; text is parsed cell by cell, with NaN for cells that are not numbers."""
    if str(column.type) == "string":
        return read_numbers([cell.strip() for cell in column.to_pylist()], False, mark).values
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


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
        import pyarrow.compute as pc

        cells = pc.utf8_trim_whitespace(batch.column(str(self._layout.date)))
        first = cells[0].as_py().split(".")[0] if len(cells) else ""
        if self._layout.date_format is not None or (first.isdecimal() and len(first) >= _EPOCH):
            self._seconds.append(self._numbers(cells))
        elif self._layout.time is not None:
            times = pc.utf8_trim_whitespace(batch.column(str(self._layout.time)))
            self._codes.append((_encode(cells, self._days), _encode(times, self._times)))
        else:
            parts = pc.extract_regex(cells, _TIMED)
            days, times = pc.struct_field(parts, "day"), pc.struct_field(parts, "time")
            days = pc.if_else(pc.is_null(days), cells, days)  # midnight is often written without a time
            self._codes.append((_encode(days, self._days), _encode(pc.fill_null(times, ""), self._times)))

    def _numbers(self, cells: Any) -> NDArray[np.int64]:
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._layout.date_format is not None:
            moments = pd.to_datetime(cells.to_pandas(), format=self._layout.date_format, errors="coerce", utc=True)
            return np.asarray(moments.to_numpy("datetime64[s]").astype(np.int64))
        first = read_stamp(cells[0].as_py(), numbers=True)
        whole = pc.replace_substring_regex(cells, r"\.\d*$", "")
        numbers = np.asarray(pc.cast(whole, pa.int64()).to_numpy(zero_copy_only=False), np.int64)
        if first is None:
            return numbers * 0
        units = (("milli", 10**3), ("micro", 10**6), ("nano", 10**9))
        return numbers // next((unit for prefix, unit in units if first.form.startswith(prefix)), 1)

    def moments(self) -> tuple[NDArray[np.datetime64], NDArray[np.float64] | None, tuple[str, ...]]:
        """Return each row's moment by its own clock, seconds from UTC if the cells have them, and notes."""
        if self._seconds:
            return np.concatenate(self._seconds).astype("datetime64[s]"), None, ()
        dates = parse_dates(list(self._days))
        days_by_code = np.array(
            [_NAT if day is None else np.datetime64(day, "s") for day in dates.days], "datetime64[s]"
        )
        clocks = [_parse_clock(time) for time in self._times]
        seconds_by_code = np.array([_NAT_SECONDS if clock is None else clock[0] for clock in clocks], "timedelta64[s]")
        offsets_by_code = np.array([np.nan if clock is None or clock[1] is None else clock[1] for clock in clocks])
        moments = np.concatenate([days_by_code[days] + seconds_by_code[times] for days, times in self._codes])
        if np.isnan(offsets_by_code).all():
            return moments, None, dates.notes
        offsets = np.concatenate([offsets_by_code[times] for _, times in self._codes])
        return moments, offsets, dates.notes


_NAT = np.datetime64("NaT", "s")
_NAT_SECONDS = np.timedelta64("NaT", "s")


def _encode(cells: Any, codes_by_text: dict[str, int]) -> NDArray[np.int32]:
    encoded = cells.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    codes = np.array([codes_by_text.setdefault(text, len(codes_by_text)) for text in texts], np.int32)
    return np.asarray(codes[np.asarray(encoded.indices)])


def _parse_clock(time: str) -> tuple[int, int | None] | None:
    """Return the second of the day and seconds from UTC, or None for text that is not a time."""
    if time == "":
        return 0, None
    if time.isdecimal() and len(time) <= 4:
        time = f"{time.zfill(4)[:2]}:{time.zfill(4)[2:]}"
    stamp = read_stamp(f"2000-01-01 {time}")
    return None if stamp is None else (stamp.second, stamp.offset)


def line_start(data: bytes, lines: int) -> int:
    """Return the byte at which the line after the first `lines` begins."""
    at = 0
    for _ in range(lines):
        at = data.index(b"\n", at) + 1
    return at
