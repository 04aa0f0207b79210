"""Read a user's price file in any known format into rows, with notes on how it was read, or refuse it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lambda_fn.settings import DEFAULT_PAIR
from training.prices.bars import Layout, make_bars, make_daily_closes, read_bars
from training.prices.columns import (
    Columns,
    add_header,
    choose_columns,
    date_cells,
    find_only_close,
    is_header,
    used_columns,
)
from training.prices.csv_table import SPLIT_BY_COMMAS, Grid, check_end, find_row_faults, is_split_by_commas, read_grid
from training.prices.date_parsing import parse_dates
from training.prices.decompress import open_text, unpack
from training.prices.formats import PRICES, OtherSeries, recognise
from training.prices.numbers import Numbers, find_mark_by_rate, is_ambiguous, mean_price, read_numbers, round_price
from training.prices.pair_check import fixings
from training.prices.quotes import quoted_close
from training.prices.read_options import PLAIN, Reading
from training.prices.row_checks import PriceError, Rows
from training.prices.row_dates import assign_business_days, clean_rows, find_date_faults

BULK = 8 * 2**20  # bytes; a larger file of bars is read in the format of its head; no daily table is so large
HEAD = 2**18  # bytes of the head: at least three days of minute bars
_DOTTED = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}", re.ASCII)  # such countries write decimals with commas
EXAMINED_ROWS = 100  # of the head, whose closes show whether numbers have commas


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
        rows = replace(rows, faults=(*rows.faults, *faults)).add_notes(*notes)
        rows = make_daily_closes(rows, bars, zone, reading.resample)
        return _invert(rows) if reading.invert else rows
    text, opened = open_text(data, name, is_header)
    numbered = any(option is not None and option.isdecimal() for option in (reading.date_column, reading.close_column))

    def select_columns(header: Sequence[str]) -> list[int]:
        return list(range(len(header))) if numbered else used_columns(header, pair, reading, declared)

    try:
        grid, zone = recognise(read_grid(text, name, is_header, select_columns), pair)
    except OtherSeries as error:
        raise PriceError([f"{name}: {error}"]) from error
    grid = add_header(grid, name, reading)
    columns = choose_columns(grid, name, pair, reading, declared)
    return _make_rows(grid, name, zone, columns, reading, pair, (*packed, *opened))


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
        grid, zone = recognise(raw, pair)
        grid = add_header(grid, name, reading)
        columns = choose_columns(grid, name, pair, reading)
    except (UnicodeDecodeError, OtherSeries, PriceError):  # raised again when the whole file is read
        return None
    at, prices = columns.at, columns.at.keys() & PRICES
    has_prices = "date" in at and "close" in prices | columns.mids.keys() and not columns.inverse
    if grid.rows is not raw.rows or not has_prices:
        return None
    rows = _make_rows(grid, name, zone, columns, replace(reading, resample=None), pair, packed)
    if not any("intraday" in diagnosis for diagnosis in rows.diagnoses):
        return None
    places = {**{column: (at[column],) for column in prices}, **columns.mids}
    commas = any("," in row[places["close"][0]] for row in grid.rows[:EXAMINED_ROWS])
    start = 0
    for _ in range(grid.lines[0] - 1):
        start = data.index(b"\n", start) + 1
    layout = Layout(
        start=start,
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
    return rows, layout, zone


def _make_rows(
    grid: Grid, name: str, zone: str, columns: Columns, reading: Reading, pair: str, opened: Sequence[str]
) -> Rows:
    """Parse the cells of a grid.

    Args:
        grid: The cells, with a header.
        name: The file's name, for messages.
        zone: The zone of its times of day.
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
    mark = reading.decimal
    if mark is None and grid.separator != ";" and is_ambiguous(texts.get("close", ())):
        # Closes such as 150,123: the pair's rate decides, or, if it is not known, dates with dots.
        if (rates := fixings(pair)) is not None:
            mark = find_mark_by_rate(texts["close"], float(np.exp(rates.median())))
        else:
            mark = "," if all(_DOTTED.match(cell) for cell in cells or ()) else None

    def parse_cells(column: Sequence[str]) -> Numbers:
        return read_numbers(column, grid.separator == ";", mark)

    def parse_column(place: int) -> Numbers:
        return parse_cells(column_cells(place))

    numbers = {column: parse_cells(text) for column, text in texts.items()}
    for column, places in columns.mids.items():
        bid, ask = map(parse_column, places)
        values, text_cells = mean_price(bid.values, ask.values), {**bid.text_cells, **ask.text_cells}
        numbers[column] = Numbers(values, text_cells, bid.diagnosis or ask.diagnosis)
    notes = list(columns.notes)
    if "close" not in numbers and (quoted := quoted_close(grid, name, pair, reading, dates.days, parse_column)):
        numbers = {"close": quoted[0]}
        notes.append(f"{name}: {quoted[1]}")
    if (only := find_only_close(numbers)) is not None:
        numbers = {"close" if column == only else column: parsed for column, parsed in numbers.items()}
        notes.append(f"{name}: column {only} read as close, the only one with numbers")
    cut, cut_note = check_end(name, grid)
    diagnoses = [dates.diagnosis] if dates.diagnosis else []
    if is_split_by_commas(grid):
        diagnoses.append(SPLIT_BY_COMMAS)
    elif "close" in numbers and numbers["close"].diagnosis:
        diagnoses.append(f"close: {numbers['close'].diagnosis}")
    date_faults = find_date_faults(name, grid.lines, cells, dates) if cells is not None else ()
    rows = Rows(
        name=name,
        lines=grid.lines,
        days=dates.days,
        columns={column: parsed.values for column, parsed in numbers.items()},
        text_cells={column: parsed.text_cells for column, parsed in numbers.items() if parsed.text_cells},
        faults=(*columns.faults, *find_row_faults(name, grid), *date_faults, *cut),
        notes=(*(f"{name}: {note}" for note in (*opened, *grid.notes)), *notes, *cut_note),
        diagnoses=tuple(diagnoses),
    )
    if columns.inverse or (reading.invert and reading.base is None):
        rows = _invert(rows)
    if cells is None or rows.diagnoses:
        return rows
    rows = rows.add_notes(*dates.notes)
    if reading.resample is not None:
        return make_daily_closes(rows, make_bars(rows, dates), zone, reading.resample)
    return assign_business_days(rows, cells, dates)


def _invert(rows: Rows) -> Rows:
    """Return the rows with one over each price; the highest becomes the lowest."""
    swap = {"close": "close", "open": "open", "high": "low", "low": "high"}
    columns = dict(rows.columns)
    for name, source in swap.items():
        if source in rows.columns and name in rows.columns:
            with np.errstate(divide="ignore"):
                columns[name] = round_price(1 / rows.columns[source])
    return replace(rows, columns=columns).add_notes("prices are one over those of the file")
