"""The cells of a CSV text: its separator, its header, and what stands before and after the rows."""

import csv
import io
import re
import statistics
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from training.prices.checks import PriceError
from training.prices.stamps import read_stamp

SEPARATORS = ",;\t|"
_AHEAD = 30  # lines before the header, at most: Bundesbank's metadata are a dozen
FEW = 10  # rows: in fewer, cells that are too many are single slips
_FOOT = 5  # lines after the rows, at most


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


def plain(title: str) -> str:
    """A column's title as a name: lower-case words joined by underscores, without accents."""
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", title) if not unicodedata.combining(letter))
    return re.sub(r"\W+", "_", letters.lower()).strip("_")


def read_grid(text: str, name: str, is_header: Callable[[Sequence[str]], bool]) -> Grid:
    """The grid of a text; `is_header` knows the names that a row of titles has.

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
    separator = told or _separator(lines, name, is_header)
    numbers, rows = _cells("\n".join(lines), separator, name)
    at = next((i for i, row in enumerate(rows[:_AHEAD]) if len(row) > 1 and is_header(row)), None)
    if at is None and rows and read_stamp(rows[0][0]) is not None:
        grid = Grid([], numbers, rows, [], separator, text.endswith("\n"))
    else:
        at = at or 0
        if at:
            notes.append(f"{at} line{'' if at == 1 else 's'} above the header left out")
        header = rows[at] if rows else []
        grid = Grid(header, numbers[at + 1 :], rows[at + 1 :], rows[:at], separator, text.endswith("\n"))
    if not grid.rows:
        raise PriceError([f"{name}: has a header and no rows; it needs one row a day"])
    return _without_foot(grid._replace(notes=tuple(notes)))


def _separator(lines: Sequence[str], name: str, is_header: Callable[[Sequence[str]], bool]) -> str:
    """That under which a line is a header; else the most frequent in the first line, or below titles in the others."""
    filled = [line for line in lines if line.strip()][:_AHEAD]
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


def _cells(text: str, separator: str, name: str) -> tuple[list[int], list[list[str]]]:
    """Line numbers and cells of the rows that have any."""
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
