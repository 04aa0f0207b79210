"""The user's options for reading a price file, for what the file does not say itself."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Mark = Literal[".", ","]


@dataclass(frozen=True)
class Reading:
    """The value of each option.

    Attributes:
        date_column: Title or number (the first is 1) of the column of dates.
        close_column: Title or number of the column of closing prices.
        date_format: Format of the dates, as of strptime.
        decimal: The decimal mark.
        resample: Time and zone at which daily closes are taken from intraday bars ("17:00 America/New_York").
        base: The base of a table with a column for each currency.
        invert: With `base`, its values are in the base; without, the closes are one over the pair's.
        start: The first day that is used.
        trust: Accept prices that do not look like the pair's.
    """

    date_column: str | None = None
    close_column: str | None = None
    date_format: str | None = None
    decimal: Mark | None = None
    resample: str | None = None
    base: str | None = None
    invert: bool = False
    start: date | None = None
    trust: bool = False


PLAIN = Reading()
