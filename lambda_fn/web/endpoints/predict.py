"""Forecasts from prices in the request: POST /api/predict."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from lambda_fn.prices.limits import HIGHEST, LOWEST, MAX_JUMP
from lambda_fn.web.endpoints.forecast import PARAMETERS
from lambda_fn.web.endpoints.problems import COMPRESSED, LARGE
from lambda_fn.web.errors import MAX_BODY, MAX_SERIES, bad_body
from lambda_fn.web.forecast import JsonObject, forecast_days, shown_forecast
from lambda_fn.web.freshness import freshness
from lambda_fn.web.params import Question, parse_query
from lambda_fn.web.request import Request
from lambda_fn.web.routing import Route
from lambda_fn.web.state import PairState

if TYPE_CHECKING:
    from lambda_fn.champion.sandbox import Forecast, SandboxedChampion
    from lambda_fn.contract import Metadata
    from lambda_fn.web.price_body import Sent


def predict_sent(pair: PairState, request: Request) -> JsonObject:
    """Return the forecasts from the prices in the body; all series run as one batch."""
    serving = pair.champion()
    from lambda_fn.champion.model_card import champion_summary  # only for a POST
    from lambda_fn.web.price_body import parse_body

    champion, meta = serving.champion, serving.champion.metadata
    question = parse_query(request.query, meta.horizon, meta.levels)
    sent = parse_body(request.body(), champion, question)
    quantiles, mean = _forecast(champion, sent)
    answers = [
        _answer(question, meta, series.as_of, series.columns["close"], quantiles[i], mean[i])
        for i, series in enumerate(sent.series)
    ]
    return {
        "pair": meta.pair,
        **({"series": answers} if sent.several else answers[0]),
        "champion": champion_summary(serving.active, champion),
        "prices": "request",
        **freshness({"champions": (serving.checked_at.timestamp(), serving.stale)}),
    }


def _answer(
    question: Question,
    meta: "Metadata",
    as_of: date | None,
    close: Sequence[float],
    quantiles: Sequence[Sequence[float]],
    mean: Sequence[float],
) -> JsonObject:
    """Return one window's part of an answer.

    Args:
        question: which days and levels to show.
        meta: of the champion.
        as_of: the date of the last close, if it is known.
        close: prices [window].
        quantiles: prices [horizon][levels].
        mean: prices [horizon].
    """
    from lambda_fn.prices.business_days import next_business_days

    last_close = close[-1]
    days = next_business_days(as_of, question.horizon, meta.prices) if as_of else None
    return {
        "as_of": as_of.isoformat() if as_of else None,
        "last_close": last_close,
        "forecast": forecast_days(question, meta.levels, days, shown_forecast(last_close, quantiles, mean)),
    }


def _forecast(champion: "SandboxedChampion", sent: "Sent") -> "Forecast":
    """Forecast all series as one batch. When that fails, the error names the first series that fails alone."""
    from lambda_fn.champion.base import Died, ForecastError, TooSlow
    from lambda_fn.store.object_store import Unavailable
    from lambda_fn.web.model_protocols import run, unanswered
    from lambda_fn.web.price_body import champion_inputs

    try:
        return champion.plausible_forecast(champion_inputs(sent.series, champion))
    except (Died, TooSlow, Unavailable) as error:  # of many, each alone would take its time again
        raise unanswered(error, "series") from error
    except ForecastError as error:
        if sent.several:
            for i, series in enumerate(sent.series):
                run(champion, champion_inputs([series], champion), f"series[{i}].close", "series")
        raise bad_body("series" if sent.several else "close", str(error), "check the prices") from error


ROUTES = (
    Route(
        "POST",
        "/api/predict",
        predict_sent,
        "The forecast from prices that are sent",
        f"One series as {{close: [...]}} or up to {MAX_SERIES} as {{series: [...]}}, oldest first, the last value "
        "today's; at least as many as the champion's window (GET /api/champion, inputs.window), of which the last are "
        f"used. Prices from {LOWEST:g} to {HIGHEST:,.0f} without a jump over {MAX_JUMP:.0%} in a day. A champion "
        "may want further columns (inputs.columns) or as_of (inputs.date, inputs.target_date); columns that it does "
        "not want are checked and ignored, so one request can suit two champions. Dates are given when as_of is sent. "
        f"At most {MAX_BODY:,} bytes.",
        "PredictionOrSeries",
        "forecast",
        parameters=PARAMETERS,
        body="Sent",
        problems=(
            (400, "The query or the body is wrong; `field` names the place, such as `series[2].close[17]`."),
            LARGE,
            COMPRESSED,
            (503, "Nothing can be served yet, or the forecast took too long; ask again after Retry-After seconds."),
        ),
    ),
)
