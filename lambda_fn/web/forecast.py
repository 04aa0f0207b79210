"""JSON of a forecast by day. Pure Python on short lists: a GET must not import numpy."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from lambda_fn.web.params import ForecastQuery

PRICE_DECIMALS = 6
RETURN_DECIMALS = 8
JsonObject = dict[str, Any]


class RoundedForecast(NamedTuple):
    """Prices and simple returns as responses contain them, each [horizon][1 + levels] with the mean first."""

    prices: Sequence[Sequence[float]]
    returns: Sequence[Sequence[float]]


def round_forecast(last_close: float, quantiles: Sequence[Sequence[float]], mean: Sequence[float]) -> RoundedForecast:
    """Round a forecast of prices and compute its simple returns, price / last_close - 1.

    `quantiles` are prices [horizon][levels], `mean` prices [horizon].
    """
    rows = [[mean[i], *quantiles[i]] for i in range(len(mean))]
    return RoundedForecast(
        [[round(price, PRICE_DECIMALS) for price in row] for row in rows],
        # + 0.0 turns -0.0, which JSON would contain, into 0.0
        [[round(price / last_close - 1, RETURN_DECIMALS) + 0.0 for price in row] for row in rows],
    )


def forecast_days(
    selection: ForecastQuery, levels: Sequence[float], days: Sequence[date] | None, forecast: RoundedForecast
) -> list[JsonObject]:
    """Build the JSON objects of a forecast, one for each business day.

    Args:
        selection: the days, levels and intervals to include.
        levels: the champion's levels, as many as the columns of `forecast` after the mean.
        days: the business days of the forecast; None if the date of the last close is unknown.
        forecast: the numbers of at least `selection.horizon` days.

    Returns:
        One object for each day: prices and, under `returns`, simple returns.
    """
    quantiles = [(f"{levels[position]:g}", position + 1) for position in selection.positions]
    intervals = [(coverage, lower + 1, upper + 1) for coverage, (lower, upper) in selection.intervals.items()]
    median = levels.index(0.5) + 1

    def distribution(row: Sequence[float]) -> JsonObject:
        return {
            "mean": row[0],
            "median": row[median],
            "quantiles": {name: row[column] for name, column in quantiles},
            "intervals": {coverage: {"lower": row[lower], "upper": row[upper]} for coverage, lower, upper in intervals},
        }

    return [
        {
            "date": days[i].isoformat() if days is not None else None,
            "horizon": i + 1,
            **distribution(forecast.prices[i]),
            "returns": distribution(forecast.returns[i]),
        }
        for i in range(selection.horizon)
    ]
