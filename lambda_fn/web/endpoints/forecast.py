"""Forecasts: the official one, those in the ledger, and forecasts from prices in the request."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypedDict, cast

from lambda_fn.fields import utc_text
from lambda_fn.prices.plausibility import HIGHEST, LOWEST, MAX_DAILY_CHANGE
from lambda_fn.record import official_forecast
from lambda_fn.record.timeliness import Timeliness
from lambda_fn.store.cache import CachedValue
from lambda_fn.web.errors import MAX_BODY, MAX_SERIES
from lambda_fn.web.forecast import (
    RATIO_DECIMALS,
    AgedFreshness,
    Day,
    Freshness,
    MaybeFallback,
    StoredDay,
    StoredForecast,
    age_json,
    fallback_field,
    forecast_days,
    freshness_fields,
)
from lambda_fn.web.params import (
    AS_OF,
    DECIMAL,
    DEFAULT_HORIZON,
    FORECAST_PARAMETERS,
    FORMAT,
    PAIR,
    parse_query,
)
from lambda_fn.web.records import CachedRecord
from lambda_fn.web.request import Request
from lambda_fn.web.response import CSV, SVG, DateText, PairCode, Text, TimeText
from lambda_fn.web.routing import BAD_QUERY, COMPRESSED, LARGE, NOTHING, Form, Route
from lambda_fn.web.state import PairState

SCORE_COLUMNS: tuple[str, ...] = ("kind", "outcome", "pinball", "pit", "stored_at", "note")
Sha256 = Annotated[str, ("pattern", "^[0-9a-f]{64}$")]
Generation = Annotated[int, "deployment number; each published champion has a higher one"]
ModelName = Annotated[str, "registered name of the model"]
AsOf = Annotated[DateText | None, "date of the last close, if known"]
LastClose = Annotated[float, "last close of the prices"]
Days = Annotated[list[Day], ("minItems", 1)]


class _Score(TypedDict, total=False):
    """Out-of-sample scores at one horizon, from yearly refits: mean pinball loss over the levels, of the log return in
    percent, and skill_*, the fraction by which it is below a baseline's loss (0.05 is 5 % less)."""

    horizon: int
    pinball: float


class ChampionSummary(TypedDict):
    """The champion of a forecast.

    Attributes:
        scores: scores against the baselines, by horizon.
    """

    name: ModelName
    type: str
    version: str
    generation: Generation
    sha256: Sha256
    family: str
    trained_through: DateText
    features: list[str]
    scores: list[_Score]
    run_id: str | None
    activated_at: TimeText


class Official(AgedFreshness, MaybeFallback):
    """The official forecast.

    Attributes:
        prices: source of the prices: ecb or csv.
        made_at: time at which this forecast was issued and stored.
    """

    pair: PairCode
    as_of: AsOf
    last_close: LastClose
    forecast: Days
    champion: ChampionSummary
    prices: str
    made_at: TimeText


class OfSeries(TypedDict):
    """The forecast from one series of prices."""

    as_of: AsOf
    last_close: LastClose
    forecast: Days


class _OfRequest(Freshness):
    pair: PairCode
    champion: ChampionSummary
    prices: Annotated[str, "source of the prices: ecb, csv, or request for prices in the body"]


class Prediction(_OfRequest):
    """The forecast from the prices of a request with one series."""

    as_of: AsOf
    last_close: LastClose
    forecast: Days


class PredictionOfSeries(_OfRequest):
    """The forecasts from the prices of a request with several series."""

    series: Annotated[list[OfSeries], ("minItems", 1)]


PredictionOrSeries = Prediction | PredictionOfSeries


OfficialOrStored = Official | StoredForecast


def predict(pair: PairState, request: Request) -> OfficialOrStored:
    """Return the parts of the official forecast, or of one in the ledger, that the query selects."""
    DECIMAL.parse_choice(request.query)
    if AS_OF.name in request.query:
        return _stored(pair, request.query)
    return _official(pair, request.query)


def _official(pair: PairState, query: Mapping[str, str]) -> Official:
    latest, timeliness = pair.records.official()
    official = latest.value.value
    return {
        "pair": official.pair,
        "as_of": official.as_of.isoformat(),
        "last_close": official.last_close,
        "forecast": select_days(official, query, timeliness),
        "champion": cast(ChampionSummary, official.champion),
        "prices": official.source,
        "made_at": utc_text(official.made_at),
        **fallback_field(official),
        **age_fields(latest, timeliness),
    }


def _stored(pair: PairState, query: Mapping[str, str]) -> StoredForecast:
    from lambda_fn.web import ledger  # only for this question

    latest = pair.records.ledger().find(AS_OF.parse_day(query))
    entry = latest.value.entry
    assert entry is not None
    return ledger.to_answer(latest, parse_query(query, len(entry.days), entry.levels, len(entry.days)))


def select_days(official: official_forecast.Official, query: Mapping[str, str], timeliness: Timeliness) -> list[Day]:
    """Return the days of the official forecast that the query selects.

    The default is a week. For a late forecast it is a week from the first day that has not begun, and the days before.
    """
    begun = timeliness.begun if timeliness.state == "late" else 0
    selection = parse_query(query, official.horizon, official.levels, begun + DEFAULT_HORIZON)
    return forecast_days(
        selection,
        official.levels,
        official.days,
        official.last_close,
        official.quantiles,
        official.mean,
        official.sd,
    )


def age_fields(latest: CachedValue[CachedRecord[official_forecast.Official]], timeliness: Timeliness) -> AgedFreshness:
    """Return the members with the age of the forecast and the last check of the store."""
    checks = {"forecasts": (latest.checked_at, latest.stale)}
    return {"age": age_json(timeliness), **freshness_fields(checks, timeliness, latest.value.value.failure_reason)}


def predict_table(pair: PairState, request: Request) -> Text:
    """Return the prices of the official forecast, or of one in the ledger with its scores, as CSV.

    q0.05 is a quantile; lo-80 and hi-80 bound a central interval, with the names that Nixtla's forecasts use. The
    volatility is in percent per year; age_state is the state of the official forecast.
    """
    content: OfficialOrStored
    if AS_OF.name in request.query:
        content = stored = _stored(pair, request.query)
        scores: list[Mapping[str, object]] = [day["score"] or {} for day in stored["forecast"]]
        names, ends = SCORE_COLUMNS, [[score.get(name) for name in SCORE_COLUMNS] for score in scores]
    else:
        content = current = _official(pair, request.query)
        names, ends = ("age_state",), [[current["age"]["state"]] for _ in current["forecast"]]
    days: Sequence[Day | StoredDay] = content["forecast"]
    levels, coverages = list(days[0]["quantiles"]), list(days[0]["intervals"])
    bounds = [name for coverage in coverages for name in (f"lo-{coverage}", f"hi-{coverage}")]
    header = ["date", "horizon", "mean", *(f"q{level}" for level in levels), *bounds, "as_of", "volatility", *names]
    rows = [
        [
            *(day["date"], day["horizon"], day["mean"]),
            *(day["quantiles"][level] for level in levels),
            *(bound for coverage in coverages for bound in day["intervals"][coverage].values()),
            content["as_of"],
            round(100 * day["volatility"], RATIO_DECIMALS - 2),
            *end,
        ]
        for day, end in zip(days, ends, strict=True)
    ]
    name = f"{content['pair']}-{content['as_of']}.csv"
    return Text.of_table(name, header, rows, DECIMAL.parse_choice(request.query))


def forecast_chart(pair: PairState, request: Request) -> Text:
    """Return the page's chart of the official forecast as an SVG file."""
    from lambda_fn.web.page.image import forecast_image  # only for this route
    from lambda_fn.web.page.view_model import forecast_page

    return forecast_image(forecast_page(pair, {}, chart_only=True))


def predict_sent(pair: PairState, request: Request) -> PredictionOrSeries:
    """Return the forecasts from the prices in the body; all series run as one batch."""
    serving = pair.champion()
    from lambda_fn.champion.base import champion_summary  # only for a POST
    from lambda_fn.prices.business_days import next_business_days
    from lambda_fn.web.price_body import forecast_series, parse_body

    champion, meta = serving.champion, serving.champion.metadata
    selection = parse_query(request.query, meta.horizon, meta.levels)
    body = parse_body(request.body(), champion, selection)
    forecast = forecast_series(champion, body)
    results: list[OfSeries] = []
    deviations: Sequence[list[float] | None] = forecast.sd or [None] * len(body.series)
    for series, quantiles, mean, sd in zip(body.series, forecast.quantiles, forecast.mean, deviations, strict=True):
        as_of, last_close = series.as_of, series.columns["close"][-1]
        days = next_business_days(as_of, selection.horizon, meta.prices) if as_of else None
        result: OfSeries = {
            "as_of": as_of.isoformat() if as_of else None,
            "last_close": last_close,
            "forecast": forecast_days(selection, meta.levels, days, last_close, quantiles, mean, sd),
        }
        results.append(result)
    source: _OfRequest = {
        "pair": meta.pair,
        "champion": cast(ChampionSummary, champion_summary(serving.active, champion)),
        "prices": "request",
        **freshness_fields({"champions": (serving.checked_at.timestamp(), serving.stale)}),
    }
    if body.is_list:
        return {"pair": meta.pair, "series": results, **source}
    return {"pair": meta.pair, **results[0], **source}


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
        "hi-80 for each interval, as_of, volatility in percent per year, and age_state. With `as_of` the answer is "
        "the forecast that the ledger stored after that day's close, not rounded, with the scores of the days whose "
        "outcome is known; their columns then stand in place of age_state.",
        "forecast",
        parameters=(*FORECAST_PARAMETERS, AS_OF, FORMAT, DECIMAL),
        problems=(BAD_QUERY, (404, "The ledger has no forecast after the close of `as_of`."), NOTHING),
        record="forecast",
        others=(Form(CSV, predict_table, "forecast"),),
    ),
    Route(
        "GET",
        "/api/forecast.svg",
        forecast_chart,
        "Chart",
        "The page's chart as one SVG file for documents and other pages: the last rates and the 50, 80 and 95 % "
        "ranges of the official forecast, with its age. It loads nothing and contains no script.",
        "forecast",
        parameters=(PAIR,),
        problems=(BAD_QUERY, NOTHING),
        record="forecast",
        media_type=SVG,
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
        "forecast",
        parameters=FORECAST_PARAMETERS,
        body="Sent",
        problems=(
            (400, "The query or the body is invalid; `field` names the place, for example `series[2].close[17]`."),
            LARGE,
            COMPRESSED,
            (503, "No champion is available, or the forecast took too long; retry after `Retry-After` seconds."),
        ),
    ),
)
