"""Business days of a price source, which are the days on which it has a price."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

_DAY = timedelta(days=1)
_EPOCH = date(1970, 1, 1).toordinal()
_ECB_YEARLY = {(1, 1), (5, 1), (12, 25), (12, 26)}  # month, day
_ECB_CLOSED = {date(1999, 12, 31), date(2001, 12, 31)}  # change of the millennium, euro cash changeover
_ECB_OPEN = {date(1999, 4, 2), date(1999, 4, 5)}  # TARGET's first Easter was open


def is_business_day(day: date, source: str) -> bool:
    """Return whether `source` has a price on `day`: "ecb" on TARGET days, any other source Monday to Friday.

    TARGET closes at weekends, 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December (long-term calendar
    of the European Central Bank, press release of 14 December 2000); before 2002 a few days differed.
    """
    if day.weekday() >= 5:
        return False
    if source != "ecb" or day in _ECB_OPEN:
        return True
    sunday = easter(day.year)
    at_easter = day in (sunday - 2 * _DAY, sunday + _DAY)
    return not (at_easter or day in _ECB_CLOSED or (day.month, day.day) in _ECB_YEARLY)


def next_business_days(day: date, n: int, source: str) -> list[date]:
    """Return the first `n` business days after `day`, ascending."""
    return [date.fromordinal(_EPOCH + later) for later in business_days_after(day.toordinal() - _EPOCH, n, source)]


def days_since_1970(dates: Iterable[date]) -> list[int]:
    return [day.toordinal() - _EPOCH for day in dates]


def business_days_after(day: int, n: int, source: str) -> list[int]:
    """Return the first `n` business days after `day`, ascending, all in days since 1970-01-01."""
    year = date.fromordinal(_EPOCH + day).year
    days = _business_days_of(year, source)
    first = bisect_right(days, day)
    later = days[first : first + n]
    while len(later) < n:
        year += 1
        later += _business_days_of(year, source)[: n - len(later)]
    return later


def business_days_until(day: int, n: int, source: str) -> list[int]:
    """Return the last `n` business days up to and including `day`, ascending, all in days since 1970-01-01."""
    year = date.fromordinal(_EPOCH + day).year
    days = _business_days_of(year, source)
    days = days[: bisect_right(days, day)]
    while len(days) < n:
        year -= 1
        days = _business_days_of(year, source) + days
    return days[len(days) - n :]


@lru_cache(256)  # a window has those of a few years, a fit those of every origin
def _business_days_of(year: int, source: str) -> list[int]:
    first, last = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
    return [day - _EPOCH for day in range(first, last + 1) if is_business_day(date.fromordinal(day), source)]


@lru_cache(256)
def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (Meeus, Astronomical Algorithms, 2nd edition 1998, page 67)."""
    a = year % 19
    b, c = divmod(year, 100)
    d, e = divmod(b, 4)
    g = (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


@lru_cache(64)  # each answer states the age of its prices, which changes once a day
def business_days_since(last: date, today: date, source: str) -> int:
    """Count the business days after `last` up to and including `today`."""
    days = (date.fromordinal(day) for day in range(last.toordinal() + 1, today.toordinal() + 1))
    return sum(is_business_day(day, source) for day in days)
