"""The service itself: the index and the page, its health, the model card, and the documentation of the API."""

import json
from datetime import date, datetime

from lambda_fn.web.endpoints.forecast import freshness_of
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.params import intervals_of
from lambda_fn.web.request import Request
from lambda_fn.web.response import Text
from lambda_fn.web.routing import BAD_QUERY, NOTHING, Form, Route
from lambda_fn.web.state import PairState

_HEALTH = ("name", "type", "version", "generation", "sha256", "activated_at")


def index(pair: PairState, request: Request) -> JsonObject:
    """Return the routes."""
    return pair.state.index


def page(pair: PairState, request: Request) -> Text:
    """Return the page for a browser."""
    from lambda_fn.web.page import render  # only for a browser

    return render.forecast(pair.records, request.query, pair.state.settings.pairs)


def health(pair: PairState, request: Request) -> JsonObject:
    """Return the active champion and its prices. Raises as `predict` when there is no forecast."""
    known, age = pair.records.official()
    official, now = known.value.value, pair.records.now()
    activated = datetime.fromisoformat(official.champion["activated_at"])
    return {
        "status": "ok" if age.state == "fresh" else age.state,
        "pair": official.pair,
        "champion": {name: official.champion[name] for name in _HEALTH}
        | {"age_s": round((now - activated).total_seconds(), 1)},
        "prices": official.source,
        "as_of": official.as_of.isoformat(),
        "as_of_age_days": (now.date() - official.as_of).days,
        **freshness_of(known, age),
    }


def champion(pair: PairState, request: Request) -> JsonObject:
    """Return the model card."""
    known, age = pair.records.official()
    official = known.value.value
    more: JsonObject = {"intervals": list(intervals_of(official.levels))}
    if last := official.card.get("events_known_through"):
        more["event_days_left"] = (date.fromisoformat(last) - pair.records.now().date()).days
    return official.card | more | freshness_of(known, age)


def document(pair: PairState, request: Request) -> JsonObject:
    """Return the OpenAPI document, with the base path of this deployment."""
    from pathlib import Path  # only for this route

    document: JsonObject = json.loads(Path(__file__).parent.with_name("openapi.json").read_text())
    if base_path := pair.state.settings.base_path:
        document["servers"] = [{"url": base_path}]
    return document


def docs(pair: PairState, request: Request) -> JsonObject:
    """Return the OpenAPI document to a program that asks for the page."""
    return document(pair, request)


def reference(pair: PairState, request: Request) -> Text:
    """Return the reference of the API as a page."""
    from lambda_fn.web.page import render  # only for a browser

    return render.api_reference(document(pair, request))


ROUTES = (
    Route(
        "GET",
        "/",
        index,
        "The routes",
        "Every route with its summary; for a browser, or format=html, a page of forecast and record.",
        "Index",
        "service",
        parameters=("pair", "format"),
        problems=(BAD_QUERY, (503, "For a browser alone: nothing can be served yet, and what to do about it.")),
        others=(Form("text/html", page, "both", ("side", "price", "horizon")),),
    ),
    Route(
        "GET",
        "/health",
        health,
        "Whether a forecast can be served",
        "200 with the champion and the date of the official forecast; 503 when GET /api/predict has no answer. "
        "`status` is ok, late or expired, as `age` explains. `stale` with 200 means late or expired, or that the last "
        "known forecast is served because the store does not answer.",
        "Health",
        "service",
        parameters=("pair",),
        problems=(BAD_QUERY, NOTHING),
    ),
    Route(
        "GET",
        "/api/champion",
        champion,
        "The model card",
        "All that is known of the active champion: its pointer, its metadata, the inputs it wants and the scores of "
        "every family of the run that chose it.",
        "Champion",
        "service",
        parameters=("pair",),
        problems=(BAD_QUERY, NOTHING),
        record="forecast",
    ),
    Route(
        "GET",
        "/openapi.json",
        document,
        "This document",
        "The OpenAPI document of this API.",
        "Document",
        "service",
        is_static=True,
    ),
    Route(
        "GET",
        "/docs",
        docs,
        "The reference of this API",
        "The OpenAPI document; for a browser, or format=html, as a page to read, which asks nobody for anything.",
        "Document",
        "service",
        parameters=("format",),
        problems=(BAD_QUERY,),
        others=(Form("text/html", reference),),
        is_static=True,
    ),
)
