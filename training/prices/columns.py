"""Choose the columns of a grid: find the dates and the prices, and name the others."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from training.prices.csv_table import MAX_COLUMNS, Grid
from training.prices.date_parsing import read_stamp
from training.prices.formats import DATES, FIELDS, PRICES, pair_field, parse_field, parse_series, plain_name
from training.prices.numbers import MISSING, Numbers
from training.prices.read_options import Reading
from training.prices.row_checks import PriceError

HEAD = 10  # rows that are examined to identify a column without a known title
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d*)?)?(\s?[AaPp]\.?[Mm]\.?)?|\d{6}|\d{4}|0", re.ASCII)
_BARS = ("date", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Columns:
    """The position of each column in the grid.

    Attributes:
        at: Position by column name.
        mids: For each price that is the mean of two columns, their positions (bid, ask).
        inverse: True if the close is one over the column.
        faults: What is wrong with the columns, one sentence each.
        notes: What was taken for what, one sentence each.
    """

    at: Mapping[str, int]
    mids: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    inverse: bool = False
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def add_header(grid: Grid, name: str, reading: Reading) -> Grid:
    """Return the grid with a header; columns are numbered if the file has none.

    The first column is called date if it has dates and no title, as an index is written.
    """
    if grid.header:
        names = [plain_name(title) for title in grid.header]
        first = grid.rows[0][0] if grid.rows[0] else ""
        unnamed = names[0] in ("", "unnamed_0", "index") and not any(FIELDS.get(name) in DATES for name in names)
        if not unnamed or read_stamp(first) is None:
            return grid
        note = "the first column, which has no title, read as date"
        return grid._replace(header=["date", *grid.header[1:]], notes=(*grid.notes, note))
    width = Counter(len(row) for row in grid.rows).most_common(1)[0][0]
    if width == 2:
        return grid._replace(header=["date", "close"], notes=(*grid.notes, "no header; read as date and close"))
    if reading.close_column is None:
        if width in (5, 6) and _are_bars(grid.rows):
            note = "no header; read as date, open, high, low and close, which fits high and low"
            return grid._replace(header=list(_BARS[:width]), notes=(*grid.notes, note))
        raise PriceError(
            [
                f"{name}: has no header and {width} columns; add one above the rows, such as Date,Close, or give "
                "the number of the column of closing prices with --close-column 5 (the first column is 1)"
            ]
        )
    return grid._replace(header=["date", *(f"column_{i}" for i in range(2, width + 1))])


def _are_bars(rows: Sequence[Sequence[str]]) -> bool:
    """Return True if the second to fifth cells of every row are an open, high, low and close that change."""
    try:
        prices = np.array([[float(cell.replace(",", ".")) for cell in row[1:5]] for row in rows if len(row) > 4])
    except ValueError:
        return False
    if len(prices) < HEAD:
        return False
    start, high, low, close = prices.T
    inside = (low <= np.minimum(start, close)) & (np.maximum(start, close) <= high)
    return bool(inside.all() and (low < high).any())


def choose_columns(grid: Grid, name: str, pair: str, reading: Reading, declared: Sequence[str] = ()) -> Columns:
    """Find the columns of a grid by their titles, by the options and, where necessary, by their contents.

    A column that is named after the pair is its price. Other columns are left out if their title is repeated, and, in a
    file of more than MAX_COLUMNS columns, if they are neither a price nor `declared`.

    Args:
        grid: The grid, with a header.
        name: The file's name, for messages.
        pair: The currency pair.
        reading: The user's options.
        declared: Columns that a model reads.

    Raises PriceError if an option names a column that does not exist.
    """
    titles = [plain_name(title) for title in grid.header]
    faults, notes = [], []
    places: dict[str, list[int]] = {}
    for position, title in enumerate(titles):
        field, side = parse_field(title)
        places.setdefault(" ".join(word for word in (side, field) if word) or title, []).append(position)
    at = {title: positions[0] for title, positions in places.items() if len(positions) == 1}
    title_counts = Counter(titles)
    repeated = [i for positions in places.values() if len(positions) > 1 for i in positions]
    at |= {titles[i]: i for i in repeated if title_counts[titles[i]] == 1}
    date = _find_date_column(places, grid)
    mids, inverse = _find_price_columns(at, places, grid.header, pair)
    for column, option in (("date", reading.date_column), ("close", reading.close_column)):
        if option is not None:
            position = _find_column(option, grid.header, column, name)
            mids.pop(column, None)
            at = {title: place for title, place in at.items() if place != position} | {column: position}
            date, inverse = (position, inverse) if column == "date" else (date if date != position else None, False)
        elif column == "close" and len(places.get("close", ())) > 1 and "close" not in mids:
            faults.append(f"{name}: two columns named close; keep one or rename it")
            at["close"] = places["close"][0]
    used = {"date", "time", "volume", *PRICES, *declared}
    names = {title if title in used else titles[place]: place for title, place in at.items()}
    # Price files have ASCII names; a trailing comma makes an empty title.
    at = {
        title: place
        for title, place in names.items()
        if title and title.isascii() and (title in used or len(grid.header) <= MAX_COLUMNS)
    }
    if date is None:
        titles_found = ", ".join(list(at)[:50])
        faults.append(
            f"{name}: no column date; rename the column of dates to date; columns found: {titles_found}; "
            "--date-column selects another"
        )
    else:
        at = {"date": date, **{title: place for title, place in at.items() if title != "date" and place != date}}
        if titles[date] != "date" and reading.date_column is None:
            notes.append(f"{name}: column {titles[date] or grid.header[date].strip()} read as date")
    close = at.get("close")
    if "close" in mids:
        notes.append(f"{name}: prices are the mean of bid and ask")
    elif close is not None and titles[close] != "close" and reading.close_column is None:
        prefix = "one over " if inverse else ""
        notes.append(f"{name}: {prefix}column {grid.header[close].strip()} read as close")
    return Columns(at, mids, inverse, tuple(faults), tuple(notes))


def _find_date_column(places: Mapping[str, Sequence[int]], grid: Grid) -> int | None:
    """Return the position of the date column: by its title, or the only column that has nothing but dates."""
    for kind in DATES:
        positions = places.get(kind, ())
        exact = [i for i in positions if plain_name(grid.header[i]) == kind]
        with_dates = [i for i in positions if i < len(grid.rows[0]) and read_stamp(grid.rows[0][i]) is not None]
        if positions:
            return next(iter([*exact, *with_dates, *positions]))
    head = [row for row in grid.rows[:HEAD] if any(row)]
    dated = [
        i
        for i in range(len(grid.header))
        if head and all(i < len(row) and read_stamp(row[i]) is not None for row in head)
    ]
    # Volumes of eight digits look like dates, too.
    return dated[0] if len(dated) == 1 and len(head) == HEAD else None


def _find_price_columns(
    at: dict[str, int], places: Mapping[str, Sequence[int]], header: Sequence[str], pair: str
) -> tuple[dict[str, tuple[int, int]], bool]:
    """Name the price columns in `at`, which is changed in place.

    Args:
        at: Position by column name.
        places: All positions by field.
        header: The titles.
        pair: The currency pair.

    Returns the positions of bid and ask for each price that is their mean, and whether the close is inverse.
    """
    if "close" not in places:
        for inverse in (False, True):
            pair_fields = [(pair_field(title, pair, inverse), i) for i, title in enumerate(header)]
            closes = [i for field, i in pair_fields if field == "close"]
            if len(closes) == 1:
                fields = {field: i for field, i in pair_fields if field} if not inverse else {"close": closes[0]}
                for title in [title for title, i in at.items() if title in PRICES or i in fields.values()]:
                    del at[title]  # a price of another instrument, or the same by its own title
                at.update(fields)
                return {}, inverse
    mids: dict[str, tuple[int, int]] = {}
    if "close" not in places and "mid close" in at:
        at.update({field: at.pop(f"mid {field}") for field in PRICES if f"mid {field}" in at})
    elif "close" not in places and {"bid close", "ask close"} <= at.keys():
        for field in PRICES:
            if f"bid {field}" in at and f"ask {field}" in at:
                mids[field] = at.pop(f"bid {field}"), at.pop(f"ask {field}")
    elif "close" not in places and "last" not in places:
        side = next((side for side in ("bid", "ask") if f"{side} close" in at), "")
        at.update({field: at.pop(f"{side} {field}") for field in PRICES if f"{side} {field}" in at})
    if "close" not in places and "close" not in at and len(places.get("last", ())) == 1:
        at["close"] = at.pop("last")
    return mids, False


def used_columns(header: Sequence[str], pair: str, reading: Reading, declared: Sequence[str]) -> list[int]:
    """Return the positions of the columns of a wide file that may be needed.

    Args:
        header: The titles.
        pair: The currency pair.
        reading: The user's options.
        declared: Columns that a model reads.
    """
    options = {reading.date_column, reading.close_column}
    return [
        i
        for i, title in enumerate(header)
        if parse_field(plain_name(title))[0]
        or plain_name(title) in declared
        or not options.isdisjoint((title.strip(), plain_name(title), str(i + 1)))
        or pair_field(title, pair)
        or parse_series(title) is not None
        or read_stamp(title) is not None
    ]


def _find_column(option: str, header: Sequence[str], column: str, name: str) -> int:
    """Return the position of the column whose title or number an option gives.

    Args:
        option: The option's value.
        header: The titles.
        column: The option's column, `date` or `close`.
        name: The file's name, for messages.

    Raises PriceError if there is no such column.
    """
    titles = [title.strip() for title in header]
    names = [plain_name(title) for title in header]
    if option in titles:
        return titles.index(option)
    if plain_name(option) in names and plain_name(option):
        return names.index(plain_name(option))
    if option.isdecimal() and 1 <= int(option) <= len(header):
        return int(option) - 1
    raise PriceError([f"{name}: --{column}-column: no column {option!r}; choose among {', '.join(titles[:50])}"])


def date_cells(texts: dict[str, list[str]]) -> list[str] | None:
    """Take the date cells out of `texts`, with the times of day appended if there is a column of times."""
    cells, times = texts.pop("date", None), texts.pop("time", None)
    if cells is None or times is None or not all(_CLOCK.fullmatch(time) for time in times if time):
        return cells
    # Beside a date, 1700 and 0 are times of day, too.
    digits = [time.zfill(4) if time.isdecimal() and len(time) < 6 else "" for time in times]
    clocks = [f"{four[:2]}:{four[2:]}" if four else time for four, time in zip(digits, times, strict=True)]
    return [f"{cell} {clock}".strip() for cell, clock in zip(cells, clocks, strict=True)]


def find_only_close(numbers: Mapping[str, Numbers]) -> str | None:
    """Return the only column with numbers if no column is called close: it must be the close."""
    numeric = [column for column, parsed in numbers.items() if np.isfinite(parsed.values).any()]
    other = {"open", "high", "low", "volume"}
    return numeric[0] if "close" not in numbers and len(numeric) == 1 and numeric[0] not in other else None


def is_header(cells: Sequence[str]) -> bool:
    """Return True if a row of cells has the title of a date column and at least one other title."""
    names = [plain_name(cell) for cell in cells]
    dated = any(FIELDS.get(name) in DATES for name in names)
    filled = sum(bool(name) and cell.lower() not in MISSING for name, cell in zip(names, cells, strict=True))
    return dated and filled > 1 and not any(read_stamp(cell) for cell in cells)
