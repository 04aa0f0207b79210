"""Read years of intraday bars: the format from the head of the file, the rest in that format by pyarrow.

Dates and times of day recur, so that each distinct one is parsed once, by the rules of all other files. Blocks that
pyarrow cannot convert are parsed cell by cell.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.prices.date_parsing import parse_dates, read_stamp
from training.prices.intraday import Bars
from training.prices.numbers import MISSING, middle, read_numbers
from training.prices.read_options import Mark
from training.prices.row_checks import SHOWN, fault

BLOCK = 4 * 2**20  # bytes
_TIMED = r"^(?P<day>.*?\d.*?)[T ] *(?P<time>\d{1,2}:\d\d.*|\d{6})$"  # as `stamps` has it
_EPOCH = 9  # digits, at least
_DAY = 86_400


class Layout(NamedTuple):
    """What the head of a file tells: the byte at which the rows begin and their line, the columns' positions."""

    start: int
    line: int
    width: int
    separator: str
    date: int
    time: int | None
    prices: Mapping[str, tuple[int, ...]]  # two positions: their mean
    mark: Mark
    date_format: str | None


def read_bars(data: bytes, layout: Layout, name: str) -> tuple[Bars, tuple[str, ...], tuple[str, ...]]:
    """The bars of a file, faults, and notes on how its dates were read."""
    import pyarrow as pa

    try:
        return _read(data, layout, name, as_text=False)
    except pa.ArrowInvalid:  # a cell that is no number
        return _read(data, layout, name, as_text=True)


def _read(data: bytes, layout: Layout, name: str, as_text: bool) -> tuple[Bars, tuple[str, ...], tuple[str, ...]]:
    stamps, odd = _Stamps(layout), _Odd()
    parts: dict[str, list[NDArray[np.float64]]] = {column: [] for column in layout.prices}
    for batch in _batches(data, layout, odd, as_text):
        stamps.add(batch)
        for column, places in layout.prices.items():
            values = [_floats(batch.column(str(place)), layout.mark) for place in places]
            parts[column].append(values[0] if len(values) == 1 else middle(*values))
    columns = {}
    for column in list(parts):
        columns[column] = np.concatenate(parts.pop(column))
    moments, offsets, notes = stamps.moments()
    faults = []
    if odd.count:
        cure = "the file may be cut off: complete the row or drop it"
        faults.append(fault(name, "row of another length", odd.shown(layout.line), cure))
    if (unread := np.flatnonzero(np.isnat(moments))).size:
        rows = [f"row {layout.line + i}" for i in unread.tolist()]
        faults.append(fault(name, "unreadable date", rows, "write dates as 2024-01-31, or say how with --date-format"))
    return Bars(moments, offsets, columns), tuple(faults), notes


class _Odd:
    """Rows with more or fewer cells than the others."""

    def __init__(self) -> None:
        self.count = 0
        self.numbers: list[int] = []

    def __call__(self, row: Any) -> str:
        if row.text.strip():
            self.count += 1
            if len(self.numbers) < SHOWN and row.number is not None:
                self.numbers.append(row.number)
        return "skip"

    def shown(self, first: int) -> list[str]:
        return [f"row {first + number - 1}" for number in self.numbers] + ["another"] * (self.count - len(self.numbers))


def _batches(data: bytes, layout: Layout, odd: _Odd, as_text: bool) -> Iterator[Any]:
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
        csv.ParseOptions(delimiter=layout.separator, invalid_row_handler=odd),
        csv.ConvertOptions(
            include_columns=sorted(texts | numbers),
            column_types={**dict.fromkeys(numbers, kind), **dict.fromkeys(texts, pa.string())},
            null_values=missing,
            decimal_point=layout.mark,
        ),
    )


def _floats(column: Any, mark: Mark) -> NDArray[np.float64]:
    """A column as numbers; one of texts cell by cell, with NaN for what is none."""
    if str(column.type) == "string":
        return read_numbers([cell.strip() for cell in column.to_pylist()], False, mark).values
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


class _Stamps:
    """Dates and times of day as codes of the distinct texts, in the order in which they come."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._days: dict[str, int] = {}
        self._times: dict[str, int] = {}
        self._codes: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        self._seconds: list[NDArray[np.int64]] = []  # of numbers since 1970, and of dates in a given format

    def add(self, batch: Any) -> None:
        import pyarrow.compute as pc

        cells = pc.utf8_trim_whitespace(batch.column(str(self._layout.date)))
        if self._layout.date_format is not None or (len(cells) and _is_epoch(cells[0].as_py())):
            self._seconds.append(self._numbers(cells))
        elif self._layout.time is not None:
            times = pc.utf8_trim_whitespace(batch.column(str(self._layout.time)))
            self._codes.append((_codes(cells, self._days), _codes(times, self._times)))
        else:
            parts = pc.extract_regex(cells, _TIMED)
            days, times = pc.struct_field(parts, "day"), pc.struct_field(parts, "time")
            days = pc.if_else(pc.is_null(days), cells, days)  # midnight is often written without a time
            self._codes.append((_codes(days, self._days), _codes(pc.fill_null(times, ""), self._times)))

    def _numbers(self, cells: Any) -> NDArray[np.int64]:
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._layout.date_format is not None:
            known = pd.to_datetime(cells.to_pandas(), format=self._layout.date_format, errors="coerce", utc=True)
            return np.asarray(known.to_numpy("datetime64[s]").astype(np.int64))
        first = read_stamp(cells[0].as_py(), numbers=True)
        whole = pc.replace_substring_regex(cells, r"\.\d*$", "")
        numbers = np.asarray(pc.cast(whole, pa.int64()).to_numpy(zero_copy_only=False), np.int64)
        return numbers // {"s": 1, "m": 10**3, "u": 10**6, "n": 10**9}[_unit(first.form)] if first else numbers * 0

    def moments(self) -> tuple[NDArray[np.datetime64], NDArray[np.float64] | None, tuple[str, ...]]:
        """Each row's moment by its own clock, seconds from UTC where the cells say so, and notes."""
        if self._seconds:
            return np.concatenate(self._seconds).astype("datetime64[s]"), None, ()
        dates = parse_dates(list(self._days))
        day = np.array([_NAT if one is None else np.datetime64(one, "s") for one in dates.days], "datetime64[s]")
        clocks = [_clock(time) for time in self._times]
        second = np.array([_NAT_SECONDS if clock is None else clock[0] for clock in clocks], "timedelta64[s]")
        offset = np.array([np.nan if clock is None or clock[1] is None else clock[1] for clock in clocks])
        moments = np.concatenate([day[days] + second[times] for days, times in self._codes])
        offsets = None if np.isnan(offset).all() else np.concatenate([offset[times] for _, times in self._codes])
        return moments, offsets, dates.notes


_NAT = np.datetime64("NaT", "s")
_NAT_SECONDS = np.timedelta64("NaT", "s")


def _codes(cells: Any, known: dict[str, int]) -> NDArray[np.int32]:
    encoded = cells.dictionary_encode()
    codes = np.array([known.setdefault(cell, len(known)) for cell in encoded.dictionary.to_pylist()], np.int32)
    return np.asarray(codes[np.asarray(encoded.indices)])


def _clock(time: str) -> tuple[int, int | None] | None:
    """Second of the day and seconds from UTC; None for text that is no time."""
    if time == "":
        return 0, None
    if time.isdecimal() and len(time) <= 4:
        time = f"{time.zfill(4)[:2]}:{time.zfill(4)[2:]}"
    stamp = read_stamp(f"2000-01-01 {time}")
    return None if stamp is None else (stamp.second, stamp.offset)


def _is_epoch(cell: str) -> bool:
    return cell.split(".")[0].isdecimal() and len(cell.split(".")[0]) >= _EPOCH


def _unit(form: str) -> str:
    return next(
        unit for unit, word in (("m", "milli"), ("u", "micro"), ("n", "nano"), ("s", "")) if form.startswith(word)
    )


def newline_after(data: bytes, lines: int) -> int:
    """The byte after so many lines' ends."""
    at = 0
    for _ in range(lines):
        at = data.index(b"\n", at) + 1
    return at
