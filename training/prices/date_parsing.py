"""One cell of a date column: its day as far as the cell alone tells it, and its time of day."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

MONTHS = "january february march april may june july august september october november december".split()
SERIAL_ZERO = date(1899, 12, 30)  # day 0 of a spreadsheet
SERIALS = range(25_569, 73_051)  # 1970 to 2099

_TIME = r"(?:(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,]\d*)?)?|(\d\d)(\d\d)(\d\d))"
_ZONE = r"(Z|UTC|GMT|(?:GMT|UTC)?\s?[+-]\d\d:?\d\d)?"
_WITH_TIME = re.compile(rf"(\S.*?)[T ]\s*{_TIME}(?:\s?([AaPp])\.?[Mm]\.?)?\s*{_ZONE}", re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", re.ASCII)
_SHORT_YEAR = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{2})", re.ASCII)
_NUMBER = re.compile(r"(\d{5,19})(\.\d*)?", re.ASCII)
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.ASCII | re.IGNORECASE)
_MONTH_FIRST = re.compile(r"([^\W\d_]{3,})\.?\s+(\d{1,2}),?\s+(\d{4})")
_MONTH_SECOND = re.compile(r"(\d{1,2})\.?[-/ ]([^\W\d_]{3,})\.?[-/, ]\s*(\d{4}|\d{2})")
_EASTERN = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日", re.ASCII)


class Parts(NamedTuple):
    """Numbers of a date in the order of the cell; `day_first` None: the column decides. `short`: two digits of year."""

    year: int
    first: int
    second: int
    day_first: bool | None
    short: bool = False

    def read(self, day_first: bool | None) -> date | None:
        chosen = day_first if self.day_first is None else self.day_first
        if chosen is None:
            return None
        day, month = (self.first, self.second) if chosen else (self.second, self.first)
        try:
            return date(self.year, month, day)
        except ValueError:  # no such day
            return None


class Stamp(NamedTuple):
    """What a cell says. `form` names how it is written, so that two forms in one column are seen; `second` is of the
    day, `offset` in seconds from UTC where the cell has one."""

    form: str
    parts: Parts
    second: int = 0
    offset: int | None = None


def read_stamp(cell: str, numbers: bool = False) -> Stamp | None:
    """The stamp of a cell, None where it is none. Only with `numbers` a bare number is one: as seconds since 1970 (9 or
    10 digits), milli-, micro- or nanoseconds (3, 6 or 9 more), or the serial number of a day in a spreadsheet (5)."""
    text = cell.strip()
    if numbers:
        return _number(text)
    match = _WITH_TIME.fullmatch(text)
    second, offset = 0, None
    if match is not None:
        text = match[1].rstrip(",")
        clock = [int(part or 0) for part in (match.groups()[1:4] if match[2] else match.groups()[4:7])]
        if match[8] and 1 <= clock[0] <= 12:
            clock[0] = clock[0] % 12 + (12 if match[8] in "Pp" else 0)
        if clock[0] > 23 or clock[1] > 59 or clock[2] > 59:
            return None
        second, offset = clock[0] * 3600 + clock[1] * 60 + clock[2], _offset(match[9])
    day = _date(text)
    return None if day is None else Stamp(*day, second, offset)


def foreign_month(cell: str) -> str | None:
    """The month's name where a cell is a date but for that name's not being English."""
    match = _MONTH_SECOND.search(cell) or _MONTH_FIRST.search(cell)
    word = next((part for part in match.groups() if not part.isdecimal()), "") if match else ""
    return word if word and _month(word) is None else None


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    digits = re.search(r"([+-])(\d\d):?(\d\d)", zone)
    if digits is None:
        return 0
    return (1 if digits[1] == "+" else -1) * (int(digits[2]) * 3600 + int(digits[3]) * 60)


def _date(text: str) -> tuple[str, Parts] | None:
    if match := _YEAR_FIRST.fullmatch(text):
        return "2024-01-31", Parts(int(match[1]), int(match[3]), int(match[4]), day_first=False)
    if match := _COMPACT.fullmatch(text) or _EASTERN.fullmatch(text):
        return "2024-01-31", Parts(int(match[1]), int(match[2]), int(match[3]), day_first=False)
    if match := _YEAR_LAST.fullmatch(text):
        # Dots are written day first everywhere; slashes and dashes depend on the country.
        known = True if match[2] == "." else None
        return match[2].join(("31", "01", "2024")), Parts(int(match[4]), int(match[1]), int(match[3]), known)
    if match := _SHORT_YEAR.fullmatch(text):
        known = True if match[2] == "." else None
        year = _whole_year(int(match[4]))
        return match[2].join(("31", "01", "24")), Parts(year, int(match[1]), int(match[3]), known, short=True)
    return _named(_WEEKDAY.sub("", text, count=1))


def _named(text: str) -> tuple[str, Parts] | None:
    if match := _MONTH_FIRST.fullmatch(text):
        word, day, year = match.groups()
    elif match := _MONTH_SECOND.fullmatch(text):
        day, word, year = match.groups()
    else:
        return None
    month = _month(word)
    if month is None:
        return None
    short = len(year) == 2
    whole = _whole_year(int(year)) if short else int(year)
    return "31 Jan 2024", Parts(whole, int(day), month, day_first=True, short=short)


def _month(word: str) -> int | None:
    """1 to 12 of an English name or its beginning; None for another word."""
    lower = word.lower()
    fits = [i for i, name in enumerate(MONTHS, 1) if name.startswith(lower) or (lower == "sept" and i == 9)]
    return fits[0] if len(fits) == 1 else None


def _whole_year(year: int) -> int:
    return year + (2000 if year < 70 else 1900)  # as C's %y has it, nearly


def _number(text: str) -> Stamp | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    digits = match[1]
    if len(digits) == 5 and int(digits) in SERIALS:
        second = min(round(float(f"0{match[2] or ''}") * 86_400), 86_399)  # the fraction of a day
        return _stamp("serial numbers of a spreadsheet", SERIAL_ZERO + timedelta(days=int(digits)), second, None)
    # One digit less before 9 September 2001.
    units = {3: (0, "seconds"), 4: (3, "milliseconds"), 5: (6, "microseconds"), 6: (9, "nanoseconds")}
    if len(digits) < 9 or len(digits) % 3 == 2:
        return None
    power, unit = units[len(digits) // 3] if len(digits) % 3 == 0 else units[(len(digits) - 1) // 3]
    at = datetime.fromtimestamp(int(digits) // 10**power, UTC)
    return _stamp(f"{unit} since 1970", at.date(), at.hour * 3600 + at.minute * 60 + at.second, 0)


def _stamp(form: str, day: date, second: int, offset: int | None) -> Stamp:
    return Stamp(form, Parts(day.year, day.month, day.day, day_first=False), second, offset)


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
