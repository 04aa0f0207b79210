"""How likely a price is on a day, and which price has a given probability: read between the levels of the official
forecast, as `record.distribution` says."""

import re
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from lambda_fn.prices.limits import HIGHEST, LOWEST
from lambda_fn.record.interpolation import MIN_PROBABILITY, price_at, probability_below
from lambda_fn.record.official_forecast import Official
from lambda_fn.web.errors import bad_query, shown
from lambda_fn.web.forecast import PRICE_DECIMALS, JsonObject
from lambda_fn.web.params import horizon_of

ASKED = ("below", "above", "probability")
PROBABILITY_DECIMALS = 6
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)
BOUNDS = {"at_most": "less than", "at_least": "more than"}


class Likelihood(NamedTuple):
    """The probability that the close of `day`, `horizon` business days ahead, is on this `side` of `price`. `bound`
    says that it is at most or at least this much, as nothing is known of what is rarer than MIN_PROBABILITY."""

    day: date
    horizon: int
    side: str
    price: float
    probability: float
    bound: str | None

    def sentence(self, pair: str) -> str:
        """In English."""
        return (
            f"{pair[:3]}/{pair[3:]} is {self.side} {self.price:g} on {self.day.isoformat()} with a probability of "
            f"{in_words(self.probability, self.bound)}"
        )


def in_words(probability: float, bound: str | None) -> str:
    """Such as "12.3 %", or "less than 0.1 %" where no more can be said."""
    return f"{BOUNDS[bound]} {100 * probability:.1f} %" if bound else f"{100 * probability:.1f} %"


def answer(official: Official, query: Mapping[str, str]) -> JsonObject:
    """What GET /api/probability tells; raises Problem as `parse`."""
    found = parse(official, query)
    return {
        "pair": official.pair,
        "as_of": official.as_of.isoformat(),
        "last_close": official.last_close,
        "date": found.day.isoformat(),
        "horizon": found.horizon,
        found.side: round(found.price, PRICE_DECIMALS),
        "probability": round(found.probability, PROBABILITY_DECIMALS),
        "bound": found.bound,
        "sentence": found.sentence(official.pair),
    }


def parse(official: Official, query: Mapping[str, str]) -> Likelihood:
    """What the parameters ask of this forecast: exactly one of ASKED, and a day by `horizon` or by `date`, tomorrow
    when it is left out.

    Raises:
        Problem: 400 naming the parameter and the cure.
    """
    position = _position(official, query)
    given = [name for name in ASKED if name in query]
    if len(given) != 1:
        told = f"{' and '.join(given)} are given together" if given else "nothing is asked"
        raise bad_query(given[-1] if given else "below", told, f"give one of {', '.join(ASKED)}, such as below=1.1")
    if given[0] == "probability":
        return _price(official, position, query["probability"])
    return likelihood(official, position, given[0], _number(given[0], query[given[0]]))


def likelihood(official: Official, position: int, side: str, price: float) -> Likelihood:
    """Of the day at this position; `side` is below or above."""
    below = probability_below(official.levels, official.quantiles[position], price)
    probability = below if side == "below" else 1 - below
    bound = "at_most" if probability <= MIN_PROBABILITY else "at_least" if probability >= 1 - MIN_PROBABILITY else None
    return Likelihood(official.days[position], position + 1, side, price, probability, bound)


def _price(official: Official, position: int, text: str) -> Likelihood:
    probability = float(text) if _NUMBER.fullmatch(text) else -1.0
    if not MIN_PROBABILITY <= probability <= 1 - MIN_PROBABILITY:
        cure = f"give a number from {MIN_PROBABILITY} to {1 - MIN_PROBABILITY}, such as 0.05"
        raise bad_query("probability", f"probability={shown(text)} is none that the forecast knows a price of", cure)
    price = price_at(official.levels, official.quantiles[position], probability)
    return Likelihood(official.days[position], position + 1, "below", price, probability, None)


def _position(official: Official, query: Mapping[str, str]) -> int:
    if "date" not in query:
        return horizon_of(query, official.horizon, 1) - 1
    if "horizon" in query or "h" in query:
        raise bad_query("date", "a date and a horizon are given together", "give one of them")
    text = query["date"]
    days = [day.isoformat() for day in official.days]
    if text not in days:
        message = f"date={shown(text)} is no day that the official forecast has"
        raise bad_query("date", message, f"give a business day from {days[0]} to {days[-1]}, such as date={days[0]}")
    return days.index(text)


def _number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text) or not LOWEST <= float(text) <= HIGHEST:
        cure = f"give a price from {LOWEST:g} to {HIGHEST:,.0f}, such as {name}=1.1"
        raise bad_query(name, f"{name}={shown(text)} is no price", cure)
    return float(text)
