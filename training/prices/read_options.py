"""How a user's file is to be read where it does not say so itself: what the options of the commands ask for."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Mark = Literal[".", ","]


@dataclass(frozen=True)
class Reading:
    """What each option says.

    `date_column` and `close_column` are titles or numbers (1 is the first) of columns, `date_format` is strptime's and
    `decimal` the decimal mark. `resample` is the time of day and the zone at which closes are taken of intraday bars
    ("17:00 America/New_York"). `base` is the base of a table with a column a currency, and `invert` says that its
    values are in the base; without a base, that the closes are one over the pair's. `start` is the first day that is
    used. `trust` takes prices that do not look like the pair's.
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
