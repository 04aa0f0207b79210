"""Scheduled news: US payrolls by a rule, other events from a file, as days since 1970-01-01.

The file lists the decisions of the FOMC and the ECB, and the releases of US consumer prices (CPI). Such days move the
rate more than others, and they are announced long before. The file names its sources; a new date is a new line in it.
Beyond the last listed date of a kind, only the payroll rule and weekdays apply.

A line has the date, the event and, for a day that was moved, when the public learned of it: `announced` is the day from
which the date is known, `withdrawn` the day from which it no longer holds. Empty means always and never. So a forecast
of the past is made with the schedule that was known then.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.onnx_validator import describe
from lambda_fn.fields import ContractError

FILE = Path(__file__).parent / "events.csv"
PAYROLLS, FOMC, ECB, CPI = "payrolls", "FOMC", "ECB", "CPI"
LISTED = (FOMC, ECB, CPI)  # the kinds of the file
KINDS = (PAYROLLS, FOMC, ECB)
KINDS_WITH_CPI = (*KINDS, CPI)
FIRST, LAST = date(1999, 1, 1), date(2049, 12, 31)  # the calendar inside a champion
ENTRY = "events_known_through"  # of the metadata of a champion's file: the last day of each kind, as JSON
WARN_DAYS = 60  # warn when the known dates end in fewer days than this
TITLES = {PAYROLLS: "US payrolls", FOMC: "FOMC decisions", ECB: "ECB decisions", CPI: "US consumer prices"}
PER_YEAR = {FOMC: 8, ECB: 8, CPI: 12}
SOURCES = {
    FOMC: "https://www.federalreserve.gov/monetarypolicy/fomccalendars.htm",
    ECB: "https://www.ecb.europa.eu/press/calendars/mgcgc/html/index.en.html",
    CPI: "https://www.bls.gov/schedule/news_release/cpi.htm",
}
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Events:
    """The days of each kind, ascending, int64 [n] in days since 1970-01-01."""

    days: Mapping[str, NDArray[np.int64]]

    def count_until(self, kind: str, day: NDArray[np.int64], lag: int) -> NDArray[np.int64]:
        """Count the events of this kind that lie `lag` days before each day or earlier.

        The difference between two closes is the number of events that moved the return between them: lag 0 where
        prices are taken after the news of a day, 1 where they are taken before it.
        """
        return np.searchsorted(self.days[kind], day - lag, side="right").astype(np.int64)

    def known_through(self) -> dict[str, date]:
        """Last date of each kind that the file lists; payrolls follow a rule and do not end."""
        return {kind: _EPOCH + timedelta(int(days[-1])) for kind, days in self.days.items() if kind != PAYROLLS}


def read_known_through(model: bytes) -> dict[str, date]:
    """Read the last day of each kind of event that a champion's file knows; empty for one that uses no events.

    Raises ContractError for a file or an entry that cannot be read.
    """
    entry = describe(model).props.get(ENTRY, "{}")
    try:
        return {str(kind): date.fromisoformat(last) for kind, last in json.loads(entry).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ContractError(
            f"metadata.{ENTRY}: {entry[:60]!r} is not the last day of each kind of event; train the model again"
        ) from error


class ListedYear(NamedTuple):
    """How many dates of a kind the file has in a year, and how many it lacks."""

    kind: str
    year: int
    dates: int
    missing: int


def list_years(events: Events, years: Sequence[int]) -> list[ListedYear]:
    """Count the listed dates of each kind in each year. A year before the last date of a kind lacks none of it."""
    rows = []
    for kind, last in events.known_through().items():
        listed_years = events.days[kind].astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
        for year in years:
            dates = int((listed_years == year).sum())
            rows.append(ListedYear(kind, year, dates, max(0, PER_YEAR[kind] - dates) if year >= last.year else 0))
    return rows


def days_left(known_through: Mapping[str, date], today: date) -> dict[str, int]:
    """Days from today to the last known date of each kind, negative when it has passed."""
    return {kind: (last - today).days for kind, last in known_through.items()}


@cache
def load_events(kinds: Sequence[str] = KINDS_WITH_CPI, known_at: date = date.max) -> Events:
    """Load the events of the project's file and of the payroll rule, as they were known on a day."""
    return read_events(FILE.read_text("utf-8"), kinds, known_at)


def read_events(text: str, kinds: Sequence[str] = KINDS_WITH_CPI, known_at: date = date.max) -> Events:
    """Read a file `date,event,announced,withdrawn` with comments in `#`.

    Raises ValueError naming a line that cannot be read, and a kind without any date.
    """
    listed_days: dict[str, list[int]] = {kind: [] for kind in LISTED}
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        try:
            day = date.fromisoformat(row["date"])
            announced, withdrawn = (
                date.fromisoformat(row[name]) if row.get(name) else default
                for name, default in (("announced", date.min), ("withdrawn", date.max))
            )
            days = listed_days[row["event"]]
            if announced <= known_at and (known_at < withdrawn or withdrawn == date.max):
                days.append((day - _EPOCH).days)
        except (KeyError, ValueError, TypeError) as error:
            raise ValueError(
                f"events: cannot read {dict(row)}; write lines such as 2026-12-09,FOMC or 2026-12-17,ECB"
            ) from error
    months = ((year, month) for year in range(FIRST.year, LAST.year + 1) for month in range(1, 13))
    listed_days[PAYROLLS] = [(payroll_day(year, month) - _EPOCH).days for year, month in months]
    if empty := [kind for kind in kinds if not listed_days[kind]]:
        raise ValueError(f"events: no date of {empty[0]}; give at least one")
    return Events({kind: np.unique(np.array(listed_days[kind], np.int64)) for kind in kinds})


def payroll_day(year: int, month: int) -> date:
    """Day of the US employment report in a month, by the Bureau of Labor Statistics' rule.

    It is the third Friday after the week of the 12th of the month before; in January not before the 4th; the Thursday
    when that Friday is 3 or 4 July. From 2010 on only reports that a shutdown of the government delayed differ.
    """
    twelfth = date(year - (month == 1), (month - 2) % 12 + 1, 12)
    saturday = twelfth + timedelta((5 - twelfth.weekday()) % 7)  # weeks end on Saturday
    friday = saturday + timedelta(20)
    if month == 1 and friday.day < 4:
        return friday + timedelta(7)
    if month == 7 and friday.day in (3, 4):
        return friday - timedelta(1)
    return friday
