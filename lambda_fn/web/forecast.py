"""The answers' JSON of a forecast, day by day: pure Python on short lists, so that a GET needs no numpy."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from lambda_fn.web.question import Question

PRICE_DECIMALS = 6
RETURN_DECIMALS = 8
JsonObject = dict[str, Any]


def forecast_days(
    question: Question,
    levels: Sequence[float],
    last_close: float,
    days: Sequence[date] | None,
    quantiles: Sequence[Sequence[float]],
    mean: Sequence[float],
) -> list[JsonObject]:
    """The forecast of one window by business day.

    Args:
        levels: of the champion, as many as each row of `quantiles` has.
        days: the business days forecast, None when the date of the last close is not known.
        quantiles: prices [horizon][levels].
        mean: prices [horizon].

    Returns:
        One object a day: prices, and under `returns` the same as simple returns, price / last_close - 1.
    """
    names = [(f"{levels[position]:g}", position) for position in question.positions]
    middle = levels.index(0.5)

    def distribution(mean: float, at: Sequence[float]) -> JsonObject:
        return {
            "mean": mean,
            "median": at[middle],
            "quantiles": {name: at[position] for name, position in names},
            "intervals": {
                coverage: {"lower": at[lower], "upper": at[upper]}
                for coverage, (lower, upper) in question.intervals.items()
            },
        }

    def simple_return(price: float) -> float:
        return round(price / last_close - 1, RETURN_DECIMALS) + 0.0  # turns -0.0, which JSON would show, into 0.0

    return [
        {
            "date": days[i].isoformat() if days is not None else None,
            "horizon": i + 1,
            **distribution(round(mean[i], PRICE_DECIMALS), [round(price, PRICE_DECIMALS) for price in quantiles[i]]),
            "returns": distribution(simple_return(mean[i]), [simple_return(price) for price in quantiles[i]]),
        }
        for i in range(question.horizon)
    ]
