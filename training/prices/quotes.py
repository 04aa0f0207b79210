"""Compute the pair's closes from columns that are named after currencies or other pairs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.prices.csv_table import Grid
from training.prices.formats import CURRENCIES, Series, parse_series
from training.prices.numbers import Numbers, round_price
from training.prices.pair_check import MAX_DISTANCE, MIN_COMMON_DAYS, fixings
from training.prices.read_options import Reading
from training.prices.row_checks import PriceError

MIN_ONES = 10  # rows that are examined for a currency's column that is 1 throughout
_ECB_HISTORY = ["USD", "JPY", "BGN"]  # the first columns of the ECB's own table, in units for one euro


class Quote(NamedTuple):
    """The close as a product of columns.

    Attributes:
        terms: Positions of columns, each with a power of 1 or -1.
        factor: A constant factor.
        note: How the close was made, for the user.
        is_open: True if the inverse is as likely; the ECB's rates decide.
    """

    terms: tuple[tuple[int, int], ...]
    factor: float = 1
    note: str = ""
    is_open: bool = False


def quoted_close(
    grid: Grid,
    name: str,
    pair: str,
    reading: Reading,
    days: Sequence[date | None],
    parse_column: Callable[[int], Numbers],
) -> tuple[Numbers, str] | None:
    """Compute the closes from the columns; return them with a note, or None if the columns do not give them.

    Args:
        grid: The cells, with a header.
        name: The file's name, for messages.
        pair: The currency pair.
        reading: The user's options.
        days: The date of each row.
        parse_column: Parses the column at a position.

    Raises PriceError for a table that has both currencies of the pair but a third currency as its base.
    """
    titles = []
    for i, title in enumerate(grid.header):
        above = [row[i] for row in reversed(grid.before) if i < len(row)]
        titles.append(next((text for text in (title, *above) if parse_series(text) is not None), title))
    ones = [
        i
        for i in range(len(titles))
        if len(grid.rows) >= MIN_ONES
        and all(i < len(row) and row[i].strip().rstrip("0").rstrip(".,") == "1" for row in grid.rows[:MIN_ONES])
    ]
    quote = _find_quote(titles, pair, reading, ones)
    if quote is None:
        _refuse_third_base(grid.header, name, pair, days, parse_column)
        return None
    columns = {place: parse_column(place) for place, _ in quote.terms}
    text_cells = {i: cell for parsed in columns.values() for i, cell in parsed.text_cells.items()}
    diagnosis = "".join(parsed.diagnosis for parsed in columns.values())
    close = np.full(len(days), quote.factor)
    untouched = quote.factor == 1 and len(quote.terms) == 1 and quote.terms[0][1] == 1
    with np.errstate(divide="ignore", invalid="ignore"):
        for place, power in quote.terms:
            close = close * columns[place].values ** float(power)
        if quote.is_open:  # the direction that matches the ECB's rates
            distance = _distance_from_fixings(close, days, pair)
            if _distance_from_fixings(1 / close, days, pair) < min(MAX_DISTANCE, distance):
                close, untouched = 1 / close, False
    return Numbers(close if untouched else round_price(close), text_cells, diagnosis), quote.note


def _find_quote(header: list[str], pair: str, reading: Reading, ones: Sequence[int]) -> Quote | None:
    """Find how the columns give the pair's close; return None if they do not.

    Args:
        header: The titles.
        pair: The currency pair.
        reading: The user's options, of which the base and the direction of the table are used.
        ones: Columns that are 1 throughout: the table's base.
    """
    parsed = {i: parse_series(title) for i, title in enumerate(header) if i not in ones}
    series = {i: column for i, column in parsed.items() if column is not None}
    base, invert = reading.base, reading.invert
    if base is None and header[1:4] == _ECB_HISTORY:
        base, invert = "EUR", False
    if base is not None:
        for i, column in series.items():
            if not (column.base and column.quoted):
                code = column.base or column.quoted
                is_price = invert or not column.is_open  # of the currency, in units of the base
                series[i] = Series(code, base, column.units) if is_price else Series(base, code)
    pairs = {i: column for i, column in series.items() if column.base and column.quoted}
    for terms in _find_paths(pairs, pair):
        return _make_quote(terms, pairs, header)
    currencies = {i: column for i, column in series.items() if i not in pairs}
    legs = {column.base or column.quoted: i for i, column in currencies.items()}
    at = [legs.get(code) for code in (pair[:3], pair[3:])]
    chosen = {i: currencies[i] for i in at if i is not None}
    is_open = any(column.is_open for column in chosen.values())
    if not chosen or (is_open and len(chosen) == 2 and "EUR" in legs):
        return None  # a third currency is the base, and nothing says which one
    powers = (1, 1) if is_open and len(chosen) == 1 else (1, -1)
    terms = tuple((i, power) for i, power in zip(at, powers, strict=True) if i is not None)
    return _make_quote(terms, chosen, header)._replace(is_open=is_open)


def _find_paths(pairs: Mapping[int, Series], pair: str) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the ways to compute the pair: a column, one over a column, or a product of two."""
    base, quoted = pair[:3], pair[3:]
    edges = [(column.base, column.quoted, (i, 1)) for i, column in pairs.items()]
    edges += [(column.quoted, column.base, (i, -1)) for i, column in pairs.items()]
    yield from ((term,) for start, end, term in edges if (start, end) == (base, quoted))
    for (start, middle, first), (other, end, second) in product(edges, edges):
        if (start, end) == (base, quoted) and middle == other:
            yield first, second


def _make_quote(terms: tuple[tuple[int, int], ...], series: Mapping[int, Series], header: Sequence[str]) -> Quote:
    factor = float(np.prod([series[i].units ** -power for i, power in terms]))
    titles = " and ".join(header[i].strip() for i, _ in terms)
    is_plain = factor == 1 and len(terms) == 1 and terms[0][1] == 1
    return Quote(terms, factor, f"column {titles} read as close" if is_plain else f"close computed from {titles}")


def _refuse_third_base(
    header: Sequence[str], name: str, pair: str, days: Sequence[date | None], parse_column: Callable[[int], Numbers]
) -> None:
    """Raise PriceError for a table that has both currencies of the pair but a third currency as its base.

    Args:
        header: The titles.
        name: The file's name, for the message.
        pair: The currency pair.
        days: The date of each row.
        parse_column: Parses the column at a position.
    """
    series = [parse_series(title) for title in header]
    legs = {column.quoted: i for i, column in enumerate(series) if column is not None and column.is_open}
    code = pair[:3]
    if not {code, pair[3:], "EUR"} <= legs.keys():
        return
    values = parse_column(legs[code]).values
    candidates = [
        (_distance_from_fixings(values, days, f"{code}{base}" if invert else f"{base}{code}"), base, invert)
        for base in sorted(CURRENCIES - legs.keys())
        for invert in (True, False)
    ]
    distance, base, invert = min(candidates)
    cure = (
        f"and its values match {base}'s rates; give --base {base}{' --invert' if invert else ''}"
        if distance < MAX_DISTANCE
        else "and not known; give it with --base, such as --base CZK, and --invert if the values are in that currency"
    )
    raise PriceError([f"{name}: has a column for each currency, its base is neither currency of {pair}, {cure}"])


def _distance_from_fixings(close: NDArray[np.float64], days: Sequence[date | None], pair: str) -> float:
    """Return the median distance from the pair's fixings, in logs; infinite if there are too few common days."""
    rates = fixings(pair)
    if rates is None:
        return float("inf")
    index = pd.DatetimeIndex([pd.NaT if day is None else pd.Timestamp(day) for day in days])
    near = np.abs(np.log(close) - rates.reindex(index).to_numpy(np.float64))
    near = near[np.isfinite(near)]
    return float(np.median(near)) if len(near) >= min(MIN_COMMON_DAYS, len(close) / 2) else float("inf")
