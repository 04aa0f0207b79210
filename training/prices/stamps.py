"""One cell of a date column: its day as far as the cell alone tells it, and its time of day."""

import re
from datetime import UTC, date, datetime, timedelta
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
