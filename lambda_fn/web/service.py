"""The API's operations: each takes a request and gives the JSON of its answer, or raises."""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_fn.champion.cache import ChampionCache, Serving
from lambda_fn.champion.inputs import window_inputs
from lambda_fn.champion.model import Champion, Forecast, ForecastError
from lambda_fn.contract import Metadata
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.prices.cache import PriceCache, Prices
from lambda_fn.settings import Settings
from lambda_fn.store.last_known_good import NothingToServe
from lambda_fn.store.objects import Store
from lambda_fn.web.forecast import JsonObject, champion_summary, forecast_days, freshness, model_card
from lambda_fn.web.problem import bad_body
from lambda_fn.web.question import Question, parse_query
from lambda_fn.web.routes import index
from lambda_fn.web.series import Sent, Series, champion_inputs, parse_body

DOCUMENT = Path(__file__).with_name("openapi.json")
_log = logging.getLogger(__name__)


class Request(NamedTuple):
    """What the operations read of an event."""

    query: Mapping[str, str]
    body: Callable[[], bytes]
    """raises ValueError when the body is not the base64 that the event says"""


class Service:
    """The operations of the API, one method a route; each gives the JSON of a 200 or raises."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float]) -> None:
        self._champions = ChampionCache(store, settings, clock)
        self._prices = PriceCache(store, settings, clock)
        self._clock = clock
        self.generation: int | None = None
        self._last_live: tuple[Serving, Prices] | None = None

    def index(self, request: Request) -> JsonObject:
        """The routes."""
        return index()

    def document(self, request: Request) -> JsonObject:
        """The OpenAPI document, as it is committed."""
        document: JsonObject = json.loads(DOCUMENT.read_text())
        return document

    def health(self, request: Request) -> JsonObject:
        """The active champion and its prices; raises as `predict` when there is none."""
        serving, prices = self._live()
        window_inputs(serving.champion, prices)
        now = datetime.fromtimestamp(self._clock(), UTC)
        summary = champion_summary(serving)
        names = ("name", "type", "version", "generation", "sha256", "activated_at")
        return {
            "status": "ok",
            "pair": serving.champion.metadata.pair,
            "champion": {name: summary[name] for name in names}
            | {"age_s": round((now - serving.active.activated_at).total_seconds(), 1)},
            "prices": serving.champion.metadata.prices,
            "as_of": prices.as_of.isoformat(),
            "as_of_age_days": (now.date() - prices.as_of).days,
            **_freshness(serving, prices),
        }

    def predict(self, request: Request) -> JsonObject:
        """The forecast from the latest prices."""
        serving, prices = self._live()
        meta = serving.champion.metadata
        question = parse_query(request.query, meta.horizon, meta.levels)
        inputs = window_inputs(serving.champion, prices)
        quantiles, mean = serving.champion.forecast(inputs)
        return {
            "pair": meta.pair,
            **_answer(question, meta, prices.as_of, inputs["close"][0], quantiles[0], mean[0]),
            "champion": champion_summary(serving),
            "prices": meta.prices,
            **_freshness(serving, prices),
        }

    def predict_sent(self, request: Request) -> JsonObject:
        """The forecast from the prices in the body; all series run as one batch."""
        serving = self._serving()
        meta = serving.champion.metadata
        question = parse_query(request.query, meta.horizon, meta.levels)
        sent = parse_body(_body(request), serving.champion, question)
        quantiles, mean = _forecast_sent(serving.champion, sent)
        answers = [
            _answer(question, meta, series.as_of, series.columns["close"], quantiles[i], mean[i])
            for i, series in enumerate(sent.series)
        ]
        return {
            "pair": meta.pair,
            **({"series": answers} if sent.several else answers[0]),
            "champion": champion_summary(serving),
            "prices": "request",
            **_freshness(serving, None),
        }

    def champion(self, request: Request) -> JsonObject:
        """The model card."""
        serving = self._serving()
        return model_card(serving) | _freshness(serving, None)

    def _serving(self) -> Serving:
        serving = self._champions.current()
        generation = serving.active.generation
        if generation != self.generation:
            _log.info("serving generation %d, %s", generation, serving.active.pointer.model_name)
            self.generation = generation
        return serving

    def _live(self) -> tuple[Serving, Prices]:
        serving = self._serving()
        meta = serving.champion.metadata
        try:
            prices = self._prices.current(meta.pair, meta.prices, meta.window, serving.champion.columns)
        except NothingToServe:
            # a new champion may want columns not yet in memory: while the store is down, the old one answers
            if self._last_live is None:
                raise
            serving, prices = self._last_live
            return serving._replace(stale=True), prices._replace(stale=True)
        self._last_live = serving, prices
        return serving, prices


def _answer(
    question: Question,
    meta: Metadata,
    as_of: date | None,
    close: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> JsonObject:
    """One window's part of an answer: close [window], quantiles [horizon, levels], mean [horizon], all prices."""
    last_close = float(close[-1])
    days = next_business_days(as_of, question.horizon, meta.prices) if as_of else None
    return {
        "as_of": as_of.isoformat() if as_of else None,
        "last_close": last_close,
        "forecast": forecast_days(question, meta.levels, last_close, days, quantiles, mean),
    }


def _body(request: Request) -> bytes:
    try:
        return request.body()
    except ValueError as error:
        raise bad_body("body", f"the body cannot be read: {error}", "send JSON in UTF-8") from error


def _forecast_sent(champion: Champion, sent: Sent) -> Forecast:
    """Of all series as one batch; when that fails, the first that fails alone is named."""
    try:
        return champion.forecast(champion_inputs(sent.series, champion))
    except ForecastError as error:
        if sent.several:
            for i, series in enumerate(sent.series):
                _forecast_alone(f"series[{i}].close", series, champion)
        raise bad_body("series" if sent.several else "close", str(error), "check the prices") from error


def _forecast_alone(place: str, series: Series, champion: Champion) -> None:
    try:
        champion.forecast(champion_inputs([series], champion))
    except ForecastError as error:
        raise bad_body(place, str(error), "check the prices") from error


def _freshness(serving: Serving, prices: Prices | None) -> JsonObject:
    checked = {"champion": (serving.checked_at, serving.stale)}
    if prices is not None:
        checked["prices"] = (prices.checked_at, prices.stale)
    return freshness(checked)
