"""Forecasts: the official one, from prices in the request, and the probability of a price level."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from lambda_fn.fields import utc_text
from lambda_fn.prices.limits import HIGHEST, LOWEST, MAX_DAILY_CHANGE
from lambda_fn.record.official_forecast import Official
from lambda_fn.store.cache import CachedValue
from lambda_fn.web.errors import MAX_BODY, MAX_SERIES, bad_body
from lambda_fn.web.forecast import JsonObject, forecast_days, shown_forecast
from lambda_fn.web.freshness import Age, freshness
from lambda_fn.web.params import Question, parse_query
from lambda_fn.web.records import CachedRecord
from lambda_fn.web.request import Request
from lambda_fn.web.response import Text
from lambda_fn.web.routing import BAD_QUERY, COMPRESSED, LARGE, NOTHING, Form, Route
from lambda_fn.web.state import PairState

if TYPE_CHECKING:
    from lambda_fn.champion.sandbox import Forecast, SandboxedChampion
    from lambda_fn.contract import Metadata
    from lambda_fn.web.price_body import Sent

PARAMETERS = ("horizon", "h", "level", "quantiles", "pair")


def predict(pair: PairState, request: Request) -> JsonObject:
    """Return the official forecast, as far as the query asks for it."""
    known, age = pair.records.official()
    official = known.value.value
    return {
        "pair": official.pair,
        "as_of": official.as_of.isoformat(),
        "last_close": official.last_close,
        "forecast": days_of(official, request.query),
        "champion": official.champion,
        "prices": official.source,
        "made_at": utc_text(official.made_at),
        **freshness_of(known, age),
    }


def days_of(official: Official, query: Mapping[str, str]) -> list[JsonObject]:
    """Return the days of the official forecast that the query asks for."""
    question = parse_query(query, official.horizon, official.levels)
    days = slice(question.horizon)
    shown = shown_forecast(official.last_close, official.quantiles[days], official.mean[days])
    return forecast_days(question, official.levels, official.days, shown)


def freshness_of(known: CachedValue[CachedRecord[Official]], age: Age) -> JsonObject:
    """Return the members that say how old the forecast and its check are."""
    checked, withheld = {"forecasts": (known.checked_at, known.stale)}, known.value.value.failure_reason
    return {"age": age.to_object(), **freshness(checked, age, withheld)}


def predict_table(pair: PairState, request: Request) -> Text:
    """Return the official forecast as CSV."""
    from lambda_fn.web import tables  # only for CSV

    return tables.of_forecast(predict(pair, request))


def probability(pair: PairState, request: Request) -> JsonObject:
    """Return the probability of a price level by the official forecast, or the price that has a probability."""
    from lambda_fn.web import probability as questions  # only for this route

    known, age = pair.records.official()
    return questions.answer(known.value.value, request.query) | freshness_of(known, age)


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
        "GET",
        "/api/predict",
        predict,
        "The official forecast",
        "The distribution of the next business days' closes: prices, and simple returns since the last close "
        "(price / last_close - 1). It was made once, when its prices came or its champion was activated (`made_at`), "
        "and is the same for everybody. `age` says in business days how old its prices are. Cache-Control lets a cache "
        "keep it until the store is looked at again; If-None-Match with its ETag saves the body. As CSV it is a row a "
        "day: date, horizon, mean, a column a quantile (q0.05), lo-80 and hi-80 of each interval, and as_of.",
        "Official",
        "forecast",
        parameters=(*PARAMETERS, "format"),
        problems=(BAD_QUERY, NOTHING),
        record="forecast",
        others=(Form("text/csv", predict_table, "forecast"),),
    ),
    Route(
        "POST",
        "/api/predict",
        predict_sent,
        "The forecast from prices that are sent",
        f"One series as {{close: [...]}} or up to {MAX_SERIES} as {{series: [...]}}, oldest first, the last value "
        "today's; at least as many as the champion's window (GET /api/champion, inputs.window), of which the last are "
        f"used. Prices from {LOWEST:g} to {HIGHEST:,.0f} without a jump over {MAX_DAILY_CHANGE:.0%} in a day. A "
        "champion may want further columns (inputs.columns) or as_of (inputs.date, inputs.target_date); columns that "
        "it does not want are checked and ignored, so one request can suit two champions. Dates are given when as_of "
        "is sent. "
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
    Route(
        "GET",
        "/api/probability",
        probability,
        "How likely a price is",
        "The probability that the close of a day is below or above a price, or, for a probability, the price that the "
        "close is below with it; from the official forecast, linear between its levels in (log price, logit of the "
        "level). The day is given by `horizon` or by `date`, the next one when neither is. Rarer than 0.1 % is not "
        "told apart: `bound` then says at_most or at_least.",
        "Probability",
        "forecast",
        parameters=("below", "above", "probability", "horizon_of_one", "h_of_one", "date", "pair"),
        problems=(BAD_QUERY, NOTHING),
        record="forecast",
    ),
)
