"""The answer of /api/book: its schema, and its content for an assessed book."""

from typing import TYPE_CHECKING, Annotated, TypedDict

from lambda_fn.web.forecast import AgedFreshness, Horizon, age_json, freshness_fields
from lambda_fn.web.response import DateText

if TYPE_CHECKING:
    from lambda_fn.web.book import Assessment, BookQuery  # only for a book

MONEY_DECIMALS = 2
LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
Currency = Annotated[str, ("pattern", "^[A-Z]{3}$")]


class Loss(TypedDict):
    """Losses in the reporting currency; positive numbers are losses."""

    value_at_risk: float
    expected_shortfall: float


Losses = Annotated[dict[str, Loss], 'by confidence in percent, for example "95"']


class BookPosition(TypedDict):
    """A position of a book.

    Attributes:
        amount: in its own currency.
        value: in the reporting currency, at the last close.
        contribution: its part of the book's losses; the parts add up to the total, and a hedge has a negative one.
        stand_alone: losses of the position alone.
    """

    currency: Currency
    amount: float
    value: float
    contribution: Losses
    stand_alone: Losses


class BookRisk(AgedFreshness):
    """The risk of a book: the change of its value from the last close to the close of a day.

    Attributes:
        currency: the reporting currency.
        as_of: date of the last close, the oldest if they differ.
        correlations_as_of: last day of the prices from which the correlations are estimated.
        date: the day.
        horizon: its business days after the latest of the last closes.
        value: of all positions, in the reporting currency.
        volatility: standard deviation of the change, in the reporting currency.
        risk: losses that are exceeded with the remaining probability, and the mean loss beyond them.
        diversification: sum of the stand-alone losses less those of the book.
        quantiles: profit (positive) or loss by level.
        sentence: the value at risk as a sentence.
    """

    currency: Currency
    as_of: DateText
    correlations_as_of: DateText
    date: DateText
    horizon: Horizon
    value: float
    volatility: float
    risk: Losses
    diversification: Losses
    quantiles: Annotated[dict[str, float], 'by level, for example "0.05"; non-decreasing']
    positions: list[BookPosition]
    degrees_of_freedom: float
    sentence: str


def describe(assessment: "Assessment", query: "BookQuery") -> BookRisk:
    """Return the content of the answer."""
    risk, currency = assessment.risk, query.currency

    def money(amount: float) -> float:
        return round(amount, MONEY_DECIMALS) + 0.0  # turns -0.0 into 0.0

    factors = {
        name: (risk.loss(round(float(name) / 100, 9)), risk.shortfall(round(float(name) / 100, 9)))
        for name in query.confidences
    }

    def losses(sd: float) -> dict[str, Loss]:
        return {
            name: {"value_at_risk": money(loss * sd), "expected_shortfall": money(shortfall * sd)}
            for name, (loss, shortfall) in factors.items()
        }

    day, loss = assessment.day.isoformat(), risk.loss(0.95) * risk.sd
    sentence = f"With a 1-in-20 chance this book loses more than {loss:,.2f} {currency} by {day}"
    sentence = sentence if risk.sd else f"This book has no currency risk in {currency}"
    lead = "No current forecast: " if assessment.timeliness.state == "expired" else ""
    begun = "; this day has begun" if assessment.has_begun else ""
    quantiles = {
        f"{level:g}": money((1 if level > 0.5 else -1) * risk.loss(max(level, round(1 - level, 9))) * risk.sd)
        for level in LEVELS
    }
    freshness = freshness_fields(assessment.checks, assessment.timeliness, assessment.failure_reason)
    return {
        "currency": currency,
        "as_of": assessment.as_of.isoformat(),
        "correlations_as_of": assessment.correlations_as_of.isoformat(),
        "date": day,
        "horizon": assessment.horizon,
        "value": money(sum(position.value for position in risk.positions)),
        "volatility": money(risk.sd),
        "risk": losses(risk.sd),
        "diversification": losses(sum(risk.stand_alone) - risk.sd),
        "quantiles": quantiles,
        "positions": [
            {
                "currency": position.currency,
                "amount": position.amount,
                "value": money(position.value),
                "contribution": losses(contribution),
                "stand_alone": losses(alone),
            }
            for position, contribution, alone in zip(risk.positions, risk.contributions, risk.stand_alone, strict=True)
        ],
        "degrees_of_freedom": risk.freedom,
        "sentence": f"{lead}{sentence}{begun}",
        "age": age_json(assessment.timeliness),
        "checked_at": freshness["checked_at"],
        "stale": freshness["stale"],
        "stale_reason": freshness["stale_reason"],
    }
