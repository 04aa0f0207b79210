"""Dates as people write them in price files; day or month first is decided by the whole column."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import NamedTuple

from training.prices.stamps import Parts, Stamp, foreign_month, read_stamp

_DAILY_STEP = 7  # days: the rows of a daily file are never further apart, not even around Christmas
_COLUMN = 10  # cells: in fewer, bare numbers and years of two digits might be anything
_SECOND_FORM = 2  # cells in another form than the others that are no slip


class DateColumn(NamedTuple):
    """`days[i]` is None where cell i holds no date; `intraday` are the cells with a time other than midnight, `second`
    is each cell's second of the day, `offset` its seconds from UTC where the cell says so."""

    days: list[date | None]
    intraday: frozenset[int]
    ambiguous: bool  # 01/02/2024 and the like, and nothing in the column says which is the day
    seconds: list[int]
    offsets: list[int | None]
    notes: tuple[str, ...] = ()  # what was taken for what
    diagnosis: str = ""  # what is wrong with the column as a whole, with its cure


def parse_dates(cells: Sequence[str], form: str | None = None) -> DateColumn:
    """Read 2024-01-31, 2024/01/31, 20240131, 31.01.2024, 31/01/2024 or 01/31/2024, Apr 25, 2023 or 25-Apr-23, each
    with or without a time; and, where they fill the column, 31/01/24, seconds since 1970 and a spreadsheet's serial
    numbers. `form` (of strptime) reads the cells by it alone."""
    if form is not None:
        return _by_form(cells, form)
    filled = [cell for cell in cells if cell.strip()]
    stamps = [read_stamp(cell) for cell in cells]
    notes: list[str] = []
    if not any(stamps) and len(filled) >= _COLUMN:
        stamps = [read_stamp(cell, numbers=True) for cell in cells]
        notes = [f"dates read as {form}" for form in sorted({stamp.form for stamp in stamps if stamp})]
    short = [stamp for stamp in stamps if stamp is not None and stamp.parts.short]
    if short and len(filled) < _COLUMN:
        stamps = [None if stamp is None or stamp.parts.short else stamp for stamp in stamps]
    elif short:
        years = [stamp.parts.year for stamp in short]
        notes.append(f"years of two digits read as {min(years)} to {max(years)}")
        return _year_last(_column(cells, stamps, notes), short)
    return _column(cells, stamps, notes)


def _year_last(column: DateColumn, short: Sequence[Stamp]) -> DateColumn:
    """The column, diagnosed where its dates are in order once the two digits in front are the year."""
    front = [
        Parts(2000 + parts.first, parts.year % 100, parts.second, day_first=True).read(None) for _, parts, *_ in short
    ]
    if None in front or not _one_way(_steps(front)) or _one_way(_steps(column.days)):
        return column
    words = "years of two digits stand in front, where days or months usually do; say so with --date-format %y-%m-%d"
    return column._replace(diagnosis=words)


def _column(cells: Sequence[str], stamps: Sequence[Stamp | None], notes: Sequence[str]) -> DateColumn:
    parts = [None if stamp is None else stamp.parts for stamp in stamps]
    open_parts = [found for found in parts if found is not None and found.day_first is None]
    day_first = _column_order(open_parts)
    return DateColumn(
        days=[None if found is None else found.read(day_first) for found in parts],
        intraday=frozenset(i for i, stamp in enumerate(stamps) if stamp is not None and stamp.second),
        ambiguous=bool(open_parts) and day_first is None,
        seconds=[0 if stamp is None else stamp.second for stamp in stamps],
        offsets=[None if stamp is None else stamp.offset for stamp in stamps],
        notes=tuple(notes),
        diagnosis=_two_forms(stamps) or _foreign(cells, stamps),
    )


def _by_form(cells: Sequence[str], form: str) -> DateColumn:
    found: list[datetime | None] = []
    for cell in cells:
        try:
            found.append(datetime.strptime(cell.strip(), form))  # noqa: DTZ007  # a price's day has no zone
        except ValueError:
            found.append(None)
    seconds = [0 if at is None else at.hour * 3600 + at.minute * 60 + at.second for at in found]
    offsets = [None if at is None or (gap := at.utcoffset()) is None else int(gap.total_seconds()) for at in found]
    days = [None if at is None else at.date() for at in found]
    return DateColumn(days, frozenset(i for i, second in enumerate(seconds) if second), False, seconds, offsets)


def _two_forms(stamps: Sequence[Stamp | None]) -> str:
    """A spreadsheet turns the dates that it understands into its own form, day and month swapped, and leaves the rest
    as text."""
    forms = Counter(stamp.form for stamp in stamps if stamp is not None)
    if len(forms) < 2:
        return ""
    (most, _), (other, count) = forms.most_common(2)
    if count < _SECOND_FORM:
        return ""
    return (
        f"dates in two forms, such as {most} and {other} ({count} rows): a spreadsheet swaps day and month of "
        "dates that it takes for its own; export the file again, with dates as 2024-01-31, and do not repair it by hand"
    )


def _foreign(cells: Sequence[str], stamps: Sequence[Stamp | None]) -> str:
    words = [
        word
        for cell, stamp in zip(cells, stamps, strict=True)
        if stamp is None and (word := foreign_month(cell)) is not None
    ]
    if len(words) < _SECOND_FORM:
        return ""
    return f"months are named in another language than English ({words[0]!r}); export the dates as 2024-01-31"


def _column_order(parts: Sequence[Parts]) -> bool | None:
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
