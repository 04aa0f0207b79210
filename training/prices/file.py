"""A user's price file as rows: whatever form it has, read with a note of what was taken for what, or refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lambda_fn.prices.ecb import EcbError, Rates
from lambda_fn.prices.ecb import quote as quote_rates
from lambda_fn.settings import DEFAULT_PAIR
from training.prices.bars import business_days, daily_closes
from training.prices.checks import PriceError, Rows, fault
from training.prices.columns import date_cells, name_columns, only_close, with_header
from training.prices.dates import DateColumn, parse_dates
from training.prices.forms import Form, is_header, recognise
from training.prices.grid import Grid, odd_rows, read_grid, split_by_commas
from training.prices.layouts import OtherSeries
from training.prices.numbers import Numbers, decimals, read_numbers
from training.prices.opening import open_text
from training.prices.reading import PLAIN, Reading
from training.prices.tidying import tidied

CUT = 0.15  # share of cells with as few decimals as a last one that is whole by chance
CUT_ROWS = 100

SPLIT = (
    "decimal commas split the cells, as commas stand between them too: export the file with semicolons between the "
    "cells or with decimal points"
)


def read_file(path: Path, reading: Reading = PLAIN, pair: str = DEFAULT_PAIR) -> Rows:
    """The rows of a user's file, with notes on how they were read; raises PriceError when there are none."""
    try:
        data = path.read_bytes()
    except IsADirectoryError as error:
        raise PriceError([f"{path}: is a directory; name a CSV file in it"]) from error
    except FileNotFoundError as error:
        raise PriceError([f"{path}: no such file; check the path"]) from error
    except (OSError, ValueError) as error:  # ValueError: a path that no file system takes
        raise PriceError([f"{path}: cannot be read ({error}); check the path and its permissions"]) from error
    return tidied(read_rows(data, path.name, reading, pair))


def read_rows(data: bytes, name: str, reading: Reading = PLAIN, pair: str = DEFAULT_PAIR) -> Rows:
    """Read the bytes of a file in one of `forms.FORMS`, or with a header in which date and close are found.

    Columns come lower-case, words joined by an underscore. Cells that are no numbers are NaN and stand in `words`;
    faults of single cells are collected in the result. Raises PriceError when there are no rows to look at.
    """
    form, grid, opened = _opened(data, name, pair)
    grid = with_header(grid, name, reading)
    at, faults, told = name_columns(grid.header, name, form, reading)
    padded = [[*row, *[""] * (len(grid.header) - len(row))] for row in grid.rows]
    texts = {column: [row[i].strip() for row in padded] for column, i in at.items()}
    cells = date_cells(texts)
    dates = parse_dates(cells or [""] * len(grid.rows), reading.date_format)
    semicolons = grid.separator == ";"
    numbers = {column: read_numbers(texts[column], semicolons, reading.decimal) for column in texts}
    if (only := only_close(numbers)) is not None:
        texts = {"close" if column == only else column: found for column, found in texts.items()}
        numbers = {"close" if column == only else column: found for column, found in numbers.items()}
        told.append(f"{name}: column {only} read as close, the only one with numbers")
    rows = Rows(
        name=name,
        lines=grid.lines,
        days=dates.days,
        columns={column: found.values for column, found in numbers.items()},
        words={column: found.words for column, found in numbers.items() if found.words},
        faults=(
            *faults,
            *_row_faults(name, grid),
            *(_date_cell_faults(name, grid.lines, cells, dates) if cells is not None else ()),
            *_cut_off(name, grid, texts, numbers),
        ),
        notes=(*(f"{name}: {note}" for note in (*opened, *grid.notes)), *told),
        diagnoses=_diagnoses(grid, dates, numbers),
    )
    if cells is None or rows.diagnoses:
        return rows
    rows = _dated(rows, cells, dates, form, reading)
    return _quoted(rows, pair) if form is not None and form.wide else rows


def _opened(data: bytes, name: str, pair: str) -> tuple[Form | None, Grid, tuple[str, ...]]:
    """The form, the grid and notes of how it was unpacked."""
    text, notes = open_text(data, name)
    try:
        form, grid = recognise(read_grid(text, name, is_header), pair)
    except OtherSeries as error:
        raise PriceError([f"{name}: {error}"]) from error
    return form, grid, notes


def _dated(rows: Rows, cells: Sequence[str], dates: DateColumn, form: Form | None, reading: Reading) -> Rows:
    """The rows with their business days, or the daily ones made of bars where that was asked for."""
    rows = replace(rows, notes=(*rows.notes, *(f"{rows.name}: {note}" for note in dates.notes)))
    if reading.resample is not None:
        return daily_closes(rows, dates, form.zone if form else "UTC", reading.resample)
    dated = business_days(rows.name, rows.lines, cells, dates)
    return replace(
        rows,
        days=dated.days,
        faults=(*rows.faults, *dated.faults),
        notes=(*rows.notes, *(f"{rows.name}: {note}" for note in dated.notes)),
        diagnoses=(dated.diagnosis,) if dated.diagnosis else (),
    )


def _diagnoses(grid: Grid, dates: DateColumn, numbers: Mapping[str, Numbers]) -> tuple[str, ...]:
    found = [dates.diagnosis] if dates.diagnosis else []
    if split_by_commas(grid):
        found.append(SPLIT)
    elif "close" in numbers and numbers["close"].diagnosis:
        found.append(f"close: {numbers['close'].diagnosis}")
    return tuple(found)


def _row_faults(name: str, grid: Grid) -> Iterator[str]:
    wide, short = odd_rows(grid)
    if wide:
        yield fault(name, "too long row", wide, "quote cells that contain the separator")
    if short:
        yield fault(name, "too short row", short, "the file may be cut off: complete the row or drop it")


def _cut_off(
    name: str, grid: Grid, texts: Mapping[str, Sequence[str]], columns: Mapping[str, Numbers]
) -> tuple[str, ...]:
    """A fault where the file ends within its last number: no line's end, and fewer digits than others of the column."""
    if grid.whole or len(grid.rows) < CUT_ROWS or len(grid.rows[-1]) < len(grid.header):
        return ()
    last = next((column for column in reversed(list(texts)) if texts[column][-1]), None)
    if last is None or not np.isfinite(columns[last].values[-1]):
        return ()
    cells = [cell for cell, value in zip(texts[last], columns[last].values, strict=True) if np.isfinite(value)]
    own = decimals(cells[-1])
    if sum(decimals(cell) <= own for cell in cells[:-1]) >= CUT * (len(cells) - 1):
        return ()
    return (
        f"{name}: the last row, {grid.lines[-1]}, ends with {cells[-1]} and without a line's end, as a file does that "
        "was cut off; download it again, or end the line if it is whole",
    )


def _date_cell_faults(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> list[str]:
    rows = [(line, cell, day) for line, cell, day in zip(lines, cells, dates.days, strict=True)]
    missing = [f"row {line}" for line, cell, _ in rows if not cell]
    unreadable = [f"row {line} ({cell[:20]!r})" for line, cell, day in rows if cell and day is None]
    faults = [fault(name, "missing date", missing, "give each row a date or drop it")] if missing else []
    if unreadable and dates.ambiguous:
        why = "day and month cannot be told apart in this column, write dates as 2024-01-31"
        faults.append(fault(name, "ambiguous date", unreadable, f"{why}, or say how with --date-format %d/%m/%Y"))
    elif unreadable:
        cure = "write dates as 2024-01-31, or say how they are with --date-format"
        faults.append(fault(name, "unreadable date", unreadable, cure))
    return faults


def _quoted(rows: Rows, pair: str) -> Rows:
    """The pair's close of a table with a column a currency, units per euro."""
    order = rows.in_order()
    days = [day for i in order if (day := rows.days[i]) is not None]
    ordered = {name: values[order].tolist() for name, values in rows.columns.items()}
    try:
        found = quote_rates(Rates([rows.lines[i] for i in order], days, ordered), pair)
    except EcbError as error:
        raise PriceError([f"{rows.name}: {error}"]) from error
    columns: dict[str, NDArray[np.float64]] = {name: np.array(values) for name, values in found.columns.items()}
    note = f"{rows.name}: a column a currency, in units per euro; close is {pair} computed from them"
    return replace(rows, lines=found.lines, days=found.dates, columns=columns, words={}, notes=(*rows.notes, note))
