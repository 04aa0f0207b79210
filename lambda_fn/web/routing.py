"""The routes: what each takes and gives, in the words that openapi.json repeats."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lambda_fn.prices.limits import HIGHEST, LOWEST, MAX_DAILY_CHANGE
from lambda_fn.web.errors import MAX_BODY, MAX_SERIES
from lambda_fn.web.protocols import COMPRESSED, PROTOCOLS
from lambda_fn.web.request import Event, path_of
from lambda_fn.web.route import Form, Route

_BAD_QUERY = (400, "A query parameter is wrong; `field` names it.")
_NOTHING = (503, "Nothing can be served yet; ask again after Retry-After seconds.")
_ASKED = ("horizon", "h", "level", "quantiles", "pair")
TAGS = {
    "forecast": "What may come.",
    "record": "What came, and what the forecasts were worth.",
    "service": "What serves, and how it is.",
    "protocols": "The champion as other systems ask models: tensors in, tensors out.",
}
FORMATS = {"json": "application/json", "csv": "text/csv", "html": "text/html"}


ROUTES = (
    Route(
        "GET",
        "/",
        "index",
        "The routes",
        "Every route with its summary; for a browser, or format=html, a page of forecast and record.",
        "Index",
        "service",
        parameters=("pair", "format"),
        problems=(_BAD_QUERY, (503, "For a browser alone: nothing can be served yet, and what to do about it.")),
        others=(Form("text/html", "page", "both", ("side", "price", "horizon")),),
    ),
    Route(
        "GET",
        "/health",
        "health",
        "Whether a forecast can be served",
        "200 with the champion and the date of the official forecast; 503 when GET /api/predict has no answer. "
        "`status` is ok, late or expired, as `age` explains. `stale` with 200 means late or expired, or that the last "
        "known forecast is served because the store does not answer.",
        "Health",
        "service",
        parameters=("pair",),
        problems=(_BAD_QUERY, _NOTHING),
    ),
    Route(
        "GET",
        "/api/predict",
        "predict",
        "The official forecast",
        "The distribution of the next business days' closes: prices, and simple returns since the last close "
        "(price / last_close - 1). It was made once, when its prices came or its champion was activated (`made_at`), "
        "and is the same for everybody. `age` says in business days how old its prices are. Cache-Control lets a cache "
        "keep it until the store is looked at again; If-None-Match with its ETag saves the body. As CSV it is a row a "
        "day: date, horizon, mean, a column a quantile (q0.05), lo-80 and hi-80 of each interval, and as_of.",
        "Official",
        "forecast",
        parameters=(*_ASKED, "format"),
        problems=(_BAD_QUERY, _NOTHING),
        record="forecast",
        others=(Form("text/csv", "predict_table", "forecast"),),
    ),
    Route(
        "POST",
        "/api/predict",
        "predict_sent",
        "The forecast from prices that are sent",
        f"One series as {{close: [...]}} or up to {MAX_SERIES} as {{series: [...]}}, oldest first, the last value "
        "today's; at least as many as the champion's window (GET /api/champion, inputs.window), of which the last are "
        f"used. Prices from {LOWEST:g} to {HIGHEST:,.0f} without a jump over {MAX_DAILY_CHANGE:.0%} in a day. A "
        "champion may want further columns (inputs.columns) or as_of (inputs.date, inputs.target_date); columns that "
        "it does not want are checked and ignored, so one request can suit two champions. Dates are given when as_of "
        f"is sent. At most {MAX_BODY:,} bytes.",
        "PredictionOrSeries",
        "forecast",
        parameters=_ASKED,
        body="Sent",
        problems=(
            (400, "The query or the body is wrong; `field` names the place, such as `series[2].close[17]`."),
            (413, f"The body is larger than {MAX_BODY:,} bytes."),
            COMPRESSED,
            (503, "Nothing can be served yet, or the forecast took too long; ask again after Retry-After seconds."),
        ),
    ),
    Route(
        "GET",
        "/api/probability",
        "probability",
        "How likely a price is",
        "The probability that the close of a day is below or above a price, or, for a probability, the price that the "
        "close is below with it; from the official forecast, linear between its levels in (log price, logit of the "
        "level). The day is given by `horizon` or by `date`, the next one when neither is. Rarer than 0.1 % is not "
        "told apart: `bound` then says at_most or at_least.",
        "Probability",
        "forecast",
        parameters=("below", "above", "probability", "horizon_of_one", "h_of_one", "date", "pair"),
        problems=(_BAD_QUERY, _NOTHING),
        record="forecast",
    ),
    Route(
        "GET",
        "/api/champion",
        "champion",
        "The model card",
        "All that is known of the active champion: its pointer, its metadata, the inputs it wants and the scores of "
        "every family of the run that chose it.",
        "Champion",
        "service",
        parameters=("pair",),
        problems=(_BAD_QUERY, _NOTHING),
        record="forecast",
    ),
    Route(
        "GET",
        "/api/track-record",
        "track_record",
        "What the forecasts were worth",
        "How often the intervals held and how much smaller the loss was than the benchmarks', by horizon, with 95 % "
        "confidence intervals that allow for overlap. kind=live: official forecasts that were kept before their "
        "outcome could be known; kind=backtest: what the champion's family would have forecast, out of sample, which "
        "is never mixed with the former.",
        "TrackRecord",
        "record",
        parameters=("kind", "days", "pair"),
        problems=(_BAD_QUERY, _NOTHING),
        record="record",
    ),
    Route(
        "GET",
        "/api/history",
        "history",
        "Forecast and outcome, day by day",
        "The newest official forecasts whose next business day is known: the outcome, its place in the forecast "
        "distribution (pit), and which intervals held it.",
        "History",
        "record",
        parameters=("days", "pair", "format"),
        problems=(_BAD_QUERY, _NOTHING),
        record="record",
        others=(Form("text/csv", "history_table", "record"),),
    ),
    Route(
        "GET",
        "/api/pairs",
        "pairs",
        "Which pairs are served",
        "Every pair with what its official forecasts were worth, and the same pooled over all pairs: what one pair "
        "needs years for. The first one answers where no pair is named. With one pair there is nothing to pool. For a "
        "browser, or format=html, a page.",
        "Pairs",
        "record",
        parameters=("format",),
        problems=(_BAD_QUERY,),
        others=(Form("text/html", "pairs_page", None),),
    ),
    Route(
        "GET",
        "/openapi.json",
        "document",
        "This document",
        "The OpenAPI document of this API.",
        "Document",
        "service",
        is_static=True,
    ),
    Route(
        "GET",
        "/docs",
        "docs",
        "The reference of this API",
        "The OpenAPI document; for a browser, or format=html, as a page to read, which asks nobody for anything.",
        "Document",
        "service",
        parameters=("format",),
        problems=(_BAD_QUERY,),
        others=(Form("text/html", "reference", None),),
        is_static=True,
    ),
    *PROTOCOLS,
)
_TEMPLATES = tuple(route for route in ROUTES if "{" in route.path)
_EXACT = {(route.method, route.path): route for route in ROUTES if route not in _TEMPLATES}


class Found(NamedTuple):
    """A route, and what stands in a request's path for the names in its own."""

    route: Route
    names: Mapping[str, str]


def find(method: str, path: str) -> Found | None:
    """The route that answers; HEAD goes with GET."""
    asked = "GET" if method == "HEAD" else method
    if route := _EXACT.get((asked, path)):
        return Found(route, {})
    for route in _TEMPLATES:
        if route.method == asked and (names := _names(route.path, path)) is not None:
            return Found(route, names)
    return None


def _names(template: str, path: str) -> dict[str, str] | None:
    """What `path` has for the {names} of the template, None when it is another path."""
    parts, given = template.split("/"), path.split("/")
    if len(parts) != len(given):
        return None
    pairs = list(zip(parts, given, strict=True))
    if not all(own if part[:1] == "{" else part == own for part, own in pairs):
        return None
    return {part[1:-1]: own for part, own in pairs if part[:1] == "{"}


def methods_of(path: str) -> list[str]:
    """The methods that the path answers, empty for an unknown one; HEAD goes with GET."""
    found = [route.method for route in ROUTES if route.path == path or _names(route.path, path)]
    return [*found, "HEAD"] if "GET" in found else found


def route_path(event: Event, base_path: str) -> str:
    """The path that a route has: without the stage, and without `base_path`, which a custom domain puts before it. A
    path that is a route's as it is stays: the same function answers the gateway's own address."""
    path = path_of(event)
    if base_path and f"{path}/".startswith(f"{base_path}/") and not methods_of(path):
        return path.removeprefix(base_path) or "/"
    return path


def index() -> dict[str, Any]:
    """The routes with their summaries."""
    return {"routes": {f"{route.method} {route.path}": route.summary for route in ROUTES}}
