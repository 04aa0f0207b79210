"""Parse dates and times: one cell, as far as it is clear by itself, and a whole column, which decides the rest."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

MONTHS = "january february march april may june july august september october november december".split()
SERIAL_ZERO = date(1899, 12, 30)  # day 0 of a spreadsheet
SERIALS = range(25_569, 73_051)  # 1970 to 2099
_DAILY_STEP = 7  # days: rows of a daily file are never further apart, not even around Christmas
_COLUMN = 10  # cells: with fewer, bare numbers and years of two digits may be anything
_SECOND_FORM = 2  # cells in another form than the others; fewer are slips

_TIME = r"(?:(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,]\d*)?)?|(\d\d)(\d\d)(\d\d))"
_ZONE = r"(Z|UTC|GMT|(?:GMT|UTC)?\s?[+-]\d\d:?\d\d)?"
_WITH_TIME = re.compile(rf"(\S.*?)[T ]\s*{_TIME}(?:\s?([AaPp])\.?[Mm]\.?)?\s*{_ZONE}", re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", re.ASCII)
_SHORT_YEAR = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{2})", re.ASCII)
_UNITS = {3: (0, "seconds"), 4: (3, "milliseconds"), 5: (6, "microseconds"), 6: (9, "nanoseconds")}
_NUMBER = re.compile(r"(\d{5,19})(\.\d*)?", re.ASCII)
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.ASCII | re.IGNORECASE)
_MONTH_FIRST = re.compile(r"([^\W\d_]{3,})\.?\s+(\d{1,2}),?\s+(\d{4})")
_MONTH_SECOND = re.compile(r"(\d{1,2})\.?[-/ ]([^\W\d_]{3,})\.?[-/, ]\s*(\d{4}|\d{2})")
_EASTERN = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日", re.ASCII)


class DateParts(NamedTuple):
    """The numbers of a date in the order of the cell.

    Attributes:
        year: Four digits.
        first: The first of day and month, as written.
        second: The second one.
        day_first: None if only the whole column can decide.
        short: True if the year was written with two digits.
    """

    year: int
    first: int
    second: int
    day_first: bool | None
    short: bool = False

    def to_date(self, day_first: bool | None) -> date | None:
        """Return the date, or None if the order is unknown or the date does not exist."""
        chosen = day_first if self.day_first is None else self.day_first
        if chosen is None:
            return None
        day, month = (self.first, self.second) if chosen else (self.second, self.first)
        try:
            return date(self.year, month, day)
        except ValueError:  # no such day
            return None


class Stamp(NamedTuple):
    """The content of a cell.

    Attributes:
        form: How the cell is written, so that two forms in one column are noticed.
        parts: The numbers of the date.
        second: The second of the day.
        offset: Seconds from UTC if the cell says so.
    """

    form: str
    parts: DateParts
    second: int = 0
    offset: int | None = None


def read_stamp(cell: str) -> Stamp | None:
    """Parse a cell as a date, with or without a time; return None if it is not one."""
    text = cell.strip()
    match = _WITH_TIME.fullmatch(text)
    second, offset = 0, None
    if match is not None:
        text = match[1].rstrip(",")
        clock = [int(part or 0) for part in (match.groups()[1:4] if match[2] else match.groups()[4:7])]
        if match[8] and 1 <= clock[0] <= 12:
            clock[0] = clock[0] % 12 + (12 if match[8] in "Pp" else 0)
        if clock[0] > 23 or clock[1] > 59 or clock[2] > 59:
            return None
        second = clock[0] * 3600 + clock[1] * 60 + clock[2]
        if match[9] is not None:
            zone = re.search(r"([+-])(\d\d):?(\d\d)", match[9])
            offset = 0 if zone is None else (1 if zone[1] == "+" else -1) * (int(zone[2]) * 3600 + int(zone[3]) * 60)
    day = _parse_date(text)
    return None if day is None else Stamp(*day, second, offset)


def read_number(cell: str) -> Stamp | None:
    """Parse a cell that is a bare number as a date; return None if it is not one.

    It is seconds since 1970 (9 or 10 digits), milli-, micro- or nanoseconds (3, 6 or 9 digits more), or the serial
    number of a day in a spreadsheet (5 digits).
    """
    match = _NUMBER.fullmatch(cell.strip())
    if match is None:
        return None
    digits = match[1]
    if len(digits) == 5 and int(digits) in SERIALS:
        day = SERIAL_ZERO + timedelta(days=int(digits))
        second = min(round(float(f"0{match[2] or ''}") * 86_400), 86_399)  # the fraction of a day
        form, offset = "serial numbers of a spreadsheet", None
    elif len(digits) >= 9 and len(digits) % 3 != 2:
        # One digit less before 9 September 2001.
        power, unit = _UNITS[len(digits) // 3]
        at = datetime.fromtimestamp(int(digits) // 10**power, UTC)
        day, second = at.date(), at.hour * 3600 + at.minute * 60 + at.second
        form, offset = f"{unit} since 1970", 0
    else:
        return None
    return Stamp(form, DateParts(day.year, day.month, day.day, day_first=False), second, offset)


def _parse_date(text: str) -> tuple[str, DateParts] | None:
    """Return the form and the numbers of a date without a time."""
    if match := _YEAR_FIRST.fullmatch(text):
        return "2024-01-31", DateParts(int(match[1]), int(match[3]), int(match[4]), day_first=False)
    if match := _COMPACT.fullmatch(text) or _EASTERN.fullmatch(text):
        return "2024-01-31", DateParts(int(match[1]), int(match[2]), int(match[3]), day_first=False)
    if match := _YEAR_LAST.fullmatch(text) or _SHORT_YEAR.fullmatch(text):
        # Dates with dots have the day first everywhere; with slashes and dashes it depends on the country.
        day_first = True if match[2] == "." else None
        form = match[2].join(("31", "01", "2024"[-len(match[4]) :]))
        return form, _date_parts(match[4], int(match[1]), int(match[3]), day_first)
    text = _WEEKDAY.sub("", text, count=1)
    if match := _MONTH_FIRST.fullmatch(text):
        word, day, year = match.groups()
    elif match := _MONTH_SECOND.fullmatch(text):
        day, word, year = match.groups()
    else:
        return None
    month = _month_number(word)
    return None if month is None else ("31 Jan 2024", _date_parts(year, int(day), month, day_first=True))


def _date_parts(year: str, first: int, second: int, day_first: bool | None) -> DateParts:
    """Return the numbers of a date whose year may have two digits: nearly as C's %y."""
    short = len(year) == 2
    century = (2000 if int(year) < 70 else 1900) if short else 0
    return DateParts(int(year) + century, first, second, day_first, short)


def _month_number(word: str) -> int | None:
    """Return 1 to 12 for an English month name or an unambiguous beginning of one; None for another word."""
    lower = word.lower()
    matches = [i for i, name in enumerate(MONTHS, 1) if name.startswith(lower) or (lower == "sept" and i == 9)]
    return matches[0] if len(matches) == 1 else None


class DateColumn(NamedTuple):
    """The dates of a column, n cells.

    Attributes:
        days: None where a cell has no date.
        intraday: Positions of the cells with a time other than midnight.
        ambiguous: True if day and month cannot be distinguished, as in 01/02/2024, by anything in the column.
        seconds: The second of the day of each cell.
        offsets: Seconds from UTC where the cell says so.
        notes: What was taken for what.
        diagnosis: What is wrong with the column as a whole, with the cure.
    """

    days: list[date | None]
    intraday: frozenset[int]
    ambiguous: bool
    seconds: list[int]
    offsets: list[int | None]
    notes: tuple[str, ...] = ()
    diagnosis: str = ""


def parse_dates(cells: Sequence[str], date_format: str | None = None) -> DateColumn:
    """Parse a column of dates.

    Known are 2024-01-31, 2024/01/31, 20240131, 31.01.2024, 31/01/2024 or 01/31/2024, Apr 25, 2023 or 25-Apr-23, each
    with or without a time. If they fill the column, also 31/01/24, seconds since 1970 and a spreadsheet's serial
    numbers are read. A `date_format` (of strptime) is the only form if it is given.
    """
    if date_format is not None:
        return _parse_with_format(cells, date_format)
    filled = sum(bool(cell.strip()) for cell in cells)
    stamps = [read_stamp(cell) for cell in cells]
    notes: list[str] = []
    if not any(stamps) and filled >= _COLUMN:
        stamps = [read_number(cell) for cell in cells]
        notes = [f"dates read as {form}" for form in sorted({stamp.form for stamp in stamps if stamp})]
    short = [stamp.parts for stamp in stamps if stamp is not None and stamp.parts.short]
    if short and filled < _COLUMN:
        stamps = [None if stamp is None or stamp.parts.short else stamp for stamp in stamps]
    elif short:
        years = [parts.year for parts in short]
        notes.append(f"years of two digits read as {min(years)} to {max(years)}")
    parts = [None if stamp is None else stamp.parts for stamp in stamps]
    open_parts = [date_parts for date_parts in parts if date_parts is not None and date_parts.day_first is None]
    day_first = _find_order(open_parts)
    days = [None if date_parts is None else date_parts.to_date(day_first) for date_parts in parts]
    diagnosis = _diagnose_forms(cells, stamps)
    if short and filled >= _COLUMN and not _is_monotonic(_steps(days)):
        year_first = [DateParts(2000 + p.first, p.year % 100, p.second, day_first=True).to_date(None) for p in short]
        if None not in year_first and _is_monotonic(_steps(year_first)):
            diagnosis = (
                "years of two digits come first, where a day or month is expected; if so, give --date-format %y-%m-%d"
            )
    return DateColumn(
        days=days,
        intraday=frozenset(i for i, stamp in enumerate(stamps) if stamp is not None and stamp.second),
        ambiguous=bool(open_parts) and day_first is None,
        seconds=[0 if stamp is None else stamp.second for stamp in stamps],
        offsets=[None if stamp is None else stamp.offset for stamp in stamps],
        notes=tuple(notes),
        diagnosis=diagnosis,
    )


def _parse_with_format(cells: Sequence[str], date_format: str) -> DateColumn:
    moments: list[datetime | None] = []
    for cell in cells:
        try:
            moments.append(datetime.strptime(cell.strip(), date_format))  # noqa: DTZ007  # a price's day has no zone
        except ValueError:
            moments.append(None)
    seconds = [0 if moment is None else moment.hour * 3600 + moment.minute * 60 + moment.second for moment in moments]
    utc_offsets = [None if moment is None else moment.utcoffset() for moment in moments]
    offsets = [None if offset is None else int(offset.total_seconds()) for offset in utc_offsets]
    days = [None if moment is None else moment.date() for moment in moments]
    return DateColumn(days, frozenset(i for i, second in enumerate(seconds) if second), False, seconds, offsets)


def _diagnose_forms(cells: Sequence[str], stamps: Sequence[Stamp | None]) -> str:
    """Diagnose dates that a spreadsheet has half converted, and months in another language than English.

    A spreadsheet converts the dates that it recognises to its own form, with day and month swapped, and leaves the
    others as text.
    """
    forms = Counter(stamp.form for stamp in stamps if stamp is not None).most_common(2)
    if len(forms) == 2 and forms[1][1] >= _SECOND_FORM:
        (most, _), (other, count) = forms
        return (
            f"dates in two forms, such as {most} and {other} ({count} rows): a spreadsheet has swapped day and month "
            "in some of them; export the file again, with dates as 2024-01-31, and do not repair it by hand"
        )
    month_names = []
    for cell, stamp in zip(cells, stamps, strict=True):
        match = None if stamp is not None else _MONTH_SECOND.search(cell) or _MONTH_FIRST.search(cell)
        word = next((part for part in match.groups() if not part.isdecimal()), "") if match else ""
        if word and _month_number(word) is None:
            month_names.append(word)
    if len(month_names) < _SECOND_FORM:
        return ""
    return f"months are not in English ({month_names[0]!r}); export the dates as 2024-01-31"


def _find_order(parts: Sequence[DateParts]) -> bool | None:
    """Return True if the day is first, False if the month is, and None if nothing decides.

    A part above 12 can only be a day; else the order is the one in which the dates are sorted or daily.
    """
    day_first = sum(part.first > 12 >= part.second for part in parts)
    month_first = sum(part.second > 12 >= part.first for part in parts)
    if day_first != month_first:
        return day_first > month_first  # the few others are unreadable dates
    if day_first:
        return None
    readings = {order: [part.to_date(order) for part in parts] for order in (True, False)}
    if readings[True] == readings[False]:
        return True
    steps = {order: _steps(days) for order, days in readings.items()}
    ordered = [order for order in steps if _is_monotonic(steps[order])]
    daily = [order for order in steps if all(abs(step) <= _DAILY_STEP for step in steps[order])]
    return next((fitting[0] for fitting in (ordered, daily) if len(fitting) == 1), None)


def _steps(days: Sequence[date | None]) -> list[int]:
    ordinals = [day.toordinal() for day in days if day is not None]
    return [later - earlier for earlier, later in pairwise(ordinals)]


def _is_monotonic(steps: Sequence[int]) -> bool:
    return all(step >= 0 for step in steps) or all(step <= 0 for step in steps)
