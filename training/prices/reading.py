"""How a user's file is to be read where it does not say so itself: what the options of the commands ask for."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Mark = Literal[".", ","]


@dataclass(frozen=True)
class Reading:
    """`date_column` and `close_column` are titles or numbers (1 is the first) of columns, `date_format` is strptime's,
    `decimal` the decimal mark, `resample` the time of day and the zone at which closes are taken of intraday bars
    ("17:00 America/New_York"), `start` the first day that is used, and `trust` takes prices that do not look like the
    pair's."""

    date_column: str | None = None
    close_column: str | None = None
    date_format: str | None = None
    decimal: Mark | None = None
    resample: str | None = None
    start: date | None = None
    trust: bool = False


PLAIN = Reading()
