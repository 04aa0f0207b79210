"""The whole loop: training publishes, the bucket notifies, refresh activates, and everything that runs serves it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from tests.support.e2e import front
from tests.support.e2e.bridge import Bridge
from tests.support.e2e.command import training
from tests.support.e2e.deployment import Deployment, checked_since, deployed
from tests.support.e2e.front import PREDICT, Ask, Fallback, generation
from tests.support.e2e.mlflow_server import MlflowServer
from tests.support.e2e.steps import Steps, until

PAUSE_S = 0.05  # between the requests of a client: training needs the processors too
SMALL = ("run", "--families", "random_walk,linear_regression", "--first-year", "2026")

MODELS = {"EURUSD_LinearRegression", "EURUSD_RandomWalk"}


class Answer(NamedTuple):
    """What a client heard: when the store was last looked at, and the champion's generation."""

    checked_at: datetime
    generation: int


class Client(threading.Thread):
    """Asks for the forecast until stopped; ends at the first answer that is not a 200."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(daemon=True)
        self._ask, self._stop_asking = ask, threading.Event()
        self.answers: list[Answer] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stop_asking.wait(PAUSE_S):
                answer = self._ask(PREDICT)
                number = generation(answer)
                self.answers.append(Answer(datetime.fromisoformat(answer.json["checked_at"]), number))
        except (AssertionError, OSError, ValueError) as error:
            self.failure = error

    def checked_after(self, moment: datetime) -> list[int]:
        """The generations of the answers that are based on a look into the store after `moment`; waits for one."""
        until(lambda: self.failure is not None or self.answers[-1].checked_at > moment, "a later look into the store")
        return [answer.generation for answer in self.answers if answer.checked_at > moment]

    def stop(self) -> None:
        self._stop_asking.set()
        self.join()
        if self.failure:
            raise self.failure


@contextmanager
def asking(*fronts: Ask) -> Iterator[list[Client]]:
    """A client each, from their first answer on; raises what went wrong for one of them."""
    clients = [Client(ask) for ask in fronts]
    for client in clients:
        client.start()
    try:
        until(lambda: all(client.answers or client.failure for client in clients), "first answers")
        yield clients
    finally:
        for client in clients:
            client.stop()


@pytest.fixture
def fallback(image: str, store_environ: Mapping[str, str]) -> Iterator[Fallback]:
    with front.fallback(image, store_environ) as found:
        yield found


@pytest.fixture
def deployment(
    image: str, bridge: Bridge, store: Store, settings: Settings, store_environ: Mapping[str, str]
) -> Iterator[Deployment]:
    with deployed(image, bridge, store, settings, store_environ) as found:
        yield found


def test_what_training_publishes_is_served_everywhere_without_a_restart(
    step: Steps,
    mlflow: MlflowServer,
    deployment: Deployment,
    fallback: Fallback,
    store_environ: Mapping[str, str],
    tmp_path: Path,
) -> None:
    environ = {**store_environ, "MLFLOW_TRACKING_URI": mlflow.uri}

    def command(*arguments: str) -> None:
        with step(f"python -m training {' '.join(arguments)}"):
            done = training(tmp_path, environ, *arguments)
        assert done.returncode == 0, done.stderr

    for unserved in (deployment.api.ask(PREDICT), fallback.ask(PREDICT)):
        assert (unserved.status, unserved.json["error"]["code"]) == (503, "nothing_to_serve")
    command(*SMALL)
    assert_activated(deployment, 1)
    until(lambda: fallback.ask(PREDICT).status == 200 and deployment.api.ask(PREDICT).status == 200, "first answers")
    first = deployment.active()
    (other,) = MODELS - {first.pointer.model_name}
    with asking(deployment.api.ask, fallback.ask) as clients:
        command("publish", f"models:/{other}@challenger")
        assert_activated(deployment, 2)
        with step("every client sees generation 2"):
            assert_live(clients, 2)
        command("rollback")
        assert_activated(deployment, 3)
        with step("every client sees generation 3"):
            assert_live(clients, 3)
    for client in clients:
        numbers = [answer.generation for answer in client.answers]
        assert numbers == sorted(numbers), "no answer goes back"
        assert set(numbers) == {1, 2, 3}
    for ask in (deployment.api.ask, fallback.ask):
        answer = checked_since(ask, datetime.now(UTC))
        assert answer.json["champion"]["name"] == first.pointer.model_name
        assert answer.json["champion"]["sha256"] == first.champion.sha256


def assert_activated(deployment: Deployment, number: int) -> None:
    """By the bucket's notification of this very publication."""
    delivery = deployment.delivered(number)
    assert delivery.invocation.payload["outcome"] == "activated", delivery
    assert deployment.active().generation == number


def assert_live(clients: list[Client], number: int) -> None:
    """After an activation nobody who looked into the store answers with the champion before."""
    activated = datetime.now(UTC)
    for client in clients:
        assert set(client.checked_after(activated)) <= {number}, client.failure
