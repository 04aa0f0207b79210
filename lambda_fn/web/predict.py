"""What a POST asks: forecasts of the active champion from prices that the caller sends.

The only part of the API that runs a champion. It is imported when a POST first comes.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from lambda_fn.champion.base import Died, ForecastError, TooSlow
from lambda_fn.champion.cache import ChampionCache, Serving
from lambda_fn.champion.model_card import champion_summary
from lambda_fn.champion.sandbox import Forecast, Pool, SandboxedChampion
from lambda_fn.contract import Metadata
from lambda_fn.prices.business_days import next_business_days
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store, Unavailable
from lambda_fn.web import model_protocols
from lambda_fn.web import model_protocols as invocations
from lambda_fn.web.errors import Problem, bad_body
from lambda_fn.web.forecast import JsonObject, forecast_days, shown_forecast
from lambda_fn.web.freshness import freshness
from lambda_fn.web.model_protocols import run, unanswered
from lambda_fn.web.params import Question, parse_query
from lambda_fn.web.price_body import Sent, champion_inputs, parse_body

_log = logging.getLogger(__name__)


class SentPrices:
    """Keeps the champion between requests. `suspended` tells a generation of which nothing is served."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], float],
        beside: bool,
        suspended: Callable[[], int | None],
        pool: Pool,
    ) -> None:
        self._champions = ChampionCache(store, settings, clock, pool, beside)
        self._suspended = suspended
        self.generation: int | None = None

    def predict(self, query: Mapping[str, str], read_body: Callable[[], bytes]) -> JsonObject:
        """The forecast from the prices in the body; all series run as one batch."""
        serving = self.serving()
        meta = serving.champion.metadata
        question = parse_query(query, meta.horizon, meta.levels)
        sent = parse_body(_body(read_body), serving.champion, question)
        quantiles, mean = _forecast(serving.champion, sent)
        answers = [
            _answer(question, meta, series.as_of, series.columns["close"], quantiles[i], mean[i])
            for i, series in enumerate(sent.series)
        ]
        return {
            "pair": meta.pair,
            **({"series": answers} if sent.several else answers[0]),
            "champion": champion_summary(serving.active, serving.champion),
            "prices": "request",
            **freshness({"champions": (serving.checked_at.timestamp(), serving.stale)}),
        }

    def invocations(self, read_body: Callable[[], bytes]) -> JsonObject:
        """By MLflow's protocol."""
        return invocations.answer(self.serving().champion, _body(read_body))

    def infer(self, name: str, version: str | None, read_body: Callable[[], bytes]) -> JsonObject:
        """By the Open Inference Protocol."""
        return model_protocols.infer(self.serving(), name, version, _body(read_body))

    def model(self, name: str, version: str | None) -> JsonObject:
        """The same protocol's description of the champion."""
        return model_protocols.model(self.serving(), name, version)

    def serving(self) -> Serving:
        """The champion; raises NothingToServe, and Problem while it is suspended."""
        found = self._champions.current()
        if found.active.generation == self._suspended():
            raise _is_suspended(found.active.generation)
        self._note(found.active.generation, found.active.pointer.model_name)
        return found

    def _note(self, generation: int, name: str) -> None:
        if generation != self.generation:
            _log.info("forecasting with generation %d, %s", generation, name)
            self.generation = generation


def _answer(
    question: Question,
    meta: Metadata,
    as_of: date | None,
    close: Sequence[float],
    quantiles: Sequence[Sequence[float]],
    mean: Sequence[float],
) -> JsonObject:
    """One window's part of an answer: close [window], quantiles [horizon][levels], mean [horizon], all prices."""
    last_close = close[-1]
    days = next_business_days(as_of, question.horizon, meta.prices) if as_of else None
    return {
        "as_of": as_of.isoformat() if as_of else None,
        "last_close": last_close,
        "forecast": forecast_days(question, meta.levels, days, shown_forecast(last_close, quantiles, mean)),
    }


def _body(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except ValueError as error:
        raise bad_body("body", f"the body cannot be read: {error}", "send JSON in UTF-8") from error


def _forecast(champion: SandboxedChampion, sent: Sent) -> Forecast:
    """Of all series as one batch; when that fails, the first that fails alone is named."""
    try:
        return champion.plausible_forecast(champion_inputs(sent.series, champion))
    except (Died, TooSlow, Unavailable) as error:  # of many, each alone would take its time again
        raise unanswered(error, "series") from error
    except ForecastError as error:
        if sent.several:
            for i, series in enumerate(sent.series):
                run(champion, champion_inputs([series], champion), f"series[{i}].close", "series")
        raise bad_body("series" if sent.several else "close", str(error), "check the prices") from error


def _is_suspended(generation: int) -> Problem:
    message = f"generation {generation} is suspended: it gave no forecast for the newest prices that may be served"
    cure = "ask GET /api/predict for the last good forecast; the operator publishes another champion"
    return Problem(503, "suspended", message, cure, headers={"Retry-After": "600"})
