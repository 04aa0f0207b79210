"""Forecasts: the official one, forecasts from prices in the request, and the probability of a price level."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lambda_fn.fields import utc_text
from lambda_fn.prices.plausibility import HIGHEST, LOWEST, MAX_DAILY_CHANGE
from lambda_fn.record.official_forecast import Official
from lambda_fn.store.cache import CachedValue
from lambda_fn.web.errors import MAX_BODY, MAX_SERIES, bad_body
from lambda_fn.web.forecast import JsonObject, forecast_days, round_forecast
from lambda_fn.web.freshness import Age, freshness_fields
from lambda_fn.web.params import parse_query
from lambda_fn.web.records import CachedRecord
from lambda_fn.web.request import Request
from lambda_fn.web.response import Text
from lambda_fn.web.routing import BAD_QUERY, COMPRESSED, LARGE, NOTHING, Form, Route
from lambda_fn.web.state import PairState

if TYPE_CHECKING:
    from lambda_fn.champion.sandbox import Forecast, SandboxedChampion
    from lambda_fn.web.price_body import PriceBody

PARAMETERS = ("horizon", "h", "level", "quantiles", "pair")


def predict(pair: PairState, request: Request) -> JsonObject:
    """Return the parts of the official forecast that the query selects."""
    latest, age = pair.records.official()
    official = latest.value.value
    return {
        "pair": official.pair,
        "as_of": official.as_of.isoformat(),
        "last_close": official.last_close,
        "forecast": select_days(official, request.query),
        "champion": official.champion,
        "prices": official.source,
        "made_at": utc_text(official.made_at),
        **age_fields(latest, age),
    }


def select_days(official: Official, query: Mapping[str, str]) -> list[JsonObject]:
    """Return the days of the official forecast that the query selects."""
    selection = parse_query(query, official.horizon, official.levels)
    days = slice(selection.horizon)
    forecast = round_forecast(official.last_close, official.quantiles[days], official.mean[days])
    return forecast_days(selection, official.levels, official.days, forecast)


def age_fields(latest: CachedValue[CachedRecord[Official]], age: Age) -> JsonObject:
    """Return the members with the age of the forecast and the last check of the store."""
    checks = {"forecasts": (latest.checked_at, latest.stale)}
    return {"age": age.to_object(), **freshness_fields(checks, age, latest.value.value.failure_reason)}


def predict_table(pair: PairState, request: Request) -> Text:
    """Return the official forecast as CSV."""
    from lambda_fn.web import tables  # only for CSV

    return tables.write_forecast(predict(pair, request))


def probability(pair: PairState, request: Request) -> JsonObject:
    """Return the probability of a price level, or the price level with a given probability."""
    from lambda_fn.web.probability import probability_fields  # only for this route

    latest, age = pair.records.official()
    return probability_fields(latest.value.value, request.query) | age_fields(latest, age)


def predict_sent(pair: PairState, request: Request) -> JsonObject:
    """Return the forecasts from the prices in the body; all series run as one batch."""
    serving = pair.champion()
    from lambda_fn.champion.model_card import champion_summary  # only for a POST
    from lambda_fn.prices.business_days import next_business_days
    from lambda_fn.web.price_body import parse_body

    champion, meta = serving.champion, serving.champion.metadata
    selection = parse_query(request.query, meta.horizon, meta.levels)
    body = parse_body(request.body(), champion, selection)
    forecast = _forecast(champion, body)
    results: list[JsonObject] = []
    for series, quantiles, mean in zip(body.series, forecast.quantiles, forecast.mean, strict=True):
        as_of, last_close = series.as_of, series.columns["close"][-1]
        days = next_business_days(as_of, selection.horizon, meta.prices) if as_of else None
        rounded = round_forecast(last_close, quantiles, mean)
        result = {
            "as_of": as_of.isoformat() if as_of else None,
            "last_close": last_close,
            "forecast": forecast_days(selection, meta.levels, days, rounded),
        }
        results.append(result)
    return {
        "pair": meta.pair,
        **({"series": results} if body.is_list else results[0]),
        "champion": champion_summary(serving.active, champion),
        "prices": "request",
        **freshness_fields({"champions": (serving.checked_at.timestamp(), serving.stale)}),
    }


def _forecast(champion: "SandboxedChampion", body: "PriceBody") -> "Forecast":
    """Forecast all series as one batch. If that fails, report the first series that fails alone."""
    from lambda_fn.champion.base import Died, ForecastError, TooSlow
    from lambda_fn.store.object_store import Unavailable
    from lambda_fn.web.model_protocols import champion_problem, run
    from lambda_fn.web.price_body import champion_inputs

    try:
        return champion.plausible_forecast(champion_inputs(body.series, champion))
    except (Died, TooSlow, Unavailable) as error:  # each of many series would take its time again
        raise champion_problem(error, "series") from error
    except ForecastError as error:
        if body.is_list:
            for i, series in enumerate(body.series):
                run(champion, champion_inputs([series], champion), f"series[{i}].close", "series")
        raise bad_body("series" if body.is_list else "close", str(error), "check the prices") from error


ROUTES = (
    Route(
        "GET",
        "/api/predict",
        predict,
        "Official forecast",
        "The forecast distribution of the rate on each of the next business days, as prices and as simple returns "
        "since the last close (price / last_close - 1). It is issued once, when new prices arrive or a champion is "
        "activated (`made_at`), and is the same for every caller. `age` is the age of its prices in business days. "
        "Caches may keep the response for Cache-Control's max-age; a request with If-None-Match and its ETag saves the "
        "body. CSV has one row for each day: date, horizon, mean, one column for each quantile (q0.05), lo-80 and "
        "hi-80 for each interval, and as_of.",
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
        "Forecast from your prices",
        f"Send one series as {{close: [...]}}, or up to {MAX_SERIES} as {{series: [...]}}. Prices are ordered from "
        "oldest to newest, and the last one is today's. The champion needs at least `inputs.window` prices (GET "
        f"/api/champion) and uses the last ones. Prices must be from {LOWEST:g} to {HIGHEST:,.0f} and must not change "
        f"by more than {MAX_DAILY_CHANGE:.0%} in a day. A champion may need further columns (`inputs.columns`) or "
        "as_of (`inputs.date`, `inputs.target_date`). Other columns are checked and ignored, so one request can serve "
        f"two champions. Forecast days have dates if as_of is present. The body may have at most {MAX_BODY:,} bytes.",
        "PredictionOrSeries",
        "forecast",
        parameters=PARAMETERS,
        body="Sent",
        problems=(
            (400, "The query or the body is invalid; `field` names the place, for example `series[2].close[17]`."),
            LARGE,
            COMPRESSED,
            (503, "No champion is available, or the forecast took too long; retry after `Retry-After` seconds."),
        ),
    ),
    Route(
        "GET",
        "/api/probability",
        probability,
        "Probability of a price level",
        "The probability that the rate of a day is below or above a price, or the price below which the rate is with a "
        "given probability. Both come from the official forecast, interpolated linearly in (log price, logit of the "
        "level). `horizon` or `date` selects the day; the default is the next one. Probabilities below 0.1 % are not "
        "resolved: `bound` is then `at_most` or `at_least`.",
        "Probability",
        "forecast",
        parameters=("below", "above", "probability", "horizon_of_one", "h_of_one", "date", "pair"),
        problems=(BAD_QUERY, NOTHING),
        record="forecast",
    ),
)
