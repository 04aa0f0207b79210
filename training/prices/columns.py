"""Which columns of a grid are the dates and the closes, and what the others are called."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from training.prices.checks import PriceError
from training.prices.forms import DATE_NAMES, OTHER_NAMES, Form
from training.prices.grid import Grid, plain
from training.prices.numbers import Numbers
from training.prices.reading import Reading
from training.prices.stamps import read_stamp

_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d*)?)?|\d{6}", re.ASCII)
_NO_CLOSE = {"open", "high", "low", "volume"}


def with_header(grid: Grid, name: str, reading: Reading) -> Grid:
    """The grid with a header; columns are numbered where the file has none."""
    if grid.header:
        return _with_index(grid)
    width = Counter(len(row) for row in grid.rows).most_common(1)[0][0]
    if width == 2:
        return grid._replace(header=["date", "close"], notes=(*grid.notes, "no header; read as date and close"))
    if reading.close_column is None:
        raise PriceError(
            [
                f"{name}: has no header and {width} columns; write one above the rows, such as Date,Close, or say "
                "which column has the closing prices with --close-column 5 (the first is 1)"
            ]
        )
    return grid._replace(header=["date", *(f"column_{i}" for i in range(2, width + 1))])


def _with_index(grid: Grid) -> Grid:
    """The grid with its first column called date where that has no title and holds dates, as an index is written."""
    names = [plain(title) for title in grid.header]
    unnamed = names[0] in ("", "unnamed_0", "index")
    if not unnamed or not DATE_NAMES.isdisjoint(names) or read_stamp(grid.rows[0][0]) is None:
        return grid
    return grid._replace(
        header=["date", *grid.header[1:]], notes=(*grid.notes, "the first column, which has no title, read as date")
    )


def name_columns(
    header: Sequence[str], name: str, form: Form | None, reading: Reading
) -> tuple[dict[str, int], list[str], list[str]]:
    """Where each column stands, faults, notes. Columns without a name (trailing commas) are left out."""
    at: dict[str, int] = {}
    faults, notes = [], []
    for position, title in enumerate(header):
        column = plain(title)
        column = form.names.get(column, column) if form is not None else column
        if column in at:
            faults.append(f"{name}: two columns named {column}; keep one or rename it")
        elif column.isascii() and column:  # others are of no use to a price file, whose names are ASCII
            at[column] = position
    if form is not None and form.names:
        notes.append(f"{name}: read as the form of {form.name}, with {header[at['close']].strip()} as close")
    elif form is not None and form.arrange is not None:
        notes.append(f"{name}: read as the form of {form.name}")
    for column, asked in (("date", reading.date_column), ("close", reading.close_column)):
        if asked is not None:
            at = _asked(at, header, column, asked, name)
            continue
        found = [other for other in OTHER_NAMES[column] if other in at]
        if column not in at and len(found) == 1:
            at[column] = at.pop(found[0])
            notes.append(f"{name}: column {found[0]} read as {column}")
    if "date" not in at:
        faults.append(
            f"{name}: no column date; rename the column of dates to date; columns found: {', '.join(at)}; "
            "--date-column names another"
        )
    return at, faults, notes


def _asked(at: Mapping[str, int], header: Sequence[str], column: str, asked: str, name: str) -> dict[str, int]:
    """The places with `column` at the title or number that an option names."""
    titles = [title.strip() for title in header]
    position = titles.index(asked) if asked in titles else at.get(plain(asked))
    if position is None and asked.isdecimal() and 1 <= int(asked) <= len(header):
        position = int(asked) - 1
    if position is None:
        raise PriceError([f"{name}: --{column}-column: no column {asked!r}; choose among {', '.join(titles[:50])}"])
    others = {other: place for other, place in at.items() if place != position and other != column}
    return {**others, column: position}


def date_cells(texts: dict[str, list[str]]) -> list[str] | None:
    """The cells of dates, taken out of the columns, with those of a column of times where there is one."""
    cells = texts.pop("date", None)
    times = texts.get("time")
    if cells is None or times is None or not all(_CLOCK.fullmatch(time) for time in times if time):
        return cells
    del texts["time"]
    return [f"{cell} {time}".strip() for cell, time in zip(cells, times, strict=True)]


def only_close(numbers: Mapping[str, Numbers]) -> str | None:
    """The only column with numbers where none is called close: that is what it must be."""
    numeric = [column for column, found in numbers.items() if np.isfinite(found.values).any()]
    return numeric[0] if "close" not in numbers and len(numeric) == 1 and numeric[0] not in _NO_CLOSE else None
