"""The official forecast: GET /api/predict and GET /api/probability."""

from collections.abc import Mapping

from lambda_fn.fields import utc_text
from lambda_fn.record.official_forecast import Official
from lambda_fn.store.cache import Known
from lambda_fn.web.endpoints.problems import BAD_QUERY, NOTHING
from lambda_fn.web.forecast import JsonObject, forecast_days, shown_forecast
from lambda_fn.web.freshness import Age, freshness
from lambda_fn.web.params import parse_query
from lambda_fn.web.records import CachedRecord
from lambda_fn.web.request import Request
from lambda_fn.web.response import Text
from lambda_fn.web.routing import Form, Route
from lambda_fn.web.state import PairState

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


def freshness_of(known: Known[CachedRecord[Official]], age: Age) -> JsonObject:
    """Return the members that say how old the forecast and its check are."""
    checked, withheld = {"forecasts": (known.checked_at, known.stale)}, known.value.value.withheld
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
