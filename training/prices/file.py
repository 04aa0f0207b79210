"""The text of a price file as rows: separators, column names, numbers and dates in the forms that users have."""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.prices.checks import PriceError, Rows, fault
from training.prices.dates import DateColumn, parse_dates

SEPARATORS = ",;\t"
OTHER_NAMES = {"date": ("time", "timestamp"), "close": ("price", "last")}
_MISSING = {"", "nan", "n/a", "na", "null", "none", "-", "."}


def read_file(path: Path) -> Rows:
    """The rows of a user's file, with notes on how they were read; raises PriceError when there are none."""
    try:
        data = path.read_bytes()
    except IsADirectoryError as error:
        raise PriceError([f"{path}: is a directory; name a CSV file in it"]) from error
    except FileNotFoundError as error:
        raise PriceError([f"{path}: no such file; check the path"]) from error
    except (OSError, ValueError) as error:  # ValueError: a path that no file system takes
        raise PriceError([f"{path}: cannot be read ({error}); check the path and its permissions"]) from error
    rows = read_rows(data, path.name)
    return replace(rows, notes=(*rows.notes, *_order_notes(rows), *_cell_notes(rows)))


def read_rows(data: bytes, name: str) -> Rows:
    """Read CSV bytes: comma, semicolon or tab; decimal commas with semicolons; header in any case and order.

    Columns come lower-case, words joined by an underscore. Cells that are no numbers are NaN and stand in `words`;
    faults of single cells are collected in the result. Raises PriceError when there are no rows to look at.
    """
    header, lines, cells, decimal_comma = _grid(data, name)
    names, faults, notes = _name_columns(header, name)
    wide = [
        f"row {line} ({len(row)} cells, the header has {len(header)})"
        for line, row in zip(lines, cells, strict=True)
        if any(cell.strip() for cell in row[len(header) :])
    ]
    if wide:
        faults.append(fault(name, "too long row", wide, "quote cells that contain the separator"))
    padded = [[*row, *[""] * (len(header) - len(row))] for row in cells]
    texts = {column: [row[at].strip() for row in padded] for column, at in names.items()}
    date_cells = texts.pop("date", None)
    dates = DateColumn([None] * len(lines), frozenset(), False)
    if date_cells is not None:
        dates = parse_dates(date_cells)
        faults += _date_cell_faults(name, lines, date_cells, dates)
    numbers = {column: _numbers(column_cells, decimal_comma) for column, column_cells in texts.items()}
    return Rows(
        name=name,
        lines=lines,
        days=dates.days,
        columns={column: values for column, (values, _) in numbers.items()},
        words={column: words for column, (_, words) in numbers.items() if words},
        faults=tuple(faults),
        notes=tuple(notes),
    )


def _grid(data: bytes, name: str) -> tuple[list[str], list[int], list[list[str]], bool]:
    """Header, line numbers, rows of cells, and whether commas are decimal."""
    text = _decode(data, name).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise PriceError([f"{name}: the file is empty; it needs a header such as Date,Close and one row a day"])
    first_line = next(line for line in text.split("\n") if line.strip())
    separator = max(SEPARATORS, key=first_line.count)
    if separator not in first_line:
        shown = first_line[:40]
        raise PriceError([f"{name}: no CSV file, its first line is {shown!r}; it needs a header such as Date,Close"])
    lines, rows = [], []
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    started = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines.append(started)
                rows.append(row)
            started = reader.line_num + 1
    except csv.Error as error:
        cure = "close the quotes that it opens" if '"' in text else "save it as CSV"
        raise PriceError([f"{name}: no CSV from row {started} on ({error}); {cure}"]) from error
    if len(rows) < 2:
        raise PriceError([f"{name}: has a header and no rows; it needs one row a day"])
    return rows[0], lines[1:], rows[1:], separator == ";"


def _decode(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        cure = "save it as CSV in UTF-8 (a spreadsheet's own format cannot be read)"
        raise PriceError([f"{name}: no UTF-8 text, byte {error.start + 1} is not; {cure}"]) from error
    if "\0" in text:
        raise PriceError([f"{name}: no text, it has zero bytes; save it as CSV in UTF-8"])
    return text


def _name_columns(header: Sequence[str], name: str) -> tuple[dict[str, int], list[str], list[str]]:
    """Where each column stands, faults, notes. Columns without a name (trailing commas) are left out."""
    at: dict[str, int] = {}
    faults, notes = [], []
    for position, title in enumerate(header):
        column = re.sub(r"\W+", "_", title.lower(), flags=re.ASCII).strip("_")
        if column in at:
            faults.append(f"{name}: two columns named {column}; keep one or rename it")
        elif column:
            at[column] = position
    for column, others in OTHER_NAMES.items():
        found = [other for other in others if other in at]
        if column not in at and len(found) == 1:
            at[column] = at.pop(found[0])
            notes.append(f"{name}: column {found[0]} read as {column}")
    if "date" not in at:
        faults.append(f"{name}: no column date; rename the column of dates to date; columns found: {', '.join(at)}")
    return at, faults, notes


def _date_cell_faults(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> list[str]:
    rows = [(line, cell, day) for line, cell, day in zip(lines, cells, dates.days, strict=True)]
    missing = [f"row {line}" for line, cell, _ in rows if not cell]
    unreadable = [f"row {line} ({cell[:20]!r})" for line, cell, day in rows if cell and day is None]
    intraday = [f"row {lines[i]} ({cells[i][:20]!r})" for i in sorted(dates.intraday) if dates.days[i]]
    faults = [fault(name, "missing date", missing, "give each row a date or drop it")] if missing else []
    if unreadable:
        noun = "ambiguous date" if dates.ambiguous else "unreadable date"
        why = "day and month cannot be told apart in this column, " if dates.ambiguous else ""
        faults.append(fault(name, noun, unreadable, f"{why}write dates as 2024-01-31"))
    if intraday:
        faults.append(fault(name, "intraday date", intraday, "give one row a day, dated without a time"))
    return faults


def _numbers(cells: Sequence[str], decimal_comma: bool) -> tuple[NDArray[np.float64], Mapping[int, str]]:
    """The cells as float64, NaN for missing ones and for words, and the words by their position."""
    values = np.full(len(cells), math.nan)
    words = {}
    for i, cell in enumerate(cells):
        if cell.lower() in _MISSING:
            continue
        try:
            # float() also takes 1_000, which no price file means.
            values[i] = float((cell.replace(",", ".") if decimal_comma else cell).replace("_", "?"))
        except ValueError:
            words[i] = cell
    return values, words


def _order_notes(rows: Rows) -> Iterator[str]:
    days = [day for day in rows.days if day is not None]
    if days == sorted(days):
        return
    if days == sorted(days, reverse=True):
        yield f"{rows.name}: newest first; sorted by date"
        return
    dated = [(day, line) for day, line in zip(rows.days, rows.lines, strict=True) if day is not None]
    late = next(line for (before, _), (day, line) in pairwise(dated) if day < before)
    yield f"{rows.name}: not sorted, the first row out of order is {late}; sorted by date"


def _cell_notes(rows: Rows) -> Iterator[str]:
    for column, values in rows.columns.items():
        if not np.isfinite(values).any():
            yield f"{rows.name}: column {column} has no numbers and is left out"
        elif column in rows.words:
            yield f"{rows.name}: {column}: cells that are no numbers, read as missing: {len(rows.words[column])}"
