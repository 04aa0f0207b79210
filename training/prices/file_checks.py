"""Check how a price file was read: odd rows, cells without a date, split numbers, and an end that was cut off."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from training.prices.csv_dialect import Grid, describe_odd_rows, is_split_by_commas
from training.prices.date_parsing import DateColumn
from training.prices.numbers import Numbers, count_decimals, read_numbers
from training.prices.row_checks import describe_fault

MAX_CUT_SHARE = 0.005  # share of cells with as few decimals as the last; below it, that is no chance
MAX_NOTED_SHARE = 0.15  # share of such cells below which a round last cell gets a note
MIN_CUT_ROWS = 100
SPLIT_BY_COMMAS = (
    "decimal commas split the cells because the separator is a comma, too; export the file with semicolons between "
    "the cells or with decimal points"
)


def diagnose_table(grid: Grid, dates: DateColumn, numbers: Mapping[str, Numbers]) -> tuple[str, ...]:
    diagnoses = [dates.diagnosis] if dates.diagnosis else []
    if is_split_by_commas(grid):
        diagnoses.append(SPLIT_BY_COMMAS)
    elif "close" in numbers and numbers["close"].diagnosis:
        diagnoses.append(f"close: {numbers['close'].diagnosis}")
    return tuple(diagnoses)


def find_row_faults(name: str, grid: Grid) -> Iterator[str]:
    wide, short = describe_odd_rows(grid)
    if wide:
        yield describe_fault(name, "too long row", wide, "quote cells that contain the separator")
    if short:
        yield describe_fault(name, "too short row", short, "the file may be cut off: complete the row or drop it")


def check_end(name: str, grid: Grid) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a fault if the file ends within its last number, and a note if it may.

    This is judged by the row's last cell: there is no line end, and it has few digits. A round number alone is not a
    fault, as many programs write no zeros at the end.
    """
    last = grid.rows[-1]
    if grid.whole or len(grid.rows) < MIN_CUT_ROWS or len(last) < len(grid.header) or not last[-1].strip():
        return (), ()
    column = [row[len(last) - 1].strip() for row in grid.rows if len(row) >= len(last)]
    cells = [cell for cell, value in zip(column, read_numbers(column, True).values, strict=True) if np.isfinite(value)]
    if not cells or cells[-1] != last[-1].strip():
        return (), ()
    last_decimals = count_decimals(cells[-1])
    share = sum(count_decimals(cell) <= last_decimals for cell in cells[:-1]) / max(len(cells) - 1, 1)
    end = f"{name}: the last row, {grid.lines[-1]}, ends with {cells[-1]} and without a line end"
    if share < MAX_CUT_SHARE or cells[-1][-1] in ".,":
        cure = "like a file that was cut off; download it again, or add the line end if it is complete"
        return (f"{end}, {cure}",), ()
    return (), (f"{end}; check that the file is not cut off",) if share < MAX_NOTED_SHARE else ()


def find_date_faults(name: str, lines: Sequence[int], cells: Sequence[str], dates: DateColumn) -> list[str]:
    """Return the faults of cells without a date.

    Args:
        name: The file's name, for messages.
        lines: The line number of each row.
        cells: The cells of the dates.
        dates: The parsed dates.
    """
    rows = [(line, cell, day) for line, cell, day in zip(lines, cells, dates.days, strict=True)]
    missing = [f"row {line}" for line, cell, _ in rows if not cell]
    unreadable = [f"row {line} ({cell[:20]!r})" for line, cell, day in rows if cell and day is None]
    faults = [describe_fault(name, "missing date", missing, "give each row a date or drop it")] if missing else []
    if unreadable and dates.ambiguous:
        cure = "write dates as 2024-01-31, or give the order of day and month, such as --date-format %d/%m/%Y"
        faults.append(describe_fault(name, "ambiguous date", unreadable, cure))
    elif unreadable:
        cure = "write dates as 2024-01-31, or give their format with --date-format"
        faults.append(describe_fault(name, "unreadable date", unreadable, cure))
    return faults
