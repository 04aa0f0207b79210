"""Cells as numbers: whether a comma is a decimal mark is decided by the whole column, never by one cell."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.prices.read_options import Mark

MISSING = {"", "nan", "n/a", "na", "null", "none", "-", ".", "..", "#n/a", "#n/a n/a", "nd", "nc", "-9999", "-9999.0"}
MARKS: tuple[Mark, Mark] = (",", ".")
FAR = 8  # times a rate: a number that is read with the wrong mark is a thousand times as large
_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}", re.ASCII)
_POINT = re.compile(r"[+-]?\d*\.\d+", re.ASCII)
_GROUPED_ROWS = 10  # in fewer a cell is a slip
_GROUPS = re.compile(r"[+-]?\d{1,3}(?:([., '\u00a0\u202f])\d{3})(?:\1\d{3})*(?:([.,])\d+)?", re.ASCII)


class Numbers(NamedTuple):
    """`values` float64 [n] with NaN for missing cells and for `words`, by position; `diagnosis` says why the column's
    marks cannot be told, with the cure."""

    values: NDArray[np.float64]
    words: dict[int, str]
    diagnosis: str = ""


def read_numbers(cells: Sequence[str], semicolons: bool, asked: Mark | None = None) -> Numbers:
    """The cells of a column, of a file that is separated by semicolons or not; `asked` is the decimal mark to read."""
    present = [cell for cell in cells if cell.lower() not in MISSING]
    commas = [cell for cell in present if _COMMA.fullmatch(cell)]
    diagnosis = ""
    decimal = asked or ("," if commas else ".")
    if asked is None and (mark := _mark_of_groups(present)) is not None:
        asked = decimal = mark
    if commas and asked is None:
        points = [cell for cell in present if _POINT.fullmatch(cell)]
        if points:
            diagnosis = (
                f"decimal commas and decimal points mixed ({commas[0]!r} and {points[0]!r}); write one of them "
                "everywhere, such as 1.0834"
            )
        elif not semicolons and all(_THOUSANDS.fullmatch(cell) for cell in commas):
            diagnosis = (
                f"{commas[0]!r} is a number with a decimal comma or with a comma for thousands; say which by "
                "--decimal , or --decimal ."
            )
    values, words = np.full(len(cells), math.nan), {}
    for i, cell in enumerate(cells):
        if cell.lower() in MISSING:
            continue
        try:
            values[i] = _number(cell, decimal, grouped=asked is not None)
        except ValueError:
            words[i] = cell
    return Numbers(values, words, diagnosis)


def _mark_of_groups(cells: Sequence[str]) -> Mark | None:
    """The decimal mark of a column in which every cell has marks for thousands as well, as 1.083,40."""
    if len(cells) < _GROUPED_ROWS:
        return None
    for mark, other in zip(MARKS, MARKS[::-1], strict=True):
        if all(mark in cell and (groups := _GROUPS.fullmatch(cell)) and groups[1] == other for cell in cells):
            return mark
    return None


def are_ambiguous(cells: Sequence[str]) -> bool:
    """Whether every cell is a number such as 150,123, whose comma may be a decimal mark or one of thousands."""
    present = [cell for cell in cells if cell.lower() not in MISSING]
    return bool(present) and all(_THOUSANDS.fullmatch(cell) for cell in present)


def mark_by_rate(cells: Sequence[str], rate: float) -> Mark | None:
    """The mark with which ambiguous cells are near a rate; None where neither or both are."""
    present = [cell for cell in cells if cell.lower() not in MISSING]
    near = []
    for mark in MARKS:
        median = float(np.median([_number(cell, mark, grouped=True) for cell in present]))
        if rate / FAR < median < rate * FAR:
            near.append(mark)
    return near[0] if len(near) == 1 else None


def middle(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean, without the noise behind its last decimal."""
    return np.asarray(np.round((one + other) / 2, 10))


def decimals(cell: str) -> int:
    """How many digits stand behind the decimal mark of a number's cell."""
    return len(re.split(r"[.,]", cell)[-1]) if re.search(r"[.,]", cell) else 0


def _number(cell: str, decimal: Mark, grouped: bool) -> float:
    """Raises ValueError. Marks for thousands are read only where the decimal mark was asked for."""
    groups = _GROUPS.fullmatch(cell) if grouped else None
    if groups is not None and groups[1] != decimal and groups[2] in (None, decimal):
        cell = cell.replace(groups[1], "")
    if decimal == ",":
        if "." in cell:
            raise ValueError(cell)
        cell = cell.replace(",", ".")
    # float() also takes 1_000, which no price file means.
    return float(cell.replace("_", "?"))
