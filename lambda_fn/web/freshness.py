"""Freshness of a response: the age of its prices in business days, and the last check of the store."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from lambda_fn.fields import utc_text
from lambda_fn.prices.business_days import business_days_since
from lambda_fn.record.official_forecast import Official
from lambda_fn.web.forecast import JsonObject

LATE_FROM = 2  # business days: a day's rates come in its evening, so until then yesterday's are the latest
State = Literal["fresh", "late", "expired"]


class Age(NamedTuple):
    """Age of a forecast's prices.

    Attributes:
        business_days: business days that have begun since the last close.
        state: late from LATE_FROM business days on, expired when every forecast day has begun.
        sentence: the same as text.
    """

    business_days: int
    state: State
    sentence: str

    @classmethod
    def of(cls, official: Official, now: datetime) -> "Age":
        """Return the age at `now`. Days are UTC days, as in ingest and its alarm."""
        today = now.astimezone(UTC).date()
        business_days = business_days_since(official.as_of, today, official.source)
        count = f"{business_days} business day{'' if business_days == 1 else 's'}"
        latest = f"the latest price is from {official.as_of}, {count} ago"
        if official.days[-1] <= today:
            return cls(business_days, "expired", f"{latest}; every forecast day has begun")
        if business_days < LATE_FROM:
            return cls(business_days, "fresh", latest)
        begun = sum(day <= today for day in official.days)
        days = f"{begun} of the {len(official.days)} forecast days {'has' if begun == 1 else 'have'} begun; "
        return cls(business_days, "late", f"{latest}; {days if begun else ''}newer prices are overdue")

    def to_object(self) -> JsonObject:
        """Return the JSON object."""
        return {"business_days": self.business_days, "state": self.state, "sentence": self.sentence}


def freshness_fields(
    checks: Mapping[str, tuple[float, bool]], age: Age | None = None, failure_reason: str | None = None
) -> JsonObject:
    """Return the members `checked_at`, `stale` and `stale_reason` of a response.

    Args:
        checks: by part of the response, the time of its last successful check of the store (seconds since 1970) and
            whether the store has failed since.
        age: the age of the forecast.
        failure_reason: why a newer forecast could not be made.

    Returns:
        checked_at of the part checked longest ago. stale is true if the store failed, a newer forecast could not be
        made, or the forecast is late or expired; stale_reason says which.
    """
    failed = [name for name, (_, stale) in checks.items() if stale]
    reasons = []
    if failed:
        reasons.append(f"cannot check the store for newer {' and '.join(failed)}; these are the latest cached ones")
    if failure_reason is not None:
        reasons.append(f"a newer forecast could not be made: {failure_reason}")
    if age is not None and age.state != "fresh":
        reasons.append(age.sentence)
    oldest = datetime.fromtimestamp(min(checked_at for checked_at, _ in checks.values()), UTC)
    return {
        "checked_at": utc_text(oldest),
        "stale": bool(reasons),
        "stale_reason": "; ".join(reasons) or None,
    }
