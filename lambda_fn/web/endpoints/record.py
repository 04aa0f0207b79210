"""What the forecasts were worth: GET /api/track-record, /api/history and /api/pairs."""

from collections.abc import Mapping
from typing import Any

from lambda_fn.store.cache import CachedValue
from lambda_fn.web.errors import bad_query, shown
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.freshness import freshness
from lambda_fn.web.request import Request
from lambda_fn.web.response import Text
from lambda_fn.web.routing import BAD_QUERY, NOTHING, Form, Route
from lambda_fn.web.state import PairState

KINDS = ("live", "backtest")
MAX_DAYS = 250  # that the record holds row by row


def track_record(pair: PairState, request: Request) -> JsonObject:
    """Return the summary of the live or of the backtest record; the live one with its latest days."""
    kind = request.query.get("kind", "live")
    if kind not in KINDS:
        raise bad_query("kind", f"kind={shown(kind)} is no kind of record", f"give {' or '.join(KINDS)}")
    days = _parse_days(request.query)
    known = pair.records.record()
    record = known.value.value
    if kind == "backtest":
        summary: JsonObject | None = record.get("backtest")
        rows: list[JsonObject] = []
    else:
        summary = record["live"]
        rows = [row for row in record.get("newest") or () if row["kind"] == "live"][-days:]
    return {"pair": record["pair"], "kind": kind, "summary": summary, "days": rows, **_checked(known)}


def history(pair: PairState, request: Request) -> JsonObject:
    """Return forecast and outcome day by day, one business day ahead, of the live and the late forecasts."""
    days = _parse_days(request.query)
    known = pair.records.record()
    record = known.value.value
    return {"pair": record["pair"], "days": list(record.get("newest") or ())[-days:], **_checked(known)}


def history_table(pair: PairState, request: Request) -> Text:
    """Return forecast and outcome as CSV."""
    from lambda_fn.web import tables  # only for CSV

    return tables.of_history(history(pair, request))


def pairs(pair: PairState, request: Request) -> JsonObject:
    """Return the pairs in the order of the setting, each with what its record says."""
    served, known = pair.state.settings.pairs, pair.state.all_pairs().current()
    record = known.value.value if known else {}
    entries = {entry["pair"]: entry for entry in record.get("pairs", ())}
    return {
        "default": served[0],
        "pairs": [{"pair": name, "base": name[:3], "quote": name[3:]} | entries.get(name, {}) for name in served],
        "pooled": record.get("pooled"),
        **(_checked(known) if known else {}),
    }


def pairs_page(pair: PairState, request: Request) -> Text:
    """Return the records of all pairs as a page."""
    from lambda_fn.web.page import render  # only for a browser

    return render.all_pairs(pairs(pair, request))


def _parse_days(query: Mapping[str, str]) -> int:
    text = query.get("days", str(MAX_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_DAYS):
        raise bad_query("days", f"days={shown(text)} is no number of days", f"give a whole number from 1 to {MAX_DAYS}")
    return int(text)


def _checked(known: CachedValue[Any]) -> JsonObject:
    return freshness({"records": (known.checked_at, known.stale)})


ROUTES = (
    Route(
        "GET",
        "/api/track-record",
        track_record,
        "What the forecasts were worth",
        "How often the intervals held and how much smaller the loss was than the benchmarks', by horizon, with 95 % "
        "confidence intervals that allow for overlap. kind=live: official forecasts that were kept before their "
        "outcome could be known; kind=backtest: what the champion's family would have forecast, out of sample, which "
        "is never mixed with the former.",
        "TrackRecord",
        "record",
        parameters=("kind", "days", "pair"),
        problems=(BAD_QUERY, NOTHING),
        record="record",
    ),
    Route(
        "GET",
        "/api/history",
        history,
        "Forecast and outcome, day by day",
        "The newest official forecasts whose next business day is known: the outcome, its place in the forecast "
        "distribution (pit), and which intervals held it.",
        "History",
        "record",
        parameters=("days", "pair", "format"),
        problems=(BAD_QUERY, NOTHING),
        record="record",
        others=(Form("text/csv", history_table, "record"),),
    ),
    Route(
        "GET",
        "/api/pairs",
        pairs,
        "Which pairs are served",
        "Every pair with what its official forecasts were worth, and the same pooled over all pairs: what one pair "
        "needs years for. The first one answers where no pair is named. With one pair there is nothing to pool. For a "
        "browser, or format=html, a page.",
        "Pairs",
        "record",
        parameters=("format",),
        problems=(BAD_QUERY,),
        others=(Form("text/html", pairs_page),),
    ),
)
