"""Split a CSV text into cells: detect its separator and its header, and drop what is above and below the table."""

import csv
import io
import re
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from training.prices.date_parsing import read_stamp
from training.prices.row_checks import PriceError

SEPARATORS = ",;\t|"
_MAX_PREAMBLE = 60  # lines above the header; the Bank of Canada's list of series has forty
FEW = 10  # rows; with fewer, extra cells are single slips
MAX_COLUMNS = 100  # columns; of wider files only the used columns are read
_MAX_FOOTER = 5  # lines below the rows


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
    lines, declared, notes = text.split("\n"), "", []
    comments = 0
    for i, line in enumerate(lines):
        if i == 0 and (sep := re.fullmatch(r"sep=(.)", line.strip('" '), re.IGNORECASE)):
            declared, lines[i] = sep[1], ""
        elif line.startswith(("#", "//")):
            lines[i], comments = "", comments + 1
    if comments:
        notes.append(f"{comments} comment line{'' if comments == 1 else 's'} left out")
    if not any(line.strip() for line in lines):
        has = "has nothing but comments" if comments else "is empty"
        raise PriceError([f"{name}: the file {has}; it needs a header such as Date,Close and one row for each day"])
    if not any(mark in line for mark in SEPARATORS for line in lines[:_MAX_PREAMBLE]):
        # Columns that are aligned with blanks.
        lines = [re.sub(r" {2,}", "\t", line.rstrip()) for line in lines]
    separator = declared or _detect_separator(lines, name, is_header)
    numbers, rows = _parse_cells("\n".join(lines), separator, name, is_header, used_columns)
    grid = _split_header(numbers, rows, separator, is_header)
    if grid.before:
        count = len(grid.before)
        notes.append(f"{count} line{'' if count == 1 else 's'} above the header left out")
    grid = grid._replace(whole=text.endswith("\n"))
    if not grid.rows:
        raise PriceError([f"{name}: has a header but no rows; it needs one row for each day"])
    if (misread := _find_misread(grid, lines)) is not None:
        raise PriceError([f"{name}: {misread}"])
    return _drop_footer(grid._replace(notes=tuple(notes)))


def _split_header(numbers: list[int], rows: list[list[str]], separator: str, is_header: IsHeader) -> Grid:
    """Separate the header from the rows.

    The header is a row with the title of a date column, else the row above the first one that begins with a date.

    Args:
        numbers: The line number of each row.
        rows: The cells of each row.
        separator: The character between the cells.
        is_header: Returns True for a row of titles.
    """
    at = next((i for i, row in enumerate(rows[:_MAX_PREAMBLE]) if len(row) > 1 and is_header(row)), None)
    first = next((i for i, row in enumerate(rows[:_MAX_PREAMBLE]) if read_stamp(row[0]) is not None), None)
    if at is None and first == 0:
        return Grid([], numbers, rows, [], separator, True)
    if at is None and first is not None and len(rows[first - 1]) == len(rows[first]) > 1:
        return Grid(rows[first - 1], numbers[first:], rows[first:], rows[: first - 1], separator, True)
    at = at or 0
    below = at + 1
    while below < min(len(rows) - FEW, at + FEW) and not any(map(_is_value, rows[below])):
        below += 1  # an explanation of the titles
    return Grid(
        rows[at] if rows else [], numbers[below:], rows[below:], rows[:at] + rows[at + 1 : below], separator, True
    )


def _is_value(cell: str) -> bool:
    return re.fullmatch(r"[^\w]*\d[\d.,:/ -]*", cell.strip()) is not None or read_stamp(cell) is not None


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
    widths = {
        separator: max(
            (
                len(cells)
                for line in filled
                if is_header(cells := [cell.strip().strip('"') for cell in line.split(separator)])
            ),
            default=0,
        )
        for separator in SEPARATORS
    }
    best = max(SEPARATORS, key=lambda separator: widths[separator])
    if widths[best] > 1:
        return best
    best = max(SEPARATORS, key=filled[0].count)
    if best in filled[0]:
        return best
    best = max(SEPARATORS, key=lambda separator: statistics.median(line.count(separator) for line in filled))
    if statistics.median(line.count(best) for line in filled) >= 1:
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


def _drop_footer(grid: Grid) -> Grid:
    """Drop lines of text below the rows, such as the source's name."""
    keep = len(grid.rows)
    for row in reversed(grid.rows[-_MAX_FOOTER:]):
        filled = [cell.strip() for cell in row if cell.strip()]
        if len(filled) != 1 or len(grid.header or grid.rows[0]) < 2 or not re.match(r"[^\W\d]|[(*©\"]", filled[0]):
            break
        keep -= 1
    if keep in (0, len(grid.rows)):
        return grid
    note = f"{len(grid.rows) - keep} lines below the rows left out, such as {grid.rows[keep][0].strip()[:30]!r}"
    return grid._replace(lines=grid.lines[:keep], rows=grid.rows[:keep], notes=(*grid.notes, note))


def describe_odd_rows(grid: Grid) -> tuple[list[str], list[str]]:
    """Describe the rows with more filled cells than the header and the rows with fewer cells."""
    width = len(grid.header)
    # A header that ends with separators has empty titles at its end, whose cells may be missing.
    needed = max((i for i, title in enumerate(grid.header, 1) if title.strip()), default=0)
    pairs = list(zip(grid.lines, grid.rows, strict=True))
    wide = [
        f"row {line} ({len(row)} cells, the header has {width})"
        for line, row in pairs
        if any(cell.strip() for cell in row[width:])
    ]
    short = [
        f"row {line} ({len(row)} cell{'' if len(row) == 1 else 's'}, the header has {width})"
        for line, row in pairs
        if len(row) < needed
    ]
    return wide, short


def is_split_by_commas(grid: Grid) -> bool:
    """Return True if decimal commas split the cells: most rows are too long, and the extra cells are digits."""
    if grid.separator != "," or len(grid.rows) < FEW:
        return False
    width = len(grid.header)
    split = [
        row for row in grid.rows if len(row) > width and all(re.fullmatch(r"\d*", cell.strip()) for cell in row[2::2])
    ]
    return len(split) > len(grid.rows) / 2
