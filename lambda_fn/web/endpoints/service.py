"""The service itself: index, page, health, model card and API documentation."""

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, TypedDict, cast

from lambda_fn import __version__
from lambda_fn.web.endpoints.forecast import Generation, ModelName, Sha256, age_fields
from lambda_fn.web.errors import Problem
from lambda_fn.web.forecast import AgedFreshness, MaybeFallback, fallback_field
from lambda_fn.web.params import FORMAT, PAIR, central_intervals
from lambda_fn.web.request import Request
from lambda_fn.web.response import HTML, DateText, JsonObject, PairCode, Text, TimeText
from lambda_fn.web.routing import BAD_QUERY, NOTHING, Form, Route
from lambda_fn.web.state import PairState

if TYPE_CHECKING:
    from lambda_fn.variables import SignIn

Document = Annotated[JsonObject, "OpenAPI 3.1"]


class Index(TypedDict):
    """All routes.

    Attributes:
        routes: summary by method and path.
    """

    routes: dict[str, str]


class _ActiveChampion(TypedDict):
    """
    Attributes:
        age_s: seconds since activation.
    """

    name: ModelName
    type: str
    version: str
    generation: Generation
    sha256: Sha256
    activated_at: TimeText
    age_s: float


class SignInClient(TypedDict):
    """The OpenID client of the sign-in page: a public client with the authorization code flow and PKCE (S256).

    Attributes:
        issuer: of the ID tokens, which the gateway accepts as bearer tokens.
        scope: to request.
    """

    issuer: str
    client_id: str
    authorization_endpoint: str
    token_endpoint: str
    scope: Literal["openid"]


class Health(AgedFreshness, MaybeFallback):
    """The state of the service.

    Attributes:
        version: of this service.
        prices: source of the prices: ecb or csv.
        as_of: date of the last close.
        as_of_age_days: calendar days since then.
    """

    status: Literal["ok", "late", "expired", "unknown"]
    version: str
    pair: PairCode
    champion: _ActiveChampion
    prices: str
    as_of: DateText
    as_of_age_days: int


class _ChampionFile(TypedDict):
    """
    Attributes:
        size: bytes.
    """

    key: str
    sha256: Sha256
    size: int


class _ChampionInputs(TypedDict):
    """Required members of a POST; as_of is required, too, if date or target_date is true.

    Attributes:
        columns: price columns, close first.
        window: number of closes that it needs.
    """

    columns: list[str]
    date: bool
    target_date: bool
    window: int


class Champion(AgedFreshness):
    """The pointer best_model_info.json without its golden forecasts, and fields of the service.

    Attributes:
        events_known_through: last day of the champion's calendar of scheduled news.
        event_days_left: calendar days until then.
        metrics: metrics of the training run that selected it.
        baseline_metrics: metrics of the random walk in the same run.
        scores: scores of every model in that run, by horizon.
        metadata: metadata_props of the champion file.
        intervals: values of `level`, in percent.
    """

    model_name: str
    model_type: NotRequired[str]
    model_version: NotRequired[str]
    model_uri: NotRequired[str]
    run_id: NotRequired[str]
    pair: NotRequired[PairCode]
    generation: int
    champion: _ChampionFile
    trained_through: NotRequired[DateText]
    events_known_through: NotRequired[DateText]
    event_days_left: NotRequired[int]
    created_at: NotRequired[TimeText]
    activated_at: TimeText
    serving_key: NotRequired[str]
    metrics: NotRequired[dict[str, float]]
    baseline_metrics: NotRequired[dict[str, float]]
    scores: NotRequired[list[JsonObject]]
    metadata: JsonObject
    intervals: NotRequired[list[str]]
    inputs: _ChampionInputs


def index(pair: PairState, request: Request) -> Index:
    """Return the routes."""
    return {"routes": dict(pair.state.summaries)}


def page(pair: PairState, request: Request) -> Text:
    """Return the page for a browser."""
    from lambda_fn.web.page import render  # only for a browser

    return render.forecast(pair, request.query)


def health(pair: PairState, request: Request) -> Health:
    """Return the active champion and the date of its prices. Raises as `predict` if there is no forecast."""
    latest, timeliness = pair.records.official()
    official, now = latest.value.value, pair.records.now()
    champion, activated_at = official.champion, datetime.fromisoformat(official.champion["activated_at"])
    return {
        "status": "ok" if timeliness.state == "fresh" else timeliness.state,
        "version": __version__,
        "pair": official.pair,
        "champion": {
            "name": champion["name"],
            "type": champion["type"],
            "version": champion["version"],
            "generation": champion["generation"],
            "sha256": champion["sha256"],
            "activated_at": champion["activated_at"],
            "age_s": round((now - activated_at).total_seconds(), 1),
        },
        "prices": official.source,
        "as_of": official.as_of.isoformat(),
        "as_of_age_days": (now.date() - official.as_of).days,
        **fallback_field(official),
        **age_fields(latest, timeliness),
    }


def champion(pair: PairState, request: Request) -> Champion:
    """Return the model card."""
    latest, timeliness = pair.records.official()
    official = latest.value.value
    card = official.card | {"intervals": list(central_intervals(official.levels))}
    if last := official.card.get("events_known_through"):
        card["event_days_left"] = (date.fromisoformat(last) - pair.records.now().date()).days
    return cast(Champion, {**card, **age_fields(latest, timeliness)})


def document(pair: PairState, request: Request) -> Document:
    """Return the OpenAPI document with the base path of this deployment."""
    from pathlib import Path  # only for this route

    document: Document = json.loads(Path(__file__).parent.with_name("openapi.json").read_text())
    if base_path := pair.state.settings.base_path:
        document["servers"] = [{"url": base_path}]
    return document


def docs(pair: PairState, request: Request) -> Document:
    """Return the OpenAPI document to programs that request the reference."""
    return document(pair, request)


def reference(pair: PairState, request: Request) -> Text:
    """Return the API reference as a page."""
    from lambda_fn.web.page import render  # only for a browser

    return render.api_reference(document(pair, request))


def sign_in(pair: PairState, request: Request) -> SignInClient:
    """Return what a program needs to sign a person in. Raises Problem (404) without a sign-in."""
    client = _sign_in(pair)
    return {
        "issuer": client.issuer,
        "client_id": client.client_id,
        "authorization_endpoint": client.authorization_endpoint,
        "token_endpoint": client.token_endpoint,
        "scope": "openid",
    }


def sign_in_page(pair: PairState, request: Request) -> Text:
    """Return the sign-in page, which contains no data. Raises Problem (404) without a sign-in."""
    client = _sign_in(pair)
    from lambda_fn.web.page import render  # only for a browser

    return render.sign_in(client)


def _sign_in(pair: PairState) -> "SignIn":
    if pair.state.settings.sign_in is None:
        raise Problem(404, "no_sign_in", "this deployment has no sign-in page", "the operator sets SIGN_IN_CLIENT_ID")
    return pair.state.settings.sign_in


ROUTES = (
    Route(
        "GET",
        "/",
        index,
        "Routes",
        "All routes with their summaries. A browser, or `format=html`, gets a page with the forecast and its track "
        "record.",
        "service",
        parameters=(PAIR, FORMAT),
        problems=(BAD_QUERY, (503, "HTML only: no forecast is available; the page says what to do.")),
        others=(Form(HTML, page, "page", ("side", "price", "horizon", "amount", "position", "currency", "days")),),
    ),
    Route(
        "GET",
        "/health",
        health,
        "Health check",
        "200 with the active champion and the date of its prices, or 503 if GET /api/predict fails. `status` is `ok`, "
        "`late`, `expired` or `unknown`; `age` explains it. `stale` is true if it is not `ok`, if a newer forecast "
        "could not be made, or if the store does not respond and the latest cached forecast is served. `fallback` "
        "is present if an earlier generation made the forecast.",
        "service",
        parameters=(PAIR,),
        problems=(BAD_QUERY, NOTHING),
    ),
    Route(
        "GET",
        "/api/champion",
        champion,
        "Model card",
        "The active model (the champion): its pointer, its metadata, its inputs, and the scores of every model in the "
        "training run that selected it.",
        "service",
        parameters=(PAIR,),
        problems=(BAD_QUERY, NOTHING),
        record="forecast",
    ),
    Route(
        "GET",
        "/openapi.json",
        document,
        "OpenAPI document",
        "This document: the description of the API in OpenAPI 3.1.",
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
        "service",
        parameters=(FORMAT,),
        problems=(BAD_QUERY,),
        others=(Form(HTML, reference),),
        is_static=True,
    ),
    Route(
        "GET",
        "/sign-in",
        sign_in,
        "Sign-in",
        "The OpenID client with which people sign in, where the gateway requires tokens. A browser gets the sign-in "
        "page. The answer contains no data, so no token is required.",
        "service",
        problems=(BAD_QUERY, (404, "This deployment has no sign-in page.")),
        # the provider adds query parameters of its own, which a client ignores (RFC 6749, section 4.1.2)
        others=(Form(HTML, sign_in_page, query_names=None),),
        is_static=True,
    ),
)
