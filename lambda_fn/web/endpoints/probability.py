"""The probability of a price level: GET /api/probability."""

from typing import Annotated, Literal, NotRequired

from lambda_fn.prices.plausibility import MIN_PROBABILITY
from lambda_fn.web.endpoints.forecast import age_fields
from lambda_fn.web.forecast import PRICE_DECIMALS, AgedFreshness, Horizon
from lambda_fn.web.params import PROBABILITY_PARAMETERS
from lambda_fn.web.request import Request
from lambda_fn.web.response import DateText, PairCode
from lambda_fn.web.routing import BAD_QUERY, NOTHING, Route
from lambda_fn.web.state import PairState

PROBABILITY_DECIMALS = 6


class Probability(AgedFreshness):
    """The probability of a price level on a day, or by that day.

    Attributes:
        as_of: date of the last close.
        date: the forecast day.
        horizon: its business days after the last close.
        below: the price of the query, or the price for the query's probability.
        above: the price of the query.
        touch: the price of the query; only daily closes count, not prices within the day.
        side: only with touch: the side of the last close on which the price lies.
        bound: at_most or at_least if `probability` is only a bound.
        sentence: the answer as a sentence.
    """

    pair: PairCode
    as_of: DateText
    last_close: float
    date: DateText
    horizon: Horizon
    below: NotRequired[float]
    above: NotRequired[float]
    touch: NotRequired[float]
    side: NotRequired[Literal["below", "above"]]
    probability: Annotated[float, ("minimum", MIN_PROBABILITY), ("maximum", 1)]
    bound: Literal["at_most", "at_least", None]
    sentence: str


def probability(pair: PairState, request: Request) -> Probability:
    """Return the probability of a price level, or the price level with a given probability."""
    from lambda_fn.web.probability import parse  # only for this route

    latest, timeliness = pair.records.official()
    official = latest.value.value
    result, freshness = parse(official, request.query, timeliness), age_fields(latest, timeliness)
    content: Probability = {
        "pair": official.pair,
        "as_of": official.as_of.isoformat(),
        "last_close": official.last_close,
        "date": result.day.isoformat(),
        "horizon": result.horizon,
        "probability": round(result.probability, PROBABILITY_DECIMALS),
        "bound": result.bound,
        "sentence": result.sentence(official.pair, timeliness),
        "age": freshness["age"],
        "checked_at": freshness["checked_at"],
        "stale": freshness["stale"],
        "stale_reason": freshness["stale_reason"],
    }
    price = round(result.price, PRICE_DECIMALS)
    if result.is_touch:
        return {**content, "touch": price, "side": result.side}
    content[result.side] = price
    return content


ROUTES = (
    Route(
        "GET",
        "/api/probability",
        probability,
        "Probability of a price level",
        "The probability that the rate of a day is below or above a price, or the price below which the rate is with a "
        "given probability. Both come from the official forecast, interpolated linearly in (log price, logit of the "
        "level). `touch` returns the probability that at least one daily close up to that day is at or beyond a price, "
        "on the side of the last close on which the price lies; prices within the day do not count. `horizon` or "
        "`date` selects the day; the default is the first that has not begun. Probabilities below 0.1 % are not "
        "resolved: `bound` is then `at_most` or `at_least`.",
        "forecast",
        parameters=PROBABILITY_PARAMETERS,
        problems=(BAD_QUERY, NOTHING),
        record="forecast",
    ),
)
