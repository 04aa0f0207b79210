"""The routes: what each takes and gives, in the words that openapi.json repeats."""

from dataclasses import dataclass
from typing import Any

from lambda_fn.prices.limits import HIGHEST, LOWEST, MAX_JUMP
from lambda_fn.web.problem import MAX_BODY
from lambda_fn.web.series import MAX_SERIES

# Swaps are live within CHAMPION_MAX_AGE_S everywhere; an answer kept by a proxy would not be.
NO_STORE = {"Cache-Control": "no-store"}
_BAD_QUERY = (400, "A query parameter is wrong; `field` names it.")
_NOTHING = (503, "Nothing can be served yet; ask again after Retry-After seconds.")
_ASKED = ("horizon", "level")


@dataclass(frozen=True)
class Route:
    """One operation: `operation` is the method of `api.Service` that answers; `parameters`, `body` and `answer` name
    parts of the OpenAPI document; `problems` are the statuses beside 200 with their reasons."""

    method: str
    path: str
    operation: str
    summary: str
    description: str
    answer: str
    parameters: tuple[str, ...] = ()
    body: str | None = None
    problems: tuple[tuple[int, str], ...] = ()


ROUTES = (
    Route("GET", "/", "index", "The routes", "Every route with its summary.", "Index"),
    Route(
        "GET",
        "/health",
        "health",
        "Whether a forecast can be served",
        "200 with the active champion and the last date of the prices; 503 when GET /api/predict has no answer. "
        "`stale` with 200 means that the last known champion and prices are served because the store does not answer.",
        "Health",
        problems=(_NOTHING,),
    ),
    Route(
        "GET",
        "/api/predict",
        "predict",
        "The forecast from the latest prices",
        "The distribution of the next business days' closes: prices, and simple returns since the last close "
        "(price / last_close - 1). Answers are not to be stored (Cache-Control: no-store), so that a new champion "
        "shows at once.",
        "Prediction",
        parameters=_ASKED,
        problems=(_BAD_QUERY, _NOTHING),
    ),
    Route(
        "POST",
        "/api/predict",
        "predict_sent",
        "The forecast from prices that are sent",
        f"One series as {{close: [...]}} or up to {MAX_SERIES} as {{series: [...]}}, oldest first, the last value "
        "today's; at least as many as the champion's window (GET /api/champion, inputs.window), of which the last are "
        f"used. Prices from {LOWEST:g} to {HIGHEST:,.0f} without a jump over {MAX_JUMP:.0%} in a day. A champion "
        "may want further columns (inputs.columns) or as_of (inputs.date, inputs.target_date); columns that it does "
        "not want are checked and ignored, so one request can suit two champions. Dates are given when as_of is sent. "
        f"At most {MAX_BODY:,} bytes.",
        "PredictionOrSeries",
        parameters=_ASKED,
        body="Sent",
        problems=(
            (400, "The query or the body is wrong; `field` names the place, such as `series[2].close[17]`."),
            (413, f"The body is larger than {MAX_BODY:,} bytes."),
            _NOTHING,
        ),
    ),
    Route(
        "GET",
        "/api/champion",
        "champion",
        "The model card",
        "All that is known of the active champion: its pointer, its metadata, the inputs it wants and the scores of "
        "every family of the run that chose it.",
        "Champion",
        problems=(_NOTHING,),
    ),
    Route("GET", "/openapi.json", "document", "This document", "The OpenAPI document of this API.", "Document"),
)


def methods_of(path: str) -> list[str]:
    """The methods that the path answers, empty for an unknown one; HEAD goes with GET."""
    found = [route.method for route in ROUTES if route.path == path]
    return [*found, "HEAD"] if "GET" in found else found


def index() -> dict[str, Any]:
    """The routes with their summaries."""
    return {"routes": {f"{route.method} {route.path}": route.summary for route in ROUTES}}
