"""The age of an official forecast at a time: its state, and the first day that has not begun.

Every answer, page and command gets them from `assess`. A day begins at midnight UTC, as in ingest and its alarm.
"""

from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from lambda_fn.prices.business_days import business_days_since
from lambda_fn.record.official_forecast import Official
from lambda_fn.store.keys import price_key

LATE_FROM = 2  # business days: a day's rates come in its evening, so until then yesterday's are the latest
State = Literal["fresh", "late", "expired", "unknown"]
STATES: tuple[State, ...] = ("fresh", "late", "expired", "unknown")
CONSEQUENCES: dict[State, str] = {
    "fresh": "",
    "late": "The ranges are wider than usual, because they also cover the days since the latest price.",
    "expired": "All ranges on this page are of past days. Do not use them for decisions.",
    "unknown": "The age of this forecast is not known. Do not use its ranges for decisions.",
}


class Timeliness(NamedTuple):
    """The age of a forecast at a time.

    Attributes:
        state: late from LATE_FROM business days on, expired when every forecast day has begun, unknown when the latest
            price is of a day after today.
        business_days: business days that have begun since the latest price.
        begun: number of forecast days that have begun.
        horizon: first forecast day that has not begun, in business days after the latest price; the last day of an
            expired forecast.
        next_day: its date; None for an expired forecast.
        sentence: the age, for everyone.
        fix: what the operator has to do; empty for a fresh forecast.
    """

    state: State
    business_days: int
    begun: int
    horizon: int
    next_day: date | None
    sentence: str
    fix: str

    @property
    def consequence(self) -> str:
        """What the age means for a reader of the page; empty for a fresh forecast."""
        return CONSEQUENCES[self.state]


def assess(official: Official, now: datetime) -> Timeliness:
    """Return the age of a forecast at `now`."""
    today = now.astimezone(UTC).date()
    business_days = business_days_since(official.as_of, today, official.source)
    begun, days = sum(day <= today for day in official.days), len(official.days)
    sentence = f"the latest price is from {official.as_of}"
    ago = f"{business_days} business day{'' if business_days == 1 else 's'} ago"
    fix = "run eurusd ingest"
    if official.source != "ecb":
        save = f"eurusd prices --pair {official.pair} --csv FILE --save"
        fix = f"run {save}, then eurusd refresh --pair {official.pair}"
    state: State = "late"
    if official.as_of > today:
        state = "unknown"
        sentence = f"the prices or the clock are wrong: {sentence}, after today, {today}"
        fix = f"check the clock of this machine and the last rows of {price_key(official.pair, official.source)}"
    elif begun == days:
        state = "expired"
        sentence = f"No current forecast: {sentence}, {ago}, and every forecast day has begun"
    elif business_days < LATE_FROM:
        state, fix = "fresh", ""
        sentence = f"{sentence}, {ago}"
    else:
        share = f"; {begun} of the {days} forecast days {'has' if begun == 1 else 'have'} begun" if begun else ""
        sentence = f"{sentence}, {ago}{share}; newer prices are overdue"
    next_day = official.days[begun] if begun < days else None
    return Timeliness(state, business_days, begun, min(begun + 1, days), next_day, sentence, fix)
