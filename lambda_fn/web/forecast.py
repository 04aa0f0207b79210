"""The JSON of a forecast: its days, its age and its freshness. Pure Python: a GET must not import numpy."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from lambda_fn.fields import utc_text
from lambda_fn.prices.volatility import annualise, quantile_sd
from lambda_fn.record.official_forecast import Entry, Official
from lambda_fn.record.timeliness import State, Timeliness
from lambda_fn.web.params import ForecastQuery
from lambda_fn.web.response import DateText, PairCode, TimeText

PRICE_DECIMALS = 6
RETURN_DECIMALS = 8
RATIO_DECIMALS = 6
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
        state: late from two business days on; expired when every forecast day has begun; unknown when the last close is
            of a day after today, because the prices or the clock are wrong.
        sentence: the age as a sentence.
        next_day: first forecast day that has not begun (UTC); null for an expired forecast.
    """

    business_days: Count
    state: State
    sentence: str
    next_day: DateText | None


CheckedAt = Annotated[TimeText, "last successful check of the store for a newer forecast, champion or record"]
Stale = Annotated[
    bool, "true if the store has failed since, a newer forecast could not be made, or the age is not fresh"
]


class Fallback(TypedDict):
    """Why an earlier generation made the forecast.

    Attributes:
        failed_generation: the active generation, which gave no plausible forecast.
    """

    failed_generation: int
    reason: str


class MaybeFallback(TypedDict):
    """The member that an answer has if an earlier generation made its forecast."""

    fallback: NotRequired[Fallback]


class Freshness(TypedDict):
    """Members of every answer that is made of stored records."""

    checked_at: CheckedAt
    stale: Stale
    stale_reason: str | None


class AgedFreshness(Freshness):
    """Members of every answer that is made of the official forecast."""

    age: Age


class Score(TypedDict):
    """The outcome of a forecast day, and the scores of the forecast.

    Attributes:
        kind: late if the forecast was made or stored when its outcome could be known.
        outcome: the rate of the day.
        pinball: pinball loss, of the log return in percent, averaged over the levels.
        benchmarks: the same of each benchmark.
        pit: forecast probability of a rate below the outcome.
        inside: whether the central interval contains the outcome, by its nominal coverage in percent.
        stored_at: time of the stored forecast, by the store's clock.
        note: anything unusual about the prices or the forecast.
    """

    kind: Literal["live", "late"]
    outcome: float
    pinball: float
    benchmarks: dict[str, float]
    pit: float
    inside: dict[str, bool]
    stored_at: TimeText | None
    note: str


class StoredDay(TypedDict):
    """A day of a stored forecast: prices as they are in the ledger.

    Attributes:
        volatility: as in the official forecast, rounded to 6 decimals.
        benchmarks: quantiles of each benchmark.
        score: null until the outcome is known.
    """

    date: DateText
    horizon: Horizon
    mean: Mean
    median: float
    quantiles: Quantiles
    intervals: Intervals
    volatility: Annotated[float, ("minimum", 0)]
    benchmarks: dict[str, Quantiles]
    score: Score | None


class StoredForecast(Freshness, MaybeFallback):
    """An entry of the ledger: the first official forecast after a day's close.

    Attributes:
        as_of: date of the last close.
        prices: source of the prices: ecb or csv.
        kind: as the entry says; that of a score is checked with the store's clock.
        generation: deployment number of the champion that made it.
        family: model of the champion.
        sha256: digest of the champion's file.
    """

    pair: PairCode
    as_of: DateText
    last_close: float
    forecast: list[StoredDay]
    prices: str
    made_at: TimeText
    kind: Literal["live", "late"]
    generation: int
    family: str
    sha256: str


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


def age_json(timeliness: Timeliness) -> Age:
    """Return the age of a forecast as the JSON of a response."""
    next_day = timeliness.next_day
    return {
        "business_days": timeliness.business_days,
        "state": timeliness.state,
        "sentence": timeliness.sentence,
        "next_day": None if next_day is None else next_day.isoformat(),
    }


def fallback_field(forecast: Official | Entry) -> MaybeFallback:
    """Return the member `fallback` if an earlier generation made the forecast."""
    if forecast.failed_generation is None or forecast.reason is None:
        return {}
    return {"fallback": {"failed_generation": forecast.failed_generation, "reason": forecast.reason}}


def freshness_fields(
    checks: Mapping[str, tuple[float, bool]], timeliness: Timeliness | None = None, failure_reason: str | None = None
) -> Freshness:
    """Return the members `checked_at`, `stale` and `stale_reason` of a response.

    Args:
        checks: by part of the response, the time of its last successful check of the store (seconds since 1970) and
            whether the store has failed since.
        timeliness: the age of the forecast.
        failure_reason: why a newer forecast could not be made.

    Returns:
        checked_at of the part checked longest ago. stale is true if the store failed, a newer forecast could not be
        made, or the forecast is not fresh; stale_reason says which.
    """
    failed = [name for name, (_, stale) in checks.items() if stale]
    reasons = []
    if timeliness is not None and timeliness.state != "fresh":
        reasons.append(timeliness.sentence)
    if failed:
        reasons.append(f"cannot check the store for newer {' and '.join(failed)}; these are the latest cached ones")
    if failure_reason is not None:
        reasons.append(f"a newer forecast could not be made: {failure_reason}")
    oldest, _ = min(checks.values())
    return {
        "checked_at": utc_text(datetime.fromtimestamp(oldest, UTC)),
        "stale": bool(reasons),
        "stale_reason": "; ".join(reasons) or None,
    }
