"""Read a user's price file in any known format into rows, with notes on what was taken for what, or refuse it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lambda_fn.settings import DEFAULT_PAIR
from training.prices.bulk import Layout, newline_after, read_bars
from training.prices.cleaning import tidied
from training.prices.columns import Columns, choose, date_cells, is_header, only_close, used_columns, with_header
from training.prices.csv_dialect import Grid, odd_rows, read_grid, split_by_commas
from training.prices.date_parsing import DateColumn, parse_dates
from training.prices.decompress import open_text, unpack
from training.prices.formats import Form, OtherSeries, recognise
from training.prices.intraday import bars_of, business_days, daily_closes
from training.prices.numbers import Numbers, are_ambiguous, decimals, mark_by_rate, middle, read_numbers
from training.prices.pair_check import fixings
from training.prices.quotes import Quote, close_of, find_quote, meaning, refuse_third_base
from training.prices.read_options import PLAIN, Mark, Reading
from training.prices.row_checks import PriceError, Rows, fault

CUT = 0.005  # share of cells with as few decimals as a last one that is round by chance
CUT_NOTED = 0.15  # share below which a round number is worth a note
CUT_ROWS = 100
BULK = 8 * 2**20  # bytes, from which a file of bars is read by its head's format; no daily table is so large
HEAD = 2**18  # bytes of it: three days of minutes at least
_DOTTED = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}", re.ASCII)  # where dates have dots, decimals have commas
_BARS = {"open", "high", "low", "close"}
SHORTEST = 10  # rows that show whether a currency's column is 1 throughout

SPLIT = (
    "decimal commas split the cells, as commas stand between them too: export the file with semicolons between the "
    "cells or with decimal points"
)


def read_file(path: Path, reading: Reading = PLAIN, pair: str = DEFAULT_PAIR, declared: Sequence[str] = ()) -> Rows:
    """The rows of a user's file, with notes on how they were read; raises PriceError when there are none."""
    # The bytes have no name here, so that they can go before bars are made into days.
    return tidied(read_rows(_bytes(path), path.name, reading, pair, declared))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        raise PriceError([f"{path}: is a directory; name a CSV file in it"]) from error
    except FileNotFoundError as error:
        raise PriceError([f"{path}: no such file; check the path"]) from error
    except (OSError, ValueError) as error:  # ValueError: a path that no file system takes
        raise PriceError([f"{path}: cannot be read ({error}); check the path and its permissions"]) from error


def read_rows(
    data: bytes, name: str, reading: Reading = PLAIN, pair: str = DEFAULT_PAIR, declared: Sequence[str] = ()
) -> Rows:
    """Read the bytes of a file in any format in which the dates and the pair's closes can be found.

    Columns come lower-case, words joined by an underscore. Cells that are no numbers are NaN and stand in `words`;
    faults of single cells are collected in the result. `declared` are columns that a model reads. Raises PriceError
    when there are no rows to look at.
    """
    data, packed = unpack(data, name)
    if len(data) > BULK and (large := _large(data, name, reading, pair, packed)) is not None:
        rows, layout, zone = large
        if rows.diagnoses or reading.resample is None:
            return rows
        bars, faults, notes = read_bars(data, layout, name)
        del data
        rows = replace(
            rows, faults=(*rows.faults, *faults), notes=(*rows.notes, *(f"{name}: {note}" for note in notes))
        )
        rows = daily_closes(rows, bars, zone, reading.resample)
        return _inverted(rows) if reading.invert else rows
    text, opened = open_text(data, name, is_header)
    numbered = any(option is not None and option.isdecimal() for option in (reading.date_column, reading.close_column))

    def used(header: Sequence[str]) -> list[int]:
        return list(range(len(header))) if numbered else used_columns(header, pair, reading, declared)

    try:
        form, grid = recognise(read_grid(text, name, is_header, used), pair)
    except OtherSeries as error:
        raise PriceError([f"{name}: {error}"]) from error
    grid = with_header(grid, name, reading)
    columns = choose(grid, name, pair, reading, declared)
    return _rows(grid, name, form, columns, reading, pair, (*packed, *opened))


def _large(
    data: bytes, name: str, reading: Reading, pair: str, packed: Sequence[str]
) -> tuple[Rows, Layout, str] | None:
    """The head of a large file of intraday bars as rows, its layout and zone; None where it is something else.

    The rows have a diagnosis where the bars were not meant to be made into days.
    """
    try:
        text = data[: data.rfind(b"\n", 0, HEAD) + 1].decode("utf-8-sig").replace("\r\n", "\n")
        raw = read_grid(text, name, is_header)
        form, grid = recognise(raw, pair)
        grid = with_header(grid, name, reading)
        columns = choose(grid, name, pair, reading)
    except (UnicodeDecodeError, OtherSeries, PriceError):  # raised again for the whole file
        return None
    at, prices = columns.at, columns.at.keys() & _BARS
    known = "date" in at and "close" in prices | columns.mids.keys() and not columns.inverse
    if grid.rows is not raw.rows or not known:
        return None
    rows = _rows(grid, name, form, columns, replace(reading, resample=None), pair, packed)
    if not any("intraday" in diagnosis for diagnosis in rows.diagnoses):
        return None
    places = {**{column: (at[column],) for column in prices}, **columns.mids}
    commas = any("," in grid.rows[i][places["close"][0]] for i in range(min(len(grid.rows), CUT_ROWS)))
    layout = Layout(
        start=newline_after(data, grid.lines[0] - 1),
        line=grid.lines[0],
        width=Counter(map(len, grid.rows)).most_common(1)[0][0],
        separator=grid.separator,
        date=at["date"],
        time=at.get("time"),
        prices=places,
        mark=reading.decimal or ("," if commas else "."),
        date_format=reading.date_format,
    )
    if reading.resample is not None:
        notes = (*(f"{name}: {note}" for note in (*packed, *grid.notes)), *columns.notes)
        rows = replace(rows, faults=columns.faults, notes=notes, diagnoses=())
    return rows, layout, form.zone if form else "UTC"


def _rows(
    grid: Grid, name: str, form: Form | None, columns: Columns, reading: Reading, pair: str, opened: Sequence[str]
) -> Rows:
    padded = [[*row, *[""] * (len(grid.header) - len(row))] for row in grid.rows]

    def cells_of(place: int) -> list[str]:
        return [row[place].strip() for row in padded]

    texts = {column: cells_of(place) for column, place in columns.at.items()}
    cells = date_cells(texts)
    dates = parse_dates(cells or [""] * len(grid.rows), reading.date_format)
    mark = reading.decimal or _mark(texts, cells or (), pair, grid.separator)

    def numbers_of(texts: Sequence[str]) -> Numbers:
        return read_numbers(texts, grid.separator == ";", mark)

    numbers = {column: numbers_of(cells) for column, cells in texts.items()}
    for column, places in columns.mids.items():
        numbers[column] = _middle(numbers_of(cells_of(places[0])), numbers_of(cells_of(places[1])))
    notes = list(columns.notes)
    if "close" not in numbers:
        quote = _quote(grid, pair, reading)
        if quote is not None or (named := _currencies(grid)):
            read_at = [place for place, _ in quote.terms] if quote is not None else named
            read = {place: numbers_of(cells_of(place)) for place in read_at}
            values = {place: parsed.values for place, parsed in read.items()}
            if quote is None:
                refuse_third_base(grid.header, values, dates.days, pair, name)
            else:
                words = {i: word for parsed in read.values() for i, word in parsed.words.items()}
                diagnosis = "".join(parsed.diagnosis for parsed in read.values())
                numbers = {"close": Numbers(close_of(quote, values, dates.days, pair), words, diagnosis)}
                notes.append(f"{name}: {quote.note}")
    if (only := only_close(numbers)) is not None:
        numbers = {"close" if column == only else column: parsed for column, parsed in numbers.items()}
        notes.append(f"{name}: column {only} read as close, the only one with numbers")
    cut, cut_note = _cut_off(name, grid)
    rows = Rows(
        name=name,
        lines=grid.lines,
        days=dates.days,
        columns={column: parsed.values for column, parsed in numbers.items()},
        words={column: parsed.words for column, parsed in numbers.items() if parsed.words},
        faults=(
            *columns.faults,
            *_row_faults(name, grid),
            *(_date_cell_faults(name, grid.lines, cells, dates) if cells is not None else ()),
            *cut,
        ),
        notes=(*(f"{name}: {note}" for note in (*opened, *grid.notes)), *notes, *cut_note),
        diagnoses=_diagnoses(grid, dates, numbers),
    )
    if columns.inverse or (reading.invert and reading.base is None):
        rows = _inverted(rows)
    return rows if cells is None or rows.diagnoses else _dated(rows, cells, dates, form, reading)


def _mark(texts: Mapping[str, Sequence[str]], dates: Sequence[str], pair: str, separator: str) -> Mark | None:
    """The decimal mark of closes such as 150,123: by the pair's rate, else by dates with dots; None for all others."""
    close = texts.get("close")
    if close is None or separator == ";" or not are_ambiguous(close):
        return None
    if (rates := fixings(pair)) is not None:
        return mark_by_rate(close, float(np.exp(rates.median())))
    return "," if all(_DOTTED.match(cell) for cell in dates) else None


def _middle(bid: Numbers, ask: Numbers) -> Numbers:
    """The mean of two columns; where one is missing, it is missing."""
    return Numbers(middle(bid.values, ask.values), {**bid.words, **ask.words}, bid.diagnosis or ask.diagnosis)


def _quote(grid: Grid, pair: str, reading: Reading) -> Quote | None:
    """How columns that are named after currencies give the close; their meaning may stand above the titles."""
    titles = _meanings(grid)
    ones = [
        i
        for i in range(len(titles))
        if len(grid.rows) >= SHORTEST
        and all(i < len(row) and row[i].strip().rstrip("0").rstrip(".,") == "1" for row in grid.rows[:SHORTEST])
    ]
    return find_quote(titles, pair, reading.base, reading.invert, ones)


def _meanings(grid: Grid) -> list[str]:
    """For each column its title, or what stands above or below it and names a series."""
    titles = []
    for i, title in enumerate(grid.header):
        above = [row[i] for row in reversed(grid.before) if i < len(row)]
        titles.append(next((words for words in (title, *above) if meaning(words) is not None), title))
    return titles


def _currencies(grid: Grid) -> list[int]:
    return [i for i, title in enumerate(grid.header) if (one := meaning(title)) is not None and one.open]


def _inverted(rows: Rows) -> Rows:
    """The rows with each price turned over; the highest becomes the lowest."""
    swap = {"close": "close", "open": "open", "high": "low", "low": "high"}
    columns = dict(rows.columns)
    for name, source in swap.items():
        if source in rows.columns and name in rows.columns:
            with np.errstate(divide="ignore"):
                # Computed prices have more digits than the file's.
                columns[name] = np.array([float(f"{value:.10g}") for value in (1 / rows.columns[source]).tolist()])
    return replace(rows, columns=columns, notes=(*rows.notes, f"{rows.name}: prices are one over those of the file"))


def _dated(rows: Rows, cells: Sequence[str], dates: DateColumn, form: Form | None, reading: Reading) -> Rows:
    """The rows with their business days, or the daily ones made of bars where that was asked for."""
    rows = replace(rows, notes=(*rows.notes, *(f"{rows.name}: {note}" for note in dates.notes)))
    if reading.resample is not None:
        return daily_closes(rows, bars_of(rows, dates), form.zone if form else "UTC", reading.resample)
    dated = business_days(rows.name, rows.lines, cells, dates)
    return replace(
        rows,
        days=dated.days,
        faults=(*rows.faults, *dated.faults),
        notes=(*rows.notes, *(f"{rows.name}: {note}" for note in dated.notes)),
        diagnoses=(dated.diagnosis,) if dated.diagnosis else (),
    )


def _diagnoses(grid: Grid, dates: DateColumn, numbers: Mapping[str, Numbers]) -> tuple[str, ...]:
    diagnoses = [dates.diagnosis] if dates.diagnosis else []
    if split_by_commas(grid):
        diagnoses.append(SPLIT)
    elif "close" in numbers and numbers["close"].diagnosis:
        diagnoses.append(f"close: {numbers['close'].diagnosis}")
    return tuple(diagnoses)


def _row_faults(name: str, grid: Grid) -> Iterator[str]:
    wide, short = odd_rows(grid)
    if wide:
        yield fault(name, "too long row", wide, "quote cells that contain the separator")
    if short:
        yield fault(name, "too short row", short, "the file may be cut off: complete the row or drop it")


def _cut_off(name: str, grid: Grid) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A fault where the file ends within its last number, and a note where it may: no line's end, and few digits.

    Judged by the last cell of the row. A round number alone is no fault, as many programs write no zeros at the end.
    """
    last = grid.rows[-1]
    if grid.whole or len(grid.rows) < CUT_ROWS or len(last) < len(grid.header) or not last[-1].strip():
        return (), ()
    column = [row[len(last) - 1].strip() for row in grid.rows if len(row) >= len(last)]
    cells = [cell for cell, value in zip(column, read_numbers(column, True).values, strict=True) if np.isfinite(value)]
    if not cells or cells[-1] != last[-1].strip():
        return (), ()
    own = decimals(cells[-1])
    share = sum(decimals(cell) <= own for cell in cells[:-1]) / max(len(cells) - 1, 1)
    words = f"{name}: the last row, {grid.lines[-1]}, ends with {cells[-1]} and without a line's end"
    if share < CUT or cells[-1][-1] in ".,":
        cure = "as a file does that was cut off; download it again, or end the line if it is whole"
        return (f"{words}, {cure}",), ()
    return (), (f"{words}; check that it is not cut off",) if share < CUT_NOTED else ()


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
