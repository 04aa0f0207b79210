"""Track record: GET /api/track-record, /api/history and /api/pairs."""

from collections.abc import Mapping
from typing import Any

from lambda_fn.store.cache import CachedValue
from lambda_fn.web.errors import bad_query, format_value
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.freshness import freshness_fields
from lambda_fn.web.request import Request
from lambda_fn.web.response import Text
from lambda_fn.web.routing import BAD_QUERY, NOTHING, Form, Route
from lambda_fn.web.state import PairState

KINDS = ("live", "backtest")
MAX_DAYS = 250  # the record stores no more days one by one


def track_record(pair: PairState, request: Request) -> JsonObject:
    """Return the summary of the live record with its latest days, or the summary of the backtest."""
    kind = request.query.get("kind", "live")
    if kind not in KINDS:
        message = f"kind={format_value(kind)} is not a kind of record"
        raise bad_query("kind", message, f"give {' or '.join(KINDS)}")
    days = _parse_days(request.query)
    latest = pair.records.record()
    record = latest.value.value
    if kind == "backtest":
        summary: JsonObject | None = record.get("backtest")
        rows: list[JsonObject] = []
    else:
        summary = record["live"]
        rows = [row for row in record.get("newest") or () if row["kind"] == "live"][-days:]
    return {"pair": record["pair"], "kind": kind, "summary": summary, "days": rows, **_check_fields(latest)}


def history(pair: PairState, request: Request) -> JsonObject:
    """Return forecasts and outcomes by day, one business day ahead, for live and late forecasts."""
    days = _parse_days(request.query)
    latest = pair.records.record()
    record = latest.value.value
    return {"pair": record["pair"], "days": list(record.get("newest") or ())[-days:], **_check_fields(latest)}


def history_table(pair: PairState, request: Request) -> Text:
    """Return forecasts and outcomes as CSV."""
    from lambda_fn.web import tables  # only for CSV

    return tables.write_history(history(pair, request))


def pairs(pair: PairState, request: Request) -> JsonObject:
    """Return the pairs in the order of the setting, each with the scores of its record."""
    names, latest = pair.state.settings.pairs, pair.state.all_pairs().current()
    record = latest.value.value if latest else {}
    entries = {entry["pair"]: entry for entry in record.get("pairs", ())}
    return {
        "default": names[0],
        "pairs": [{"pair": name, "base": name[:3], "quote": name[3:]} | entries.get(name, {}) for name in names],
        "pooled": record.get("pooled"),
        **(_check_fields(latest) if latest else {}),
    }


def pairs_page(pair: PairState, request: Request) -> Text:
    """Return the records of all pairs as a page."""
    from lambda_fn.web.page import render  # only for a browser

    return render.all_pairs(pairs(pair, request))


def _parse_days(query: Mapping[str, str]) -> int:
    text = query.get("days", str(MAX_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_DAYS):
        message = f"days={format_value(text)} is not a number of days"
        raise bad_query("days", message, f"give a whole number from 1 to {MAX_DAYS}")
    return int(text)


def _check_fields(latest: CachedValue[Any]) -> JsonObject:
    return freshness_fields({"records": (latest.checked_at, latest.stale)})


ROUTES = (
    Route(
        "GET",
        "/api/track-record",
        track_record,
        "Track record",
        "Coverage of the intervals and skill against the benchmarks, by horizon, with 95 % confidence intervals that "
        "account for overlapping forecasts. `kind=live`: official forecasts, stored before the outcome could be known. "
        "`kind=backtest`: out-of-sample forecasts of the champion's model. The two are never mixed.",
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
        "Forecasts and outcomes by day",
        "The latest official forecasts whose next business day is known: the outcome, its probability integral "
        "transform (`pit`), and which intervals covered it.",
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
        "Currency pairs",
        "All served pairs with the track record of each, and the track record pooled over all pairs, which needs years "
        "less to be conclusive. The first pair is the default of the other routes. With a single pair nothing is "
        "pooled. A browser, or `format=html`, gets a page.",
        "Pairs",
        "record",
        parameters=("format",),
        problems=(BAD_QUERY,),
        others=(Form("text/html", pairs_page),),
    ),
)
