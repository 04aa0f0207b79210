"""Parse cells as numbers; whether a comma is a decimal mark is decided by the whole column, never by one cell."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.prices.read_options import Mark

MISSING = {"", "nan", "n/a", "na", "null", "none", "-", ".", "..", "#n/a", "#n/a n/a", "nd", "nc", "-9999", "-9999.0"}
MARKS: tuple[Mark, Mark] = (",", ".")
MAX_FACTOR = 8  # times a rate; a number that is read with the wrong mark is wrong by a factor of a thousand
_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}", re.ASCII)
_POINT = re.compile(r"[+-]?\d*\.\d+", re.ASCII)
_GROUPED_ROWS = 10  # with fewer, a cell may be a slip
_GROUPS = re.compile(r"[+-]?\d{1,3}(?:([., '\u00a0\u202f])\d{3})(?:\1\d{3})*(?:([.,])\d+)?", re.ASCII)


class Numbers(NamedTuple):
    """The numbers of a column, n cells.

    Attributes:
        values: float64 [n], NaN for missing cells and for `text_cells`.
        text_cells: The cells that are not numbers, by position.
        diagnosis: Why the decimal mark cannot be determined, with the cure; empty if it can.
    """

    values: NDArray[np.float64]
    text_cells: dict[int, str]
    diagnosis: str = ""


def read_numbers(cells: Sequence[str], semicolons: bool, mark_option: Mark | None = None) -> Numbers:
    """Parse the cells of a column.

    Args:
        cells: The cells, without blanks around them.
        semicolons: True if the file's separator is a semicolon, so that a comma in a cell is a decimal mark.
        mark_option: The decimal mark that the user gave; None to determine it.
    """
    present = [cell for cell in cells if cell.lower() not in MISSING]
    commas = [cell for cell in present if _COMMA.fullmatch(cell)]
    diagnosis = ""
    decimal = mark_option or ("," if commas else ".")
    if mark_option is None and len(present) >= _GROUPED_ROWS:
        for mark, other in zip(MARKS, MARKS[::-1], strict=True):
            # Every cell has thousands separators too, as in 1.083,40.
            if all(mark in cell and (groups := _GROUPS.fullmatch(cell)) and groups[1] == other for cell in present):
                mark_option = decimal = mark
    if commas and mark_option is None:
        points = [cell for cell in present if _POINT.fullmatch(cell)]
        if points:
            diagnosis = (
                f"decimal commas and decimal points mixed ({commas[0]!r} and {points[0]!r}); use one of them "
                "everywhere, such as 1.0834"
            )
        elif not semicolons and all(_THOUSANDS.fullmatch(cell) for cell in commas):
            diagnosis = (
                f"{commas[0]!r} has a decimal comma or a comma for thousands; say which with --decimal , or --decimal ."
            )
    values, text_cells = np.full(len(cells), math.nan), {}
    for i, cell in enumerate(cells):
        if cell.lower() in MISSING:
            continue
        try:
            values[i] = _parse_number(cell, decimal, grouped=mark_option is not None)
        except ValueError:
            text_cells[i] = cell
    return Numbers(values, text_cells, diagnosis)


def is_ambiguous(cells: Sequence[str]) -> bool:
    """Return True if every cell is a number such as 150,123, whose comma may separate decimals or thousands."""
    present = [cell for cell in cells if cell.lower() not in MISSING]
    return bool(present) and all(_THOUSANDS.fullmatch(cell) for cell in present)


def find_mark_by_rate(cells: Sequence[str], rate: float) -> Mark | None:
    """Return the mark with which ambiguous cells are near a rate, or None if neither is or both are."""
    present = [cell for cell in cells if cell.lower() not in MISSING]
    near = []
    for mark in MARKS:
        median = float(np.median([_parse_number(cell, mark, grouped=True) for cell in present]))
        if rate / MAX_FACTOR < median < rate * MAX_FACTOR:
            near.append(mark)
    return near[0] if len(near) == 1 else None


def mean_price(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of two columns, rounded to remove floating-point noise."""
    return np.asarray(np.round((first + second) / 2, 10))


def round_price(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return computed prices [n], which have more digits than a file's, to ten significant digits."""
    return np.array([float(f"{price:.10g}") for price in prices.tolist()])


def count_decimals(cell: str) -> int:
    """Return the number of digits after the decimal mark of a cell."""
    return len(re.split(r"[.,]", cell)[-1]) if re.search(r"[.,]", cell) else 0


def _parse_number(cell: str, decimal: Mark, grouped: bool) -> float:
    """Parse a number; thousands separators are allowed only if `grouped`.

    Raises ValueError.
    """
    groups = _GROUPS.fullmatch(cell) if grouped else None
    if groups is not None and groups[1] != decimal and groups[2] in (None, decimal):
        cell = cell.replace(groups[1], "")
    if decimal == ",":
        if "." in cell:
            raise ValueError(cell)
        cell = cell.replace(",", ".")
    # float() accepts 1_000, which is not a number in a price file.
    return float(cell.replace("_", "?"))
