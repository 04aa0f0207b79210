"""How old an answer is, told honestly: in business days, in one word, and in a sentence."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from lambda_fn.fields import utc_text
from lambda_fn.prices.business_days import business_days_since
from lambda_fn.record.official_forecast import Official
from lambda_fn.web.forecast import JsonObject

LATE_FROM = 2  # business days: a day's rates are there by its evening, so yesterday's are the newest until then
State = Literal["fresh", "late", "expired"]


class Age(NamedTuple):
    """`business_days` have begun since the last close; expired when every day that is forecast has begun."""

    business_days: int
    state: State
    sentence: str

    @classmethod
    def of(cls, official: Official, now: datetime) -> "Age":
        """Days are UTC's, as those of ingest and its alarm."""
        today = now.astimezone(UTC).date()
        business_days = business_days_since(official.as_of, today, official.source)
        known = f"the forecast is from the close of {official.as_of}, {_count(business_days)} ago"
        if official.days[-1] <= today:
            return cls(business_days, "expired", f"{known}; every day that it forecasts has begun")
        if business_days >= LATE_FROM:
            return cls(business_days, "late", f"{known}; {_begun(official.days, today)}newer prices are due")
        return cls(business_days, "fresh", f"{known}, the newest")

    def to_object(self) -> JsonObject:
        """As JSON types."""
        return {"business_days": self.business_days, "state": self.state, "sentence": self.sentence}


def freshness(
    checked: Mapping[str, tuple[float, bool]], age: Age | None = None, withheld: str | None = None
) -> JsonObject:
    """`checked` names each part of the answer with the time of its last check, seconds since 1970, and whether the
    store failed since; `withheld` says why no newer forecast could be made.

    Returns:
        checked_at of the part checked longest ago; stale when the store failed, no newer forecast could be made, or
        the forecast is late or expired, and why.
    """
    failed = [name for name, (_, stale) in checked.items() if stale]
    reasons = []
    if failed:
        reasons.append(f"the store could not be asked for newer {' and '.join(failed)}; the last known are served")
    if withheld is not None:
        reasons.append(f"no newer forecast could be made: {withheld}")
    if age is not None and age.state != "fresh":
        reasons.append(age.sentence)
    oldest = datetime.fromtimestamp(min(when for when, _ in checked.values()), UTC)
    return {
        "checked_at": utc_text(oldest),
        "stale": bool(reasons),
        "stale_reason": "; ".join(reasons) or None,
    }


def _count(days: int) -> str:
    return f"{days} business day{'' if days == 1 else 's'}"


def _begun(days: tuple[date, ...], today: date) -> str:
    begun = sum(day <= today for day in days)
    if not begun:
        return ""
    return f"{begun} of the {len(days)} days that it forecasts {'has' if begun == 1 else 'have'} begun; "
