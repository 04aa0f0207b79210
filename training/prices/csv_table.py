"""Split a CSV text into the cells of a table, without what is above and below it, and diagnose how it was split."""

import csv
import io
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from training.prices.date_parsing import read_stamp
from training.prices.numbers import count_decimals, read_numbers
from training.prices.row_checks import PriceError, describe_fault

SEPARATORS = ",;\t|"
_MAX_PREAMBLE = 60  # lines above the header; the Bank of Canada's list of series has forty
FEW = 10  # rows; with fewer, extra cells are single slips
MAX_COLUMNS = 100  # columns; of wider files only the used columns are read
_MAX_FOOTER = 5  # lines below the rows
MAX_CUT_SHARE = 0.005  # share of cells with as few decimals as the last; below it, that is no chance
MAX_NOTED_SHARE = 0.15  # share of such cells below which a round last cell gets a note
MIN_CUT_ROWS = 100
SPLIT_BY_COMMAS = (
    "decimal commas split the cells because the separator is a comma, too; export the file with semicolons between "
    "the cells or with decimal points"
)

IsHeader = Callable[[Sequence[str]], bool]
UsedColumns = Callable[[Sequence[str]], Sequence[int]]


class Grid(NamedTuple):
    """The cells of a table.

    Attributes:
        header: The titles; empty if the file has none.
        lines: The line number of each row; the file's first line is 1.
        rows: The cells of each row.
        before: The rows above the header.
        separator: The character between the cells.
        whole: True if the text ends with a line end.
        notes: Remarks on how the text was read.
    """

    header: list[str]
    lines: list[int]
    rows: list[list[str]]
    before: list[list[str]]
    separator: str
    whole: bool
    notes: tuple[str, ...] = ()


def read_grid(text: str, name: str, is_header: IsHeader, used_columns: UsedColumns | None = None) -> Grid:
    """Split a text into a grid.

    Args:
        text: The text, with plain line ends.
        name: The file's name, for messages.
        is_header: Returns True for a row of titles.
        used_columns: Returns the positions of the columns of a header that are read; the others are dropped before they
            take memory. None reads all.

    Raises PriceError if there are no rows.
    """
    lines, separator, notes = text.split("\n"), "", []
    if declared := re.fullmatch(r"sep=(.)", lines[0].strip('" '), re.IGNORECASE):
        separator, lines[0] = declared[1], ""
    comments = [i for i, line in enumerate(lines) if line.startswith(("#", "//"))]
    for i in comments:
        lines[i] = ""
    if comments:
        notes.append(f"{len(comments)} comment line{'' if len(comments) == 1 else 's'} left out")
    if not any(line.strip() for line in lines):
        has = "has nothing but comments" if comments else "is empty"
        raise PriceError([f"{name}: the file {has}; it needs a header such as Date,Close and one row for each day"])
    if not any(mark in line for mark in SEPARATORS for line in lines[:_MAX_PREAMBLE]):
        # Columns that are aligned with blanks.
        lines = [re.sub(r" {2,}", "\t", line.rstrip()) for line in lines]
    separator = separator or _detect_separator(lines, name, is_header)
    numbers, rows = _parse_cells("\n".join(lines), separator, name, is_header, used_columns)
    header, first, before = _find_header(rows, is_header)
    if before:
        notes.append(f"{len(before)} line{'' if len(before) == 1 else 's'} above the header left out")
    if first == len(rows):
        raise PriceError([f"{name}: has a header but no rows; it needs one row for each day"])
    grid = Grid(header, numbers[first:], rows[first:], before, separator, text.endswith("\n"))
    if (misread := _find_misread(grid, lines)) is not None:
        raise PriceError([f"{name}: {misread}"])
    keep = len(grid.rows)
    for row in reversed(grid.rows[-_MAX_FOOTER:]):  # lines of text below the rows, such as the source's name
        filled = [cell.strip() for cell in row if cell.strip()]
        if len(filled) != 1 or len(grid.header or grid.rows[0]) < 2 or not re.match(r"[^\W\d]|[(*©\"]", filled[0]):
            break
        keep -= 1
    if keep not in (0, len(grid.rows)):
        example = grid.rows[keep][0].strip()[:30]
        notes.append(f"{len(grid.rows) - keep} lines below the rows left out, such as {example!r}")
        grid = grid._replace(lines=grid.lines[:keep], rows=grid.rows[:keep])
    return grid._replace(notes=tuple(notes))


def _detect_separator(lines: Sequence[str], name: str, is_header: IsHeader) -> str:
    """Return the separator with which a line is a header.

    If there is none, it is the most frequent one in the first line or, below a title, in the other lines. Raises
    PriceError if there is none at all.
    """
    filled = [line for line in lines if line.strip()][:_MAX_PREAMBLE]
    if re.fullmatch(r'("[^"]*" +)+"[^"]*"', filled[0]) and any(filled[-1].count(mark) for mark in SEPARATORS):
        raise PriceError(
            [f"{name}: header and rows have different separators: blanks between the titles; use commas everywhere"]
        )
    widths = dict.fromkeys(SEPARATORS, 0)
    for separator in SEPARATORS:
        for line in filled:
            cells = [cell.strip().strip('"') for cell in line.split(separator)]
            if len(cells) > widths[separator] and is_header(cells):
                widths[separator] = len(cells)
    best = max(SEPARATORS, key=lambda separator: widths[separator])
    if widths[best] > 1:
        return best
    best = max(SEPARATORS, key=filled[0].count)
    if best in filled[0]:
        return best
    counts = {separator: statistics.median(line.count(separator) for line in filled) for separator in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: counts[separator])
    if counts[best] >= 1:
        return best
    first_line = filled[0][:40]
    raise PriceError(
        [f"{name}: not a price table, its first line is {first_line!r}; a header such as Date,Close is expected"]
    )


def _parse_cells(
    text: str, separator: str, name: str, is_header: IsHeader, used_columns: UsedColumns | None
) -> tuple[list[int], list[list[str]]]:
    """Return line numbers and cells of the rows that have any; from the header on, only of the used columns.

    Args:
        text: The text.
        separator: The character between the cells.
        name: The file's name, for messages.
        is_header: Returns True for a row of titles.
        used_columns: Returns the positions of the columns of a header that are read; None reads all.

    Raises PriceError if the text is not CSV.
    """
    lines, rows = [], []
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    started, keep = 1, None
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                if keep is None and used_columns is not None and len(row) > MAX_COLUMNS and is_header(row):
                    keep, width = used_columns(row), len(row)
                if keep is not None:
                    # A row that is too short or too long remains so, to be reported as a fault.
                    full = len(row) >= width
                    row = [row[i] for i in (keep if full else keep[:-1]) if i < len(row)] + row[width:]
                lines.append(started)
                rows.append(row)
            started = reader.line_num + 1
    except csv.Error as error:
        cure = "close the quotes that it opens" if '"' in text else "save it as CSV"
        raise PriceError([f"{name}: not CSV from row {started} on ({error}); {cure}"]) from error
    return lines, rows


def _find_header(rows: list[list[str]], is_header: IsHeader) -> tuple[list[str], int, list[list[str]]]:
    """Return the header, the position of the first row below it, and the rows above or in between.

    The header is a row with the title of a date column, else the row above the first one that begins with a date.
    """
    at = next((i for i, row in enumerate(rows[:_MAX_PREAMBLE]) if len(row) > 1 and is_header(row)), None)
    first = next((i for i, row in enumerate(rows[:_MAX_PREAMBLE]) if read_stamp(row[0]) is not None), None)
    if at is None and first == 0:
        return [], 0, []
    if at is None and first is not None and len(rows[first - 1]) == len(rows[first]) > 1:
        return rows[first - 1], first, rows[: first - 1]
    at = at or 0
    below = at + 1
    number = re.compile(r"[^\w]*\d[\d.,:/ -]*")
    while below < min(len(rows) - FEW, at + FEW) and not any(
        number.fullmatch(cell.strip()) or read_stamp(cell) is not None for cell in rows[below]
    ):
        below += 1  # an explanation of the titles
    return (rows[at] if rows else []), min(below, len(rows)), rows[:at] + rows[at + 1 : below]


def _find_misread(grid: Grid, lines: Sequence[str]) -> str | None:
    """Describe the fault of a table whose cells were not separated, with the cure; None if there is no fault."""
    width, head = len(grid.header), grid.rows[:FEW]
    filled = [line.strip() for line in lines[:_MAX_PREAMBLE] if line.strip()]
    if all(line[0] == line[-1] == '"' and line.count('"') == 2 and len(line) > 2 for line in filled) and (
        inner := next((mark for mark in SEPARATORS if all(mark in line for line in filled)), None)
    ):
        mark_shown = "tabs" if inner == "\t" else f"{inner!r}"
        return f"each line is one quoted cell, with {mark_shown} inside; export it without quotes around lines"
    if width and all(len(row) == 1 for row in head):
        titles = width if width > 1 else len(grid.header[0].split())
        other = next((mark for mark in SEPARATORS if all(row[0].count(mark) >= 1 for row in head)), None)
        if titles > 1 and other is not None:
            return (
                f"header and rows have different separators: {grid.separator!r} between the titles, {other!r} between "
                "the cells; use the same one everywhere"
            )
    return None


def is_split_by_commas(grid: Grid) -> bool:
    """Return True if decimal commas split the cells: most rows are too long, and the extra cells are digits."""
    if grid.separator != "," or len(grid.rows) < FEW:
        return False
    width = len(grid.header)
    split = [
        row for row in grid.rows if len(row) > width and all(re.fullmatch(r"\d*", cell.strip()) for cell in row[2::2])
    ]
    return len(split) > len(grid.rows) / 2


def find_row_faults(name: str, grid: Grid) -> Iterator[str]:
    """Yield the faults of the rows with more filled cells than the header and of the rows with fewer cells."""
    width = len(grid.header)
    # A header that ends with separators has empty titles at its end, whose cells may be missing.
    needed = max((i for i, title in enumerate(grid.header, 1) if title.strip()), default=0)
    wide = [i for i, row in enumerate(grid.rows) if len(row) > width and any(cell.strip() for cell in row[width:])]
    short = [i for i, row in enumerate(grid.rows) if len(row) < needed]
    for places, noun, cure in (
        (wide, "too long row", "quote cells that contain the separator"),
        (short, "too short row", "the file may be cut off: complete the row or drop it"),
    ):
        if places:
            counts = [(grid.lines[i], len(grid.rows[i])) for i in places]
            rows = [f"row {line} ({n} cell{'' if n == 1 else 's'}, the header has {width})" for line, n in counts]
            yield describe_fault(name, noun, rows, cure)


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
