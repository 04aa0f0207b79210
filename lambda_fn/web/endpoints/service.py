"""The service itself: index, page, health, model card and API documentation."""

import json
from datetime import date, datetime

from lambda_fn.web.endpoints.forecast import age_fields
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.params import central_intervals
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
    """Return the active champion and the date of its prices. Raises as `predict` if there is no forecast."""
    latest, age = pair.records.official()
    official, now = latest.value.value, pair.records.now()
    activated_at = datetime.fromisoformat(official.champion["activated_at"])
    return {
        "status": "ok" if age.state == "fresh" else age.state,
        "pair": official.pair,
        "champion": {name: official.champion[name] for name in _HEALTH}
        | {"age_s": round((now - activated_at).total_seconds(), 1)},
        "prices": official.source,
        "as_of": official.as_of.isoformat(),
        "as_of_age_days": (now.date() - official.as_of).days,
        **age_fields(latest, age),
    }


def champion(pair: PairState, request: Request) -> JsonObject:
    """Return the model card."""
    latest, age = pair.records.official()
    official = latest.value.value
    card = official.card | {"intervals": list(central_intervals(official.levels))}
    if last := official.card.get("events_known_through"):
        card["event_days_left"] = (date.fromisoformat(last) - pair.records.now().date()).days
    return card | age_fields(latest, age)


def document(pair: PairState, request: Request) -> JsonObject:
    """Return the OpenAPI document with the base path of this deployment."""
    from pathlib import Path  # only for this route

    document: JsonObject = json.loads(Path(__file__).parent.with_name("openapi.json").read_text())
    if base_path := pair.state.settings.base_path:
        document["servers"] = [{"url": base_path}]
    return document


def docs(pair: PairState, request: Request) -> JsonObject:
    """Return the OpenAPI document to programs that request the reference."""
    return document(pair, request)


def reference(pair: PairState, request: Request) -> Text:
    """Return the API reference as a page."""
    from lambda_fn.web.page import render  # only for a browser

    return render.api_reference(document(pair, request))


ROUTES = (
    Route(
        "GET",
        "/",
        index,
        "Routes",
        "All routes with their summaries. A browser, or `format=html`, gets a page with the forecast and its track "
        "record.",
        "Index",
        "service",
        parameters=("pair", "format"),
        problems=(BAD_QUERY, (503, "HTML only: no forecast is available; the page says what to do.")),
        others=(Form("text/html", page, "both", ("side", "price", "horizon")),),
    ),
    Route(
        "GET",
        "/health",
        health,
        "Health check",
        "200 with the active champion and the date of its prices, or 503 if GET /api/predict fails. `status` is `ok`, "
        "`late` or `expired`; `age` explains it. `stale` is true if the forecast is late or expired, if a newer "
        "forecast could not be made, or if the store does not respond and the latest cached forecast is served.",
        "Health",
        "service",
        parameters=("pair",),
        problems=(BAD_QUERY, NOTHING),
    ),
    Route(
        "GET",
        "/api/champion",
        champion,
        "Model card",
        "The active model (the champion): its pointer, its metadata, its inputs, and the scores of every model in the "
        "training run that selected it.",
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
        "OpenAPI document",
        "This document: the description of the API in OpenAPI 3.1.",
        "Document",
        "service",
        is_static=True,
    ),
    Route(
        "GET",
        "/docs",
        docs,
        "API reference",
        "The OpenAPI document. A browser, or `format=html`, gets it as a readable page, which loads nothing from other "
        "servers.",
        "Document",
        "service",
        parameters=("format",),
        problems=(BAD_QUERY,),
        others=(Form("text/html", reference),),
        is_static=True,
    ),
)
