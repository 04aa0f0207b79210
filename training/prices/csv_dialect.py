"""The cells of a CSV text: its separator, its header, and what stands before and after the rows."""

import csv
import io
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from training.prices.date_parsing import read_stamp
from training.prices.row_checks import PriceError

SEPARATORS = ",;\t|"
_AHEAD = 60  # lines before the header, at most: the Bank of Canada's list of series has forty
FEW = 10  # rows: in fewer, cells that are too many are single slips
MANY = 100  # columns; of wider files only those that are used are read
_FOOT = 5  # lines after the rows, at most


IsHeader = Callable[[Sequence[str]], bool]
Used = Callable[[Sequence[str]], Sequence[int]]


class Grid(NamedTuple):
    """`header` is empty where the file has none; `lines` are the line numbers of `rows` (the file's first is 1),
    `before` what stands above the header, `whole` whether the text ends with a line's end."""

    header: list[str]
    lines: list[int]
    rows: list[list[str]]
    before: list[list[str]]
    separator: str
    whole: bool
    notes: tuple[str, ...] = ()


def read_grid(text: str, name: str, is_header: IsHeader, used: Used | None = None) -> Grid:
    """The grid of a text; `is_header` knows the names that a row of titles has.

    `used` says which columns of a header are read; the others are left out before they take memory.

    Raises PriceError where there are no rows to look at.
    """
    lines, told, notes = text.split("\n"), "", []
    comments = 0
    for i, line in enumerate(lines):
        if i == 0 and (sep := re.fullmatch(r"sep=(.)", line.strip('" '), re.IGNORECASE)):
            told, lines[i] = sep[1], ""
        elif line.startswith(("#", "//")):
            lines[i], comments = "", comments + 1
    if comments:
        notes.append(f"{comments} comment line{'' if comments == 1 else 's'} left out")
    if not any(line.strip() for line in lines):
        has = "has nothing but comments" if comments else "is empty"
        raise PriceError([f"{name}: the file {has}; it needs a header such as Date,Close and one row a day"])
    if not any(mark in line for mark in SEPARATORS for line in lines[:_AHEAD]):
        lines = [
            re.sub(r" {2,}", "\t", line.rstrip()) for line in lines
        ]  # columns that are put below each other by blanks
    separator = told or _separator(lines, name, is_header)
    numbers, rows = _cells("\n".join(lines), separator, name, is_header, used)
    grid = _headed(numbers, rows, separator, is_header)
    if grid.before:
        count = len(grid.before)
        notes.append(f"{count} line{'' if count == 1 else 's'} above the header left out")
    grid = grid._replace(whole=text.endswith("\n"))
    if not grid.rows:
        raise PriceError([f"{name}: has a header and no rows; it needs one row a day"])
    if (words := _misread(grid, lines)) is not None:
        raise PriceError([f"{name}: {words}"])
    return _without_foot(grid._replace(notes=tuple(notes)))


def _headed(numbers: list[int], rows: list[list[str]], separator: str, is_header: IsHeader) -> Grid:
    """The grid with its header: a row with the title of a date, else the row above the first that begins with one."""
    at = next((i for i, row in enumerate(rows[:_AHEAD]) if len(row) > 1 and is_header(row)), None)
    first = next((i for i, row in enumerate(rows[:_AHEAD]) if read_stamp(row[0]) is not None), None)
    if at is None and first == 0:
        return Grid([], numbers, rows, [], separator, True)
    if at is None and first is not None and len(rows[first - 1]) == len(rows[first]) > 1:
        return Grid(rows[first - 1], numbers[first:], rows[first:], rows[: first - 1], separator, True)
    at = at or 0
    below = at + 1
    while below < min(len(rows) - FEW, at + FEW) and not any(map(_is_value, rows[below])):
        below += 1  # what the titles mean, in words
    return Grid(
        rows[at] if rows else [], numbers[below:], rows[below:], rows[:at] + rows[at + 1 : below], separator, True
    )


def _is_value(cell: str) -> bool:
    return re.fullmatch(r"[^\w]*\d[\d.,:/ -]*", cell.strip()) is not None or read_stamp(cell) is not None


def _misread(grid: Grid, lines: Sequence[str]) -> str | None:
    """The fault of a table whose cells are not apart, in words with the cure."""
    width, head = len(grid.header), grid.rows[:FEW]
    filled = [line.strip() for line in lines[:_AHEAD] if line.strip()]
    if all(line[0] == line[-1] == '"' and line.count('"') == 2 and len(line) > 2 for line in filled) and (
        inner := next((mark for mark in SEPARATORS if all(mark in line for line in filled)), None)
    ):
        shown = "tabs" if inner == "\t" else f"{inner!r}"
        return (
            f"each line is one quoted cell, with {shown} inside the quotes; export it without quotes around the lines"
        )
    if width and all(len(row) == 1 for row in head):
        titles = width if width > 1 else len(grid.header[0].split())
        other = next((mark for mark in SEPARATORS if all(row[0].count(mark) >= 1 for row in head)), None)
        if titles > 1 and other is not None:
            return (
                f"header and rows have different separators: {grid.separator!r} between the titles, {other!r} between "
                "the cells; write one of them everywhere"
            )
    return None


def _separator(lines: Sequence[str], name: str, is_header: IsHeader) -> str:
    """That under which a line is a header; else the most frequent in the first line, or below titles in the others."""
    filled = [line for line in lines if line.strip()][:_AHEAD]
    if re.fullmatch(r'("[^"]*" +)+"[^"]*"', filled[0]) and any(filled[-1].count(mark) for mark in SEPARATORS):
        raise PriceError(
            [f"{name}: header and rows have different separators: blanks between the titles; write commas everywhere"]
        )
    found = {
        separator: max((len(cells) for line in filled if is_header(cells := _split(line, separator))), default=0)
        for separator in SEPARATORS
    }
    best = max(SEPARATORS, key=lambda separator: found[separator])
    if found[best] > 1:
        return best
    best = max(SEPARATORS, key=filled[0].count)
    if best in filled[0]:
        return best
    best = max(SEPARATORS, key=lambda separator: statistics.median(line.count(separator) for line in filled))
    if statistics.median(line.count(best) for line in filled) >= 1:
        return best
    shown = filled[0][:40]
    raise PriceError([f"{name}: no CSV file, its first line is {shown!r}; it needs a header such as Date,Close"])


def _split(line: str, separator: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]


def _cells(
    text: str, separator: str, name: str, is_header: IsHeader, used: Used | None
) -> tuple[list[int], list[list[str]]]:
    """Line numbers and cells of the rows that have any; from the header on, of the columns that are used."""
    lines, rows = [], []
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    started, keep = 1, None
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                if keep is None and used is not None and len(row) > MANY and is_header(row):
                    keep, width = used(row), len(row)
                if keep is not None:
                    # A row that is too short or too long stays so.
                    full = len(row) >= width
                    row = [row[i] for i in (keep if full else keep[:-1]) if i < len(row)] + row[width:]
                lines.append(started)
                rows.append(row)
            started = reader.line_num + 1
    except csv.Error as error:
        cure = "close the quotes that it opens" if '"' in text else "save it as CSV"
        raise PriceError([f"{name}: no CSV from row {started} on ({error}); {cure}"]) from error
    return lines, rows


def _without_foot(grid: Grid) -> Grid:
    """The grid without lines of words below its rows, such as the source's name."""
    keep = len(grid.rows)
    for row in reversed(grid.rows[-_FOOT:]):
        words = [cell.strip() for cell in row if cell.strip()]
        if len(words) != 1 or len(grid.header or grid.rows[0]) < 2 or not re.match(r"[^\W\d]|[(*©\"]", words[0]):
            break
        keep -= 1
    if keep in (0, len(grid.rows)):
        return grid
    note = f"{len(grid.rows) - keep} lines below the rows left out, such as {grid.rows[keep][0].strip()[:30]!r}"
    return grid._replace(lines=grid.lines[:keep], rows=grid.rows[:keep], notes=(*grid.notes, note))


def odd_rows(grid: Grid) -> tuple[list[str], list[str]]:
    """Rows with more filled cells than the header and rows with fewer cells, in words."""
    width = len(grid.header)
    needed = width - sum(1 for _ in _unnamed_end(grid.header))
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


def _unnamed_end(header: Sequence[str]) -> Iterator[str]:
    """The titles at the end that are empty, of a header that ends with separators."""
    for title in reversed(header):
        if title.strip():
            return
        yield title


def split_by_commas(grid: Grid) -> bool:
    """Whether decimal commas split the cells: most rows are too long, and what is too much are digits."""
    if grid.separator != "," or len(grid.rows) < FEW:
        return False
    width = len(grid.header)
    split = [
        row for row in grid.rows if len(row) > width and all(re.fullmatch(r"\d*", cell.strip()) for cell in row[2::2])
    ]
    return len(split) > len(grid.rows) / 2
