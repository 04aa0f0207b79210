"""The API's operations, one method a route: each takes a request and gives the JSON of its answer, or raises."""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from lambda_fn.web import records
from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.records import Records
from lambda_fn.web.response import Text, Version
from lambda_fn.web.route import Record
from lambda_fn.web.routing import index

if TYPE_CHECKING:
    from lambda_fn.champion.sandbox import Pool  # only for a POST
    from lambda_fn.web.all_pairs import Together
    from lambda_fn.web.predict import SentPrices  # only for a POST

_log = logging.getLogger(__name__)


class Request(NamedTuple):
    """What the operations read of an event."""

    query: Mapping[str, str]
    body: Callable[[], bytes]
    """raises ValueError when the body is not the base64 that the event says"""
    names: Mapping[str, str] = {}
    """what stands in the path for the {names} of the route's"""


class Service:
    """The operations of the API on one pair; each gives the JSON of a 200 or raises. `together` is of all pairs."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], float],
        beside: bool,
        together: Callable[[], "Together"],
        pool: Callable[[], "Pool"],
    ) -> None:
        self.pair = settings.pair
        self._memory = store, settings, clock, beside
        self._together = together
        self._pool = pool
        self.records = Records(*self._memory)
        self._sent: SentPrices | None = None
        self._lock = threading.Lock()

    @property
    def generation(self) -> int | None:
        """Of the official forecast in memory."""
        return self.records.generation

    def version(self, record: Record) -> Version:
        """Of what this record answers now; raises as the operations that read it."""
        match record:
            case "forecast":
                return self.records.version_of_official()
            case "record":
                return self.records.version_of_record()
            case "both":
                return self.records.version_of_both()

    def index(self, request: Request) -> JsonObject:
        """The routes."""
        return index()

    def page(self, request: Request) -> Text:
        """The page for a browser."""
        from lambda_fn.web.page.document import page  # only a browser wants it

        return page(self.records, request.query, self._memory[1].pairs)

    def pairs(self, request: Request) -> JsonObject:
        """Which pairs are served."""
        from lambda_fn.web import all_pairs as together  # only who asks for them

        return together.pairs(self._together())

    def pairs_page(self, request: Request) -> Text:
        """Their records, for a browser."""
        from lambda_fn.web import all_pairs as together  # only who asks for them

        return together.page(self._together())

    def document(self, request: Request) -> JsonObject:
        """The OpenAPI document, as it is committed but for the base path of this deployment."""
        from pathlib import Path  # which no other answer needs

        document: JsonObject = json.loads(Path(__file__).with_name("openapi.json").read_text())
        if base_path := self._memory[1].base_path:
            document["servers"] = [{"url": base_path}]
        return document

    def docs(self, request: Request) -> JsonObject:
        """The same where a program asks for its page."""
        return self.document(request)

    def reference(self, request: Request) -> Text:
        """The same as a page for a browser."""
        from lambda_fn.web.page.reference import page  # only a browser wants it

        return page(self.document(request))

    def health(self, request: Request) -> JsonObject:
        """Whether a forecast can be served."""
        return records.health(self.records)

    def predict(self, request: Request) -> JsonObject:
        """The official forecast."""
        return records.predict(self.records, request.query)

    def predict_table(self, request: Request) -> Text:
        """The official forecast as CSV."""
        from lambda_fn.web import tables  # only who asks for CSV

        return tables.of_forecast(records.predict(self.records, request.query))

    def probability(self, request: Request) -> JsonObject:
        """How likely a price is."""
        return records.probability(self.records, request.query)

    def predict_sent(self, request: Request) -> JsonObject:
        """The forecast from the prices in the body."""
        return self._champion().predict(request.query, request.body)

    def _champion(self) -> "SentPrices":
        with self._lock:  # two threads would have two champions, of which one could be older
            if self._sent is None:
                pool = self._pool()  # its first child starts while this process imports the rest
                from lambda_fn.web.predict import SentPrices  # when a POST first comes

                self._sent = SentPrices(*self._memory, self.records.suspended, pool)
            return self._sent

    def invocations(self, request: Request) -> JsonObject:
        """The champion's outputs by MLflow's protocol."""
        return self._champion().invocations(request.body)

    def ping(self, request: Request) -> JsonObject:
        """Nothing, where the champion can be asked."""
        self._champion().serving()
        return {}

    def server(self, request: Request) -> JsonObject:
        """Who serves, by the Open Inference Protocol."""
        from lambda_fn.web.model_protocols import SERVER  # for who speaks it

        return SERVER

    def live(self, request: Request) -> JsonObject:
        """It answers."""
        return {"live": True}

    def ready(self, request: Request) -> JsonObject:
        """Whether the champion can be asked."""
        self._champion().serving()
        return {"ready": True}

    def model(self, request: Request) -> JsonObject:
        """The champion's tensors."""
        return self._champion().model(request.names["name"], request.names.get("version"))

    def model_ready(self, request: Request) -> JsonObject:
        """Whether it can be asked, by its name."""
        return {"name": self.model(request)["name"], "ready": True}

    def infer(self, request: Request) -> JsonObject:
        """The champion's outputs by the Open Inference Protocol."""
        return self._champion().infer(request.names["name"], request.names.get("version"), request.body)

    model_version, model_ready_version, infer_version = model, model_ready, infer

    def champion(self, request: Request) -> JsonObject:
        """The model card."""
        return records.champion(self.records)

    def track_record(self, request: Request) -> JsonObject:
        """What the forecasts were worth."""
        return records.track_record(self.records, request.query)

    def history(self, request: Request) -> JsonObject:
        """Forecast and outcome day by day."""
        return records.history(self.records, request.query)

    def history_table(self, request: Request) -> Text:
        """Forecast and outcome as CSV."""
        from lambda_fn.web import tables  # only who asks for CSV

        return tables.of_history(records.history(self.records, request.query))
