"""A deployment on one bucket: the API's container and the refresh container that the bucket's notifications invoke."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lambda_fn.contract import Active
from lambda_fn.settings import Settings
from lambda_fn.store.keys import active_key
from lambda_fn.store.object_store import Store
from tests.support import foreign
from tests.support.e2e import front, lambda_container
from tests.support.e2e.bridge import Bridge, Delivery, wait_for
from tests.support.e2e.front import PREDICT, Ask, EmulatorFront
from tests.support.e2e.lambda_container import REFRESH, LambdaContainer
from tests.support.e2e.steps import until
from tests.support.server_process import HttpReply

SCHEDULE = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-11-02T16:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/hourly"],
    "detail": {},
}


@dataclass(frozen=True)
class Deployment:
    """Its functions, warm, and the store that they work on."""

    store: Store
    settings: Settings
    api: EmulatorFront
    refresh: LambdaContainer
    deliveries: list[Delivery]

    def promote(self, data: bytes, generation: int, prices: bytes | None = None, **changes: Any) -> Delivery:
        """Publishes a made-up champion; gives what the refresh function made of the notification."""
        count = len(self.deliveries)
        foreign.publish_to(self.store, data, generation, prices, **changes)
        return wait_for(self.deliveries, count + 1)

    def put(self, pointer: bytes) -> Delivery:
        """Writes the pointer alone; gives what the refresh function made of the notification."""
        count = len(self.deliveries)
        foreign.put(self.store, self.settings.model_info_key, pointer)
        return wait_for(self.deliveries, count + 1)

    def delivered(self, n: int) -> Delivery:
        """What the refresh function made of the n-th notification since the deployment."""
        return wait_for(self.deliveries, n)

    def active(self) -> Active:
        return Active.parse(self.store.read(active_key(self.settings.pair)).data)

    def refused(self) -> list[dict[str, Any]]:
        """The records of refusals."""
        return [json.loads(self.store.read(key).data) for key in self.store.list("serving/refused")]

    def checked_since(self, moment: datetime) -> HttpReply:
        """The API's first answer after it looked into the store later than `moment`, and so knows of all before."""
        return checked_since(self.api.ask, moment)


def checked_since(ask: Ask, moment: datetime) -> HttpReply:
    """As of a deployment, by any front; every answer on the way must be a 200."""
    answers: list[HttpReply] = []

    def is_fresh() -> bool:
        answers.append(ask(PREDICT))
        assert answers[-1].status == 200, answers[-1].json
        return datetime.fromisoformat(answers[-1].json["checked_at"]) > moment

    until(is_fresh, f"an answer that was checked after {moment}")
    return answers[-1]


@contextmanager
def deployed(
    image: str, bridge: Bridge, store: Store, settings: Settings, environ: Mapping[str, str]
) -> Iterator[Deployment]:
    """Both containers on the store, started."""
    with (
        front.emulator(image, environ) as api,
        lambda_container.running(image, REFRESH, environ) as refresh,
        bridge.to(refresh.invoke) as deliveries,
    ):
        yield Deployment(store, settings, api, refresh, deliveries)
