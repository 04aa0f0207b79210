"""The JSON of a forecast: its days, its age and its freshness. Pure Python: a GET must not import numpy."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Literal, TypedDict

from lambda_fn.fields import utc_text
from lambda_fn.prices.business_days import business_days_since
from lambda_fn.prices.volatility import annualise, quantile_sd
from lambda_fn.record.official_forecast import Official
from lambda_fn.web.params import ForecastQuery
from lambda_fn.web.response import DateText, TimeText

PRICE_DECIMALS = 6
RETURN_DECIMALS = 8
RATIO_DECIMALS = 6
LATE_FROM = 2  # business days: a day's rates come in its evening, so until then yesterday's are the latest
Count = Annotated[int, ("minimum", 0)]
Horizon = Annotated[int, "business days after the last close", ("minimum", 1)]
Mean = Annotated[float, "point forecast"]


class Interval(TypedDict):
    """A central interval."""

    lower: float
    upper: float


Quantiles = Annotated[dict[str, float], 'by level, for example "0.05"; non-decreasing']
Intervals = Annotated[dict[str, Interval], 'central intervals by coverage in percent, for example "80"']


class Distribution(TypedDict):
    """A distribution of prices or returns."""

    mean: Mean
    median: float
    quantiles: Quantiles
    intervals: Intervals


class Day(TypedDict):
    """Prices, rounded to 6 decimals. `returns` has the same distribution as simple returns, price / last_close - 1,
    rounded to 8 decimals.

    Attributes:
        date: null if as_of is unknown.
        volatility: standard deviation of the log return since the last close, per year of 260 business days, as a
            fraction (0.08 is 8 %), rounded to 6 decimals.
    """

    date: DateText | None
    horizon: Horizon
    mean: Mean
    median: float
    quantiles: Quantiles
    intervals: Intervals
    volatility: Annotated[float, ("minimum", 0)]
    returns: Distribution


class Age(TypedDict):
    """Age of the forecast's prices.

    Attributes:
        business_days: business days that have begun since the last close.
        state: late from two business days on; expired when every forecast day has begun.
        sentence: the age as a sentence.
    """

    business_days: Count
    state: Literal["fresh", "late", "expired"]
    sentence: str


CheckedAt = Annotated[TimeText, "last successful check of the store for a newer forecast, champion or record"]
Stale = Annotated[
    bool, "true if the store has failed since, a newer forecast could not be made, or the forecast is late or expired"
]


class Freshness(TypedDict):
    """Members of every answer that is made of stored records."""

    checked_at: CheckedAt
    stale: Stale
    stale_reason: str | None


class AgedFreshness(Freshness):
    """Members of every answer that is made of the official forecast."""

    age: Age


def forecast_days(
    selection: ForecastQuery,
    levels: Sequence[float],
    days: Sequence[date] | None,
    last_close: float,
    quantiles: Sequence[Sequence[float]],
    mean: Sequence[float],
    sd: Sequence[float] | None = None,
) -> list[Day]:
    """Build the JSON objects of a forecast, one for each business day, with simple returns since the last close.

    Args:
        selection: the days, levels and intervals to include.
        levels: the champion's levels.
        days: the business days of the forecast; None if the date of the last close is unknown.
        last_close: the price on which the returns are based.
        quantiles: prices of at least `selection.horizon` days [horizon][levels].
        mean: prices [horizon].
        sd: standard deviations of the log return [horizon]; None for those of the quantiles.
    """
    names = [(f"{levels[position]:g}", position + 1) for position in selection.positions]
    median = levels.index(0.5) + 1

    def distribution(row: Sequence[float]) -> Distribution:
        return {
            "mean": row[0],
            "median": row[median],
            "quantiles": {name: row[column] for name, column in names},
            "intervals": {
                coverage: {"lower": row[lower + 1], "upper": row[upper + 1]}
                for coverage, (lower, upper) in selection.intervals.items()
            },
        }

    result: list[Day] = []
    for i in range(selection.horizon):
        row = (mean[i], *quantiles[i])
        day: Day = {
            "date": days[i].isoformat() if days is not None else None,
            "horizon": i + 1,
            **distribution([round(price, PRICE_DECIMALS) for price in row]),
            "volatility": round(annualise(sd[i] if sd else quantile_sd(levels, quantiles[i]), i + 1), RATIO_DECIMALS),
            # + 0.0 turns -0.0, which JSON would contain, into 0.0
            "returns": distribution([round(price / last_close - 1, RETURN_DECIMALS) + 0.0 for price in row]),
        }
        result.append(day)
    return result


def age_of(official: Official, now: datetime) -> Age:
    """Return the age of a forecast at `now`. Days are UTC days, as in ingest and its alarm."""
    today = now.astimezone(UTC).date()
    business_days = business_days_since(official.as_of, today, official.source)
    count = f"{business_days} business day{'' if business_days == 1 else 's'}"
    sentence = f"the latest price is from {official.as_of}, {count} ago"
    if official.days[-1] <= today:
        sentence += "; every forecast day has begun"
        return {"business_days": business_days, "state": "expired", "sentence": sentence}
    if business_days < LATE_FROM:
        return {"business_days": business_days, "state": "fresh", "sentence": sentence}
    if begun := sum(day <= today for day in official.days):
        sentence += f"; {begun} of the {len(official.days)} forecast days {'has' if begun == 1 else 'have'} begun"
    return {"business_days": business_days, "state": "late", "sentence": f"{sentence}; newer prices are overdue"}


def freshness_fields(
    checks: Mapping[str, tuple[float, bool]], age: Age | None = None, failure_reason: str | None = None
) -> Freshness:
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
    if age is not None and age["state"] != "fresh":
        reasons.append(age["sentence"])
    oldest, _ = min(checks.values())
    return {
        "checked_at": utc_text(datetime.fromtimestamp(oldest, UTC)),
        "stale": bool(reasons),
        "stale_reason": "; ".join(reasons) or None,
    }
