"""The probability of a price level on a day or by a day, and the price level with a given probability.

They are interpolated between the levels of the official forecast by `record.interpolation` and `record.touch`.
"""

from collections.abc import Mapping
from datetime import date
from typing import Literal, NamedTuple

from lambda_fn.prices.plausibility import MIN_PROBABILITY
from lambda_fn.record.interpolation import price_at, probability_below
from lambda_fn.record.official_forecast import Official
from lambda_fn.record.timeliness import Timeliness
from lambda_fn.record.touch import Side, side_of, touch_probability
from lambda_fn.web.errors import bad_query, format_value
from lambda_fn.web.params import QUESTIONS, parse_horizon

BOUNDS = {"at_most": "less than", "at_least": "more than"}


class PriceProbability(NamedTuple):
    """The probability that the rate of a day is on one side of a price, or that a close by that day touches it.

    Attributes:
        day: the forecast day.
        horizon: its number of business days after the last close.
        side: below or above.
        price: the price level.
        probability: from MIN_PROBABILITY to 1 - MIN_PROBABILITY; of a touch up to 1.
        bound: at_most or at_least if the probability is only a bound, because the forecast does not resolve events
            rarer than MIN_PROBABILITY; None otherwise.
        is_touch: whether the question is about any daily close by that day.
    """

    day: date
    horizon: int
    side: Side
    price: float
    probability: float
    bound: Literal["at_most", "at_least"] | None
    is_touch: bool = False

    def sentence(self, pair: str, timeliness: Timeliness) -> str:
        """Return a sentence, for example "EUR/USD is below 1.1 on 2026-11-06 with a probability of 12.3 %".

        It says if the day has begun or the forecast has expired.
        """
        lead = "No current forecast: " if timeliness.state == "expired" else ""
        begun = "; this day has begun" if self.horizon <= timeliness.begun else ""
        name, day = f"{pair[:3]}/{pair[3:]}", self.day.isoformat()
        probability = f"with a probability of {format_probability(self.probability, self.bound)}"
        if self.is_touch:
            event = f"at least one daily close of {name} by {day} is at or {self.side} {self.price:g}"
            return f"{lead}{event} {probability}; prices within the day do not count{begun}"
        return f"{lead}{name} is {self.side} {self.price:g} on {day} {probability}{begun}"


def format_probability(probability: float, bound: str | None) -> str:
    """Format a probability in percent, for example "12.3 %" or "less than 0.1 %"."""
    return f"{BOUNDS[bound]} {100 * probability:.1f} %" if bound else f"{100 * probability:.1f} %"


def parse_day(official: Official, query: Mapping[str, str], timeliness: Timeliness) -> int:
    """Return the index of the forecast day that the query names by `horizon` or `date`.

    The default is the first day that has not begun, and the last day of an expired forecast.

    Raises Problem: 400 with the parameter and what to give.
    """
    if (text := query.get("date")) is None:
        return parse_horizon(query, official.horizon, timeliness.horizon) - 1
    if "horizon" in query or "h" in query:
        raise bad_query("date", "date and horizon are both present", "give one of them")
    days = [day.isoformat() for day in official.days]
    if text not in days:
        message = f"date={format_value(text)} is not a day of the official forecast"
        cure = f"give a business day from {days[0]} to {days[-1]}, for example date={days[0]}"
        raise bad_query("date", message, cure)
    return days.index(text)


def parse(official: Official, query: Mapping[str, str], timeliness: Timeliness) -> PriceProbability:
    """Parse a query and answer it from the official forecast.

    The query has exactly one of QUESTIONS, and a day as in `parse_day`.

    Raises:
        Problem: 400 with the parameter and what to give.
    """
    position = parse_day(official, query, timeliness)
    questions = [parameter for parameter in QUESTIONS if parameter.name in query]
    if len(questions) != 1:
        names = [parameter.name for parameter in questions]
        message = "the query has neither a price nor a probability"
        if names:
            message = f"{' and '.join(names)} are mutually exclusive"
        choices = ", ".join(parameter.name for parameter in QUESTIONS)
        cure = f"give one of {choices}, for example below=1.1"
        raise bad_query(names[-1] if names else "below", message, cure)
    [question] = questions
    number, day, levels = question.parse_number(query), official.days[position], official.levels
    if question.name == "probability":
        price = price_at(levels, official.quantiles[position], number)
        return PriceProbability(day, position + 1, "below", price, number, None)
    if question.name == "touch":
        touch = touch_probability(official, number, position + 1)
        rare = touch <= MIN_PROBABILITY
        return PriceProbability(
            day,
            position + 1,
            side_of(official, number),
            number,
            max(touch, MIN_PROBABILITY),
            "at_most" if rare else None,
            is_touch=True,
        )
    below = probability_below(levels, official.quantiles[position], number)
    side: Side = "below" if question.name == "below" else "above"
    probability = below if side == "below" else 1 - below
    bound: Literal["at_most", "at_least"] | None = None
    if probability <= MIN_PROBABILITY:
        bound = "at_most"
    elif probability >= 1 - MIN_PROBABILITY:
        bound = "at_least"
    return PriceProbability(day, position + 1, side, number, probability, bound)
