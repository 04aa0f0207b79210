"""Choose the columns of a grid: which one holds the dates, which ones the prices, and what the others are called."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from training.prices.csv_dialect import MANY, Grid
from training.prices.date_parsing import read_stamp
from training.prices.numbers import MISSING, Numbers
from training.prices.quotes import FIELDS, PRICES, field_of, meaning, pair_field, plain
from training.prices.read_options import Reading
from training.prices.row_checks import PriceError

HEAD = 10  # rows that show what a column without a known title holds
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d*)?)?(\s?[AaPp]\.?[Mm]\.?)?|\d{6}|\d{4}|0", re.ASCII)
_BARS = ("date", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Columns:
    """Where each column stands. `mids` are prices that are the mean of two columns; `inverse`: one over the close."""

    at: Mapping[str, int]
    mids: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    inverse: bool = False
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def with_header(grid: Grid, name: str, reading: Reading) -> Grid:
    """The grid with a header; columns are numbered where the file has none."""
    if grid.header:
        return _with_index(grid)
    width = Counter(len(row) for row in grid.rows).most_common(1)[0][0]
    if width == 2:
        return grid._replace(header=["date", "close"], notes=(*grid.notes, "no header; read as date and close"))
    if reading.close_column is None:
        if width in (5, 6) and _are_bars(grid.rows):
            words = "no header; read as date, open, high, low and close, as high and low show"
            return grid._replace(header=list(_BARS[:width]), notes=(*grid.notes, words))
        raise PriceError(
            [
                f"{name}: has no header and {width} columns; write one above the rows, such as Date,Close, or say "
                "which column has the closing prices with --close-column 5 (the first is 1)"
            ]
        )
    return grid._replace(header=["date", *(f"column_{i}" for i in range(2, width + 1))])


def _are_bars(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the second to fifth cells of every row are an open, high, low and close that move."""
    try:
        prices = np.array([[float(cell.replace(",", ".")) for cell in row[1:5]] for row in rows if len(row) > 4])
    except ValueError:
        return False
    if len(prices) < HEAD:
        return False
    start, high, low, close = prices.T
    inside = (low <= np.minimum(start, close)) & (np.maximum(start, close) <= high)
    return bool(inside.all() and (low < high).any())


def _with_index(grid: Grid) -> Grid:
    """The grid with its first column called date where that has no title and holds dates, as an index is written."""
    names = [plain(title) for title in grid.header]
    unnamed = names[0] in ("", "unnamed_0", "index")
    dated = any(FIELDS.get(name) in ("date", "stamp", "time") for name in names)
    if not unnamed or dated or not grid.rows[0] or read_stamp(grid.rows[0][0]) is None:
        return grid
    return grid._replace(
        header=["date", *grid.header[1:]], notes=(*grid.notes, "the first column, which has no title, read as date")
    )


def choose(grid: Grid, name: str, pair: str, reading: Reading, declared: Sequence[str] = ()) -> Columns:
    """Find the columns of a grid by their titles, by the options, and where need be by what they hold.

    A column that is named after the pair is its price. Of other columns, one whose title is repeated is left out, and
    in a file of more than MANY columns every one that is neither a price nor `declared` by a model.
    """
    titles = [plain(title) for title in grid.header]
    faults, notes = [], []
    places: dict[str, list[int]] = {}
    for position, title in enumerate(titles):
        known, side = field_of(title)
        places.setdefault(" ".join(word for word in (side, known) if word) or title, []).append(position)
    at = {title: found[0] for title, found in places.items() if len(found) == 1}
    once = Counter(titles)
    at |= {titles[i]: i for found in places.values() if len(found) > 1 for i in found if once[titles[i]] == 1}
    date = _date(places, grid)
    mids, inverse = _prices(at, places, grid.header, pair)
    for column, option in (("date", reading.date_column), ("close", reading.close_column)):
        if option is not None:
            position = _named_by(option, grid.header, column, name)
            mids.pop(column, None)
            at = {title: place for title, place in at.items() if place != position} | {column: position}
            date, inverse = (position, inverse) if column == "date" else (date if date != position else None, False)
        elif column == "close" and len(places.get("close", ())) > 1 and "close" not in mids:
            faults.append(f"{name}: two columns named close; keep one or rename it")
            at["close"] = places["close"][0]
    at = _stored(at, titles, declared, grid.header)
    if date is None:
        shown = ", ".join(list(at)[:50])
        faults.append(
            f"{name}: no column date; rename the column of dates to date; columns found: {shown}; "
            "--date-column names another"
        )
    else:
        at = {"date": date, **{title: place for title, place in at.items() if title != "date" and place != date}}
        if titles[date] != "date" and reading.date_column is None:
            notes.append(f"{name}: column {titles[date] or grid.header[date].strip()} read as date")
    close = at.get("close")
    if "close" in mids:
        notes.append(f"{name}: prices are the middle of bid and ask")
    elif close is not None and titles[close] != "close" and reading.close_column is None:
        turned = "one over " if inverse else ""
        notes.append(f"{name}: {turned}column {grid.header[close].strip()} read as close")
    return Columns(at, mids, inverse, tuple(faults), tuple(notes))


def _date(places: Mapping[str, Sequence[int]], grid: Grid) -> int | None:
    """The column of dates: by its title, or the only one that holds nothing else."""
    for kind in ("date", "stamp", "time"):
        found = places.get(kind, ())
        exact = [i for i in found if plain(grid.header[i]) == kind]
        held = [i for i in found if i < len(grid.rows[0]) and read_stamp(grid.rows[0][i]) is not None]
        if found:
            return next(iter([*exact, *held, *found]))
    head = [row for row in grid.rows[:HEAD] if any(row)]
    dated = [
        i
        for i in range(len(grid.header))
        if head and all(i < len(row) and read_stamp(row[i]) is not None for row in head)
    ]
    # Eight digits in a column of volumes are dates, too.
    return dated[0] if len(dated) == 1 and len(head) == HEAD else None


def _prices(
    at: dict[str, int], places: Mapping[str, Sequence[int]], header: Sequence[str], pair: str
) -> tuple[dict[str, tuple[int, int]], bool]:
    """Name the price columns in `at`; return the pairs of bid and ask columns, and whether the close is inverse."""
    if "close" not in places:
        for inverse in (False, True):
            own = [(pair_field(title, pair, inverse), i) for i, title in enumerate(header)]
            closes = [i for field, i in own if field == "close"]
            if len(closes) == 1:
                fields = {field: i for field, i in own if field} if not inverse else {"close": closes[0]}
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


def _stored(
    at: Mapping[str, int], titles: Sequence[str], declared: Sequence[str], header: Sequence[str]
) -> dict[str, int]:
    """The columns under the names that they are stored by; those of wide files that nobody uses are left out."""
    used = {"date", "time", "volume", *PRICES, *declared}
    stored: dict[str, int] = {}
    for title, place in at.items():
        name = title if title in used else titles[place]
        # Price files have ASCII names; an empty title is that of a trailing comma.
        if name and name.isascii() and (name in used or len(header) <= MANY):
            stored[name] = place
    return stored


def used_columns(header: Sequence[str], pair: str, reading: Reading, declared: Sequence[str]) -> list[int]:
    """The columns of a wide file that can be of use."""
    options = {reading.date_column, reading.close_column}
    return [
        i
        for i, title in enumerate(header)
        if field_of(plain(title))[0]
        or plain(title) in declared
        or not options.isdisjoint((title.strip(), plain(title), str(i + 1)))
        or pair_field(title, pair)
        or meaning(title) is not None
        or read_stamp(title) is not None
    ]


def _named_by(option: str, header: Sequence[str], column: str, name: str) -> int:
    """The position of the title or number that an option gives."""
    titles = [title.strip() for title in header]
    names = [plain(title) for title in header]
    if option in titles:
        return titles.index(option)
    if plain(option) in names and plain(option):
        return names.index(plain(option))
    if option.isdecimal() and 1 <= int(option) <= len(header):
        return int(option) - 1
    raise PriceError([f"{name}: --{column}-column: no column {option!r}; choose among {', '.join(titles[:50])}"])


def date_cells(texts: dict[str, list[str]]) -> list[str] | None:
    """The cells of dates, taken out of the columns, with those of a column of times where there is one."""
    cells, times = texts.pop("date", None), texts.pop("time", None)
    if cells is None or times is None or not all(_CLOCK.fullmatch(time) for time in times if time):
        return cells
    return [f"{cell} {_clock(time)}".strip() for cell, time in zip(cells, times, strict=True)]


def _clock(time: str) -> str:
    """A time with colons; 1700 and 0 are times of day beside a date."""
    if time.isdecimal() and len(time) < 6:
        time = time.zfill(4)
        return f"{time[:2]}:{time[2:]}"
    return time


def only_close(numbers: Mapping[str, Numbers]) -> str | None:
    """The only column with numbers where none is called close: that is what it must be."""
    numeric = [column for column, found in numbers.items() if np.isfinite(found.values).any()]
    other = {"open", "high", "low", "volume"}
    return numeric[0] if "close" not in numbers and len(numeric) == 1 and numeric[0] not in other else None


def is_header(cells: Sequence[str]) -> bool:
    """Whether a row of cells has the title of a column of dates, besides another title."""
    names = [plain(cell) for cell in cells]
    dated = any(FIELDS.get(name) in ("date", "stamp", "time") for name in names)
    filled = sum(bool(name) and cell.lower() not in MISSING for name, cell in zip(names, cells, strict=True))
    return dated and filled > 1 and not any(read_stamp(cell) for cell in cells)
