"""The answers' JSON of a forecast, day by day: pure Python on short lists, so that a GET needs no numpy."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from lambda_fn.web.params import Question

PRICE_DECIMALS = 6
RETURN_DECIMALS = 8
JsonObject = dict[str, Any]


class Shown(NamedTuple):
    """The numbers of an answer, rounded: prices and simple returns, each [horizon][1 + levels], the mean first."""

    prices: Sequence[Sequence[float]]
    returns: Sequence[Sequence[float]]


def shown_forecast(last_close: float, quantiles: Sequence[Sequence[float]], mean: Sequence[float]) -> Shown:
    """Of prices: quantiles [horizon][levels], mean [horizon]; returns are price / last_close - 1."""
    rows = [[mean[i], *quantiles[i]] for i in range(len(mean))]
    return Shown(
        [[round(price, PRICE_DECIMALS) for price in row] for row in rows],
        # + 0.0 turns -0.0, which JSON would show, into 0.0
        [[round(price / last_close - 1, RETURN_DECIMALS) + 0.0 for price in row] for row in rows],
    )


def forecast_days(
    question: Question, levels: Sequence[float], days: Sequence[date] | None, shown: Shown
) -> list[JsonObject]:
    """The forecast of one window by business day.

    Args:
        levels: of the champion, as many as each row of `shown` has beside the mean.
        days: the business days forecast, None when the date of the last close is not known.
        shown: of `question.horizon` days at least.

    Returns:
        One object a day: prices, and under `returns` the same as simple returns.
    """
    names = [(f"{levels[position]:g}", position + 1) for position in question.positions]
    intervals = [(coverage, lower + 1, upper + 1) for coverage, (lower, upper) in question.intervals.items()]
    middle = levels.index(0.5) + 1

    def distribution(row: Sequence[float]) -> JsonObject:
        return {
            "mean": row[0],
            "median": row[middle],
            "quantiles": {name: row[at] for name, at in names},
            "intervals": {coverage: {"lower": row[lower], "upper": row[upper]} for coverage, lower, upper in intervals},
        }

    return [
        {
            "date": days[i].isoformat() if days is not None else None,
            "horizon": i + 1,
            **distribution(shown.prices[i]),
            "returns": distribution(shown.returns[i]),
        }
        for i in range(question.horizon)
    ]
