"""The probability of a price level on a day, and the price level with a given probability.

Both are interpolated between the levels of the official forecast by `record.interpolation`.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from lambda_fn.prices.plausibility import HIGHEST, LOWEST
from lambda_fn.record.interpolation import MIN_PROBABILITY, price_at, probability_below
from lambda_fn.record.official_forecast import Official
from lambda_fn.web.errors import bad_query, format_value
from lambda_fn.web.forecast import PRICE_DECIMALS, JsonObject
from lambda_fn.web.params import parse_horizon

QUESTIONS = ("below", "above", "probability")
PROBABILITY_DECIMALS = 6
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)
BOUNDS = {"at_most": "less than", "at_least": "more than"}


class PriceProbability(NamedTuple):
    """The probability that the rate of a day is on one side of a price.

    Attributes:
        day: the forecast day.
        horizon: its number of business days after the last close.
        side: below or above.
        price: the price level.
        probability: from MIN_PROBABILITY to 1 - MIN_PROBABILITY.
        bound: at_most or at_least if the probability is only a bound, because the forecast does not resolve events
            rarer than MIN_PROBABILITY; None otherwise.
    """

    day: date
    horizon: int
    side: str
    price: float
    probability: float
    bound: str | None

    def sentence(self, pair: str) -> str:
        """Return a sentence, for example "EUR/USD is below 1.1 on 2026-11-06 with a probability of 12.3 %"."""
        return (
            f"{pair[:3]}/{pair[3:]} is {self.side} {self.price:g} on {self.day.isoformat()} with a probability of "
            f"{format_probability(self.probability, self.bound)}"
        )


def format_probability(probability: float, bound: str | None) -> str:
    """Format a probability in percent, for example "12.3 %" or "less than 0.1 %"."""
    return f"{BOUNDS[bound]} {100 * probability:.1f} %" if bound else f"{100 * probability:.1f} %"


def probability_fields(official: Official, query: Mapping[str, str]) -> JsonObject:
    """Return the members of GET /api/probability. Raises Problem as `parse` does."""
    result = parse(official, query)
    return {
        "pair": official.pair,
        "as_of": official.as_of.isoformat(),
        "last_close": official.last_close,
        "date": result.day.isoformat(),
        "horizon": result.horizon,
        result.side: round(result.price, PRICE_DECIMALS),
        "probability": round(result.probability, PROBABILITY_DECIMALS),
        "bound": result.bound,
        "sentence": result.sentence(official.pair),
    }


def parse(official: Official, query: Mapping[str, str]) -> PriceProbability:
    """Parse a query and answer it from the official forecast.

    The query has exactly one of QUESTIONS, and a day as `horizon` or `date`; the default is the next day.

    Raises:
        Problem: 400 with the parameter and what to give.
    """
    position = _parse_day(official, query)
    names = [name for name in QUESTIONS if name in query]
    if len(names) != 1:
        field = names[-1] if names else "below"
        message = (
            f"{' and '.join(names)} are mutually exclusive"
            if names
            else "the query has neither a price nor a probability"
        )
        raise bad_query(field, message, f"give one of {', '.join(QUESTIONS)}, for example below=1.1")
    [name] = names
    text = query[name]
    if name == "probability":
        probability = float(text) if _NUMBER.fullmatch(text) else -1.0
        if not MIN_PROBABILITY <= probability <= 1 - MIN_PROBABILITY:
            message = f"probability={format_value(text)} is not a valid probability"
            raise bad_query(
                "probability",
                message,
                f"give a number from {MIN_PROBABILITY} to {1 - MIN_PROBABILITY}, for example 0.05",
            )
        price = price_at(official.levels, official.quantiles[position], probability)
        return PriceProbability(official.days[position], position + 1, "below", price, probability, None)
    if not _NUMBER.fullmatch(text) or not LOWEST <= float(text) <= HIGHEST:
        cure = f"give a price from {LOWEST:g} to {HIGHEST:,.0f}, for example {name}=1.1"
        raise bad_query(name, f"{name}={format_value(text)} is not a valid price", cure)
    price = float(text)
    below = probability_below(official.levels, official.quantiles[position], price)
    probability = below if name == "below" else 1 - below
    bound = "at_most" if probability <= MIN_PROBABILITY else "at_least" if probability >= 1 - MIN_PROBABILITY else None
    return PriceProbability(official.days[position], position + 1, name, price, probability, bound)


def _parse_day(official: Official, query: Mapping[str, str]) -> int:
    """Return the index of the forecast day that the query names."""
    if "date" not in query:
        return parse_horizon(query, official.horizon, 1) - 1
    if "horizon" in query or "h" in query:
        raise bad_query("date", "date and horizon are both present", "give one of them")
    text = query["date"]
    days = [day.isoformat() for day in official.days]
    if text not in days:
        message = f"date={format_value(text)} is not a day of the official forecast"
        cure = f"give a business day from {days[0]} to {days[-1]}, for example date={days[0]}"
        raise bad_query("date", message, cure)
    return days.index(text)
