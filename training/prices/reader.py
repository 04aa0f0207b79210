"""Read a user's price file in any known format into rows, with notes on how it was read, or refuse it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lambda_fn.settings import DEFAULT_PAIR
from training.prices.bulk import Layout, line_start, read_bars
from training.prices.cleaning import clean_rows
from training.prices.columns import (
    Columns,
    add_header,
    choose_columns,
    date_cells,
    find_only_close,
    is_header,
    used_columns,
)
from training.prices.csv_dialect import Grid, read_grid
from training.prices.date_parsing import DateColumn, parse_dates
from training.prices.decompress import open_text, unpack
from training.prices.file_checks import check_end, diagnose_table, find_date_faults, find_row_faults
from training.prices.formats import Format, OtherSeries, parse_series, recognise
from training.prices.intraday import assign_business_days, make_bars, make_daily_closes
from training.prices.numbers import Numbers, find_mark_by_rate, is_ambiguous, mean_price, read_numbers
from training.prices.pair_check import fixings
from training.prices.quotes import Quote, compute_close, find_quote, refuse_third_base
from training.prices.read_options import PLAIN, Mark, Reading
from training.prices.row_checks import PriceError, Rows

BULK = 8 * 2**20  # bytes; a larger file of bars is read in the format of its head; no daily table is so large
HEAD = 2**18  # bytes of the head: at least three days of minute bars
_DOTTED = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}", re.ASCII)  # such countries write decimals with commas
_BARS = {"open", "high", "low", "close"}
EXAMINED_ROWS = 100  # of the head, whose closes show whether numbers have commas
MIN_ONES = 10  # rows that are examined for a currency's column that is 1 throughout


def read_file(path: Path, reading: Reading = PLAIN, pair: str = DEFAULT_PAIR, declared: Sequence[str] = ()) -> Rows:
    """Read a user's file into clean rows, with notes on how it was read.

    Args:
        path: The file.
        reading: The user's options.
        pair: The currency pair.
        declared: Columns that a model reads.

    Raises PriceError if there are no rows.
    """
    # The bytes are not bound to a name, so that they can be freed before bars are made into days.
    return clean_rows(read_rows(_read_bytes(path), path.name, reading, pair, declared))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        raise PriceError([f"{path}: is a directory; give a CSV file in it"]) from error
    except FileNotFoundError as error:
        raise PriceError([f"{path}: no such file; check the path"]) from error
    except (OSError, ValueError) as error:  # ValueError: a path that no file system accepts
        raise PriceError([f"{path}: cannot be read ({error}); check the path and its permissions"]) from error


def read_rows(
    data: bytes, name: str, reading: Reading = PLAIN, pair: str = DEFAULT_PAIR, declared: Sequence[str] = ()
) -> Rows:
    """Read the bytes of a file in any format in which the dates and the pair's closes can be found.

    Column names are lower-case words joined by an underscore. Cells that are not numbers are NaN, and are in
    `text_cells`. Faults of single cells are collected in the result.

    Args:
        data: The file's bytes.
        name: The file's name, for messages.
        reading: The user's options.
        pair: The currency pair.
        declared: Columns that a model reads.

    Raises PriceError if there are no rows.
    """
    data, packed = unpack(data, name)
    if len(data) > BULK and (large := _read_head(data, name, reading, pair, packed)) is not None:
        rows, layout, zone = large
        if rows.diagnoses or reading.resample is None:
            return rows
        bars, faults, notes = read_bars(data, layout, name)
        del data
        rows = replace(
            rows, faults=(*rows.faults, *faults), notes=(*rows.notes, *(f"{name}: {note}" for note in notes))
        )
        rows = make_daily_closes(rows, bars, zone, reading.resample)
        return _invert(rows) if reading.invert else rows
    text, opened = open_text(data, name, is_header)
    numbered = any(option is not None and option.isdecimal() for option in (reading.date_column, reading.close_column))

    def select_columns(header: Sequence[str]) -> list[int]:
        return list(range(len(header))) if numbered else used_columns(header, pair, reading, declared)

    try:
        form, grid = recognise(read_grid(text, name, is_header, select_columns), pair)
    except OtherSeries as error:
        raise PriceError([f"{name}: {error}"]) from error
    grid = add_header(grid, name, reading)
    columns = choose_columns(grid, name, pair, reading, declared)
    return _make_rows(grid, name, form, columns, reading, pair, (*packed, *opened))


def _read_head(
    data: bytes, name: str, reading: Reading, pair: str, packed: Sequence[str]
) -> tuple[Rows, Layout, str] | None:
    """Read the head of a large file of intraday bars: its rows, its layout and its zone; None for any other file.

    The rows have a diagnosis if the user did not ask for daily closes.

    Args:
        data: The file's bytes.
        name: The file's name, for messages.
        reading: The user's options.
        pair: The currency pair.
        packed: Remarks on how the bytes were packed.
    """
    try:
        text = data[: data.rfind(b"\n", 0, HEAD) + 1].decode("utf-8-sig").replace("\r\n", "\n")
        raw = read_grid(text, name, is_header)
        form, grid = recognise(raw, pair)
        grid = add_header(grid, name, reading)
        columns = choose_columns(grid, name, pair, reading)
    except (UnicodeDecodeError, OtherSeries, PriceError):  # raised again when the whole file is read
        return None
    at, prices = columns.at, columns.at.keys() & _BARS
    has_prices = "date" in at and "close" in prices | columns.mids.keys() and not columns.inverse
    if grid.rows is not raw.rows or not has_prices:
        return None
    rows = _make_rows(grid, name, form, columns, replace(reading, resample=None), pair, packed)
    if not any("intraday" in diagnosis for diagnosis in rows.diagnoses):
        return None
    places = {**{column: (at[column],) for column in prices}, **columns.mids}
    commas = any("," in grid.rows[i][places["close"][0]] for i in range(min(len(grid.rows), EXAMINED_ROWS)))
    layout = Layout(
        start=line_start(data, grid.lines[0] - 1),
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


def _make_rows(
    grid: Grid, name: str, form: Format | None, columns: Columns, reading: Reading, pair: str, opened: Sequence[str]
) -> Rows:
    """Parse the cells of a grid.

    Args:
        grid: The cells, with a header.
        name: The file's name, for messages.
        form: The format; None if it is a plain table.
        columns: The position of each column.
        reading: The user's options.
        pair: The currency pair.
        opened: Remarks on how the text was obtained.
    """
    padded = [[*row, *[""] * (len(grid.header) - len(row))] for row in grid.rows]

    def column_cells(place: int) -> list[str]:
        return [row[place].strip() for row in padded]

    texts = {column: column_cells(place) for column, place in columns.at.items()}
    cells = date_cells(texts)
    dates = parse_dates(cells or [""] * len(grid.rows), reading.date_format)
    mark = reading.decimal or _decimal_mark(texts, cells or (), pair, grid.separator)

    def parse_cells(texts: Sequence[str]) -> Numbers:
        return read_numbers(texts, grid.separator == ";", mark)

    numbers = {column: parse_cells(cells) for column, cells in texts.items()}
    for column, places in columns.mids.items():
        numbers[column] = _mean(parse_cells(column_cells(places[0])), parse_cells(column_cells(places[1])))
    notes = list(columns.notes)
    if "close" not in numbers:
        quote = _find_quote(grid, pair, reading)
        if quote is not None or (currencies := _open_columns(grid)):
            read_at = [place for place, _ in quote.terms] if quote is not None else currencies
            read = {place: parse_cells(column_cells(place)) for place in read_at}
            values = {place: parsed.values for place, parsed in read.items()}
            if quote is None:
                refuse_third_base(grid.header, values, dates.days, pair, name)
            else:
                text_cells = {i: cell for parsed in read.values() for i, cell in parsed.text_cells.items()}
                diagnosis = "".join(parsed.diagnosis for parsed in read.values())
                numbers = {"close": Numbers(compute_close(quote, values, dates.days, pair), text_cells, diagnosis)}
                notes.append(f"{name}: {quote.note}")
    if (only := find_only_close(numbers)) is not None:
        numbers = {"close" if column == only else column: parsed for column, parsed in numbers.items()}
        notes.append(f"{name}: column {only} read as close, the only one with numbers")
    cut, cut_note = check_end(name, grid)
    rows = Rows(
        name=name,
        lines=grid.lines,
        days=dates.days,
        columns={column: parsed.values for column, parsed in numbers.items()},
        text_cells={column: parsed.text_cells for column, parsed in numbers.items() if parsed.text_cells},
        faults=(
            *columns.faults,
            *find_row_faults(name, grid),
            *(find_date_faults(name, grid.lines, cells, dates) if cells is not None else ()),
            *cut,
        ),
        notes=(*(f"{name}: {note}" for note in (*opened, *grid.notes)), *notes, *cut_note),
        diagnoses=diagnose_table(grid, dates, numbers),
    )
    if columns.inverse or (reading.invert and reading.base is None):
        rows = _invert(rows)
    return rows if cells is None or rows.diagnoses else _date_rows(rows, cells, dates, form, reading)


def _decimal_mark(texts: Mapping[str, Sequence[str]], dates: Sequence[str], pair: str, separator: str) -> Mark | None:
    """Determine the decimal mark of closes such as 150,123; None for all others.

    The pair's rate decides, or, if it is not known, dates with dots.

    Args:
        texts: The cells by column.
        dates: The cells of the dates.
        pair: The currency pair.
        separator: The character between the cells.
    """
    close = texts.get("close")
    if close is None or separator == ";" or not is_ambiguous(close):
        return None
    if (rates := fixings(pair)) is not None:
        return find_mark_by_rate(close, float(np.exp(rates.median())))
    return "," if all(_DOTTED.match(cell) for cell in dates) else None


def _mean(bid: Numbers, ask: Numbers) -> Numbers:
    """Return the mean of two columns; it is missing where one of them is."""
    values = mean_price(bid.values, ask.values)
    return Numbers(values, {**bid.text_cells, **ask.text_cells}, bid.diagnosis or ask.diagnosis)


def _find_quote(grid: Grid, pair: str, reading: Reading) -> Quote | None:
    """Find how columns that are named after currencies give the close."""
    titles = _series_titles(grid)
    ones = [
        i
        for i in range(len(titles))
        if len(grid.rows) >= MIN_ONES
        and all(i < len(row) and row[i].strip().rstrip("0").rstrip(".,") == "1" for row in grid.rows[:MIN_ONES])
    ]
    return find_quote(titles, pair, reading.base, reading.invert, ones)


def _series_titles(grid: Grid) -> list[str]:
    """Return for each column the title, or the text above it, that names a series."""
    titles = []
    for i, title in enumerate(grid.header):
        above = [row[i] for row in reversed(grid.before) if i < len(row)]
        titles.append(next((text for text in (title, *above) if parse_series(text) is not None), title))
    return titles


def _open_columns(grid: Grid) -> list[int]:
    """Return the positions of the columns that are named after a currency and do not say which way they are quoted."""
    return [i for i, title in enumerate(grid.header) if (series := parse_series(title)) is not None and series.is_open]


def _invert(rows: Rows) -> Rows:
    """Return the rows with one over each price; the highest becomes the lowest."""
    swap = {"close": "close", "open": "open", "high": "low", "low": "high"}
    columns = dict(rows.columns)
    for name, source in swap.items():
        if source in rows.columns and name in rows.columns:
            with np.errstate(divide="ignore"):
                # Computed prices have more digits than the file's.
                columns[name] = np.array([float(f"{value:.10g}") for value in (1 / rows.columns[source]).tolist()])
    return replace(rows, columns=columns, notes=(*rows.notes, f"{rows.name}: prices are one over those of the file"))


def _date_rows(rows: Rows, cells: Sequence[str], dates: DateColumn, form: Format | None, reading: Reading) -> Rows:
    """Return the rows with their business days, or daily rows made of bars if the user asked for them.

    Args:
        rows: The rows.
        cells: The cells of the dates.
        dates: The parsed dates.
        form: The format; None if it is a plain table.
        reading: The user's options.
    """
    rows = replace(rows, notes=(*rows.notes, *(f"{rows.name}: {note}" for note in dates.notes)))
    if reading.resample is not None:
        return make_daily_closes(rows, make_bars(rows, dates), form.zone if form else "UTC", reading.resample)
    dated = assign_business_days(rows.name, rows.lines, cells, dates)
    return replace(
        rows,
        days=dated.days,
        faults=(*rows.faults, *dated.faults),
        notes=(*rows.notes, *(f"{rows.name}: {note}" for note in dated.notes)),
        diagnoses=(dated.diagnosis,) if dated.diagnosis else (),
    )
