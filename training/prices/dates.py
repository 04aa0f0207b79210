"""Dates as people write them in price files; day or month first is decided by the whole column."""

import re
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

_CELL = re.compile(r"(\S+)(?:[T ]\s*([\d:.]+)\s*(?:Z|UTC|[+-]\d\d:?\d\d)?)?", re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", re.ASCII)
_DAILY_STEP = 7  # days: the rows of a daily file are never further apart, not even around Christmas


class DateColumn(NamedTuple):
    """`days[i]` is None where cell i holds no date; `intraday` are the cells with a time other than midnight."""

    days: list[date | None]
    intraday: frozenset[int]
    ambiguous: bool  # 01/02/2024 and the like, and nothing in the column says which is the day


class _Parts(NamedTuple):
    year: int
    first: int
    second: int
    day_first: bool | None  # None: the column decides

    def read(self, day_first: bool | None) -> date | None:
        chosen = day_first if self.day_first is None else self.day_first
        if chosen is None:
            return None
        day, month = (self.first, self.second) if chosen else (self.second, self.first)
        try:
            return date(self.year, month, day)
        except ValueError:  # no such day
            return None


def parse_dates(cells: Sequence[str]) -> DateColumn:
    """Read 2024-01-31, 2024/01/31, 20240131, 31.01.2024, 31/01/2024 or 01/31/2024, each with or without 00:00."""
    split = [_split(cell) for cell in cells]
    parts = [found for found, _ in split]
    open_parts = [found for found in parts if found is not None and found.day_first is None]
    day_first = _column_order(open_parts)
    return DateColumn(
        days=[None if found is None else found.read(day_first) for found in parts],
        intraday=frozenset(i for i, (_, intraday) in enumerate(split) if intraday),
        ambiguous=bool(open_parts) and day_first is None,
    )


def _split(cell: str) -> tuple[_Parts | None, bool]:
    """The parts of a date cell, and whether it holds a time of day other than midnight."""
    # ISO's T goes first: the pattern's \S+ would otherwise take it and the time with it.
    match = _CELL.fullmatch(re.sub(r"(?<=\d)T(?=\d)", " ", cell.strip()))
    if match is None:
        return None, False
    text, time = match.groups()
    intraday = bool((time or "").strip("0:."))
    if found := _YEAR_FIRST.fullmatch(text):
        return _Parts(int(found[1]), int(found[3]), int(found[4]), day_first=False), intraday
    if found := _COMPACT.fullmatch(text):
        return _Parts(int(found[1]), int(found[2]), int(found[3]), day_first=False), intraday
    if found := _YEAR_LAST.fullmatch(text):
        # Dots are written day first everywhere; slashes and dashes depend on the country.
        known = True if found[2] == "." else None
        return _Parts(int(found[4]), int(found[1]), int(found[3]), known), intraday
    return None, False


def _column_order(parts: Sequence[_Parts]) -> bool | None:
    """True: day first, False: month first, None: nothing decides. A part above 12 can only be a day."""
    day_first = sum(part.first > 12 >= part.second for part in parts)
    month_first = sum(part.second > 12 >= part.first for part in parts)
    if day_first != month_first:
        return day_first > month_first  # the few that disagree are unreadable dates
    if day_first:
        return None
    readings = {order: [part.read(order) for part in parts] for order in (True, False)}
    if readings[True] == readings[False]:
        return True
    for orderly in (_one_way, _daily):
        fitting = [order for order, days in readings.items() if orderly(_steps(days))]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _steps(days: Sequence[date | None]) -> list[int]:
    known = [day.toordinal() for day in days if day is not None]
    return [later - earlier for earlier, later in pairwise(known)]


def _one_way(steps: Sequence[int]) -> bool:
    return all(step >= 0 for step in steps) or all(step <= 0 for step in steps)


def _daily(steps: Sequence[int]) -> bool:
    return all(abs(step) <= _DAILY_STEP for step in steps)
