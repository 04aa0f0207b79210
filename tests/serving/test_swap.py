"""The swap: a running server takes up champions that this project does not know, and never a broken one."""

import http.client
import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
import pytest

from lambda_fn.champion.model_inputs import input_arrays, table_inputs
from lambda_fn.champion.runtime import Champion
from lambda_fn.contract import ChampionFile
from lambda_fn.prices.price_file import Table, parse
from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.keys import champion_key
from lambda_fn.store.object_store import Store
from lambda_fn.web.params import central_intervals
from tests.support import foreign
from tests.support.server_process import Server, ask, running, until

CLIENTS = 3
MORE = 6  # answers of each client between two changes
PRICES = foreign.price_file(60, ["eurjpy"])
# Another architecture (an average of five closes), inputs, window, horizon and levels: every number tells them apart.
LEVELS_2 = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
BYTES = {
    1: foreign.champion_bytes(drift=0.001),
    2: foreign.champion_bytes(
        extra=("eurjpy",), dated=True, drift=-0.002, spread=0.008, last=5, window=30, horizon=5, levels=LEVELS_2
    ),
}
CHAMPIONS = {generation: Champion.load(data) for generation, data in BYTES.items()}


class Question(NamedTuple):
    """One request, valid for both champions; `series` are the closes sent, empty for a GET."""

    query: dict[str, str]
    series: list[list[float]]
    several: bool


def questions(client: int) -> Iterator[Question]:
    """Endless, each different from every other in its query or in its closes."""
    for number in itertools.count():
        query: dict[str, str] = {}
        if number % 4:
            query["horizon"] = str(number % 3 + 1)
        if number % 5:
            query["level"] = ["95", "50", "50,95"][number % 3]
        several = number % 3 == 2
        own = 1 + client / 10 + (number % 1000) / 100_000  # so that no two requests have the same last close
        # many series at once take a while to answer, in which another request could come in between
        lengths = {0: [], 1: [40], 2: [35 + i % 10 for i in range(40)]}[number % 3]
        yield Question(query, [foreign.closes(n, own + i / 10).tolist() for i, n in enumerate(lengths)], several)


def send(connection: http.client.HTTPConnection, question: Question) -> Any:
    path = "/api/predict?" + urlencode(question.query)
    if not question.series:
        reply = ask(connection, "GET", path)
    else:
        series = [{"close": closes, "eurjpy": closes, "as_of": "2026-10-29"} for closes in question.series]
        body = {"series": series} if question.several else series[0]
        reply = ask(connection, "POST", path, json.dumps(body).encode())
    assert reply.status == 200, reply.json
    return reply.json


def check(question: Question, answer: Any) -> None:
    """Every number of the answer is what the champion that it names gives for this very question."""
    champion = CHAMPIONS[answer["champion"]["generation"]]
    assert answer["champion"]["sha256"] == champion.sha256
    if not question.series:
        expected = [input_arrays(table_inputs(champion, parse(PRICES)))]
    else:
        rows = foreign.price_rows(60, foreign.AS_OF.replace(day=29))
        expected = [
            input_arrays(
                table_inputs(
                    champion, Table(rows[-len(closes) :], dict.fromkeys(("close", "eurjpy"), np.array(closes)))
                )
            )
            for closes in question.series
        ]
    answers = answer["series"] if question.several else [answer]
    assert len(answers) == len(expected)
    for found, inputs in zip(answers, expected, strict=True):
        check_days(question, champion, inputs, found)


def check_days(question: Question, champion: Champion, inputs: dict[str, Any], found: Any) -> None:
    levels = champion.metadata.levels
    quantiles, mean, *_ = champion.forecast(inputs)
    assert found["last_close"] == inputs["close"][0, -1]
    assert len(found["forecast"]) == int(question.query.get("horizon", champion.metadata.horizon))
    coverages = question.query.get("level", ",".join(central_intervals(levels))).split(",")
    for step, day in enumerate(found["forecast"]):
        by_level = dict(zip([f"{level:g}" for level in levels], quantiles[0, step], strict=True))
        assert sorted(day["intervals"]) == sorted(coverages)
        assert day["mean"] == pytest.approx(mean[0, step], abs=1e-6)
        for level, price in day["quantiles"].items():
            assert price == pytest.approx(by_level[level], abs=1e-6)


class Client(threading.Thread):
    """Asks without a pause and checks every answer; `seen` lists the generations in the order of their answers, of GETs
    and of POSTs apart: the former are the official forecast's, the latter the champion's, which is swapped a moment
    before it."""

    def __init__(self, number: int, port: int, stop: threading.Event) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self.number, self.port, self.stop = number, port, stop
        self.seen: dict[str, list[int]] = {"GET": [], "POST": []}
        self.answers = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            for question in questions(self.number):
                if self.stop.is_set():
                    break
                answer = send(connection, question)
                check(question, answer)
                generation = answer["champion"]["generation"]
                seen = self.seen["POST" if question.series else "GET"]
                if seen[-1:] != [generation]:
                    seen.append(generation)
                self.answers += 1
        except (AssertionError, OSError, http.client.HTTPException, KeyError) as error:
            self.failure = error
        finally:
            connection.close()


class Crowd:
    """The clients of one server."""

    def __init__(self, server: Server) -> None:
        self.stop = threading.Event()
        self.clients = [Client(number, server.port, self.stop) for number in range(CLIENTS)]

    def __enter__(self) -> "Crowd":
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for client in self.clients:
            client.join()

    def until_each_sees(self, generation: int) -> None:
        lists = [seen for client in self.clients for seen in client.seen.values()]
        until(lambda: all(self.failed() or seen[-1:] == [generation] for seen in lists), "the swap")

    def until_each_has_more(self, answers: int) -> None:
        goals = [client.answers + answers for client in self.clients]
        done = list(zip(self.clients, goals, strict=True))
        until(lambda: self.failed() or all(client.answers >= goal for client, goal in done), "more answers")

    def failed(self) -> bool:
        return any(client.failure for client in self.clients)

    def raise_failures(self) -> None:
        for client in self.clients:
            if client.failure:
                raise client.failure


def publish_corrupt(store: Store, generation: int) -> None:
    """A pointer that is right in every field, to bytes with its digest that are half a champion."""
    half = BYTES[1][: len(BYTES[1]) // 2]
    digest = sha256(half).hexdigest()
    pointer = foreign.pointer_to(BYTES[1], PRICES, generation)
    file = ChampionFile(champion_key(digest), digest, len(half))
    assert store.create(file.key, half)
    foreign.put(store, "models/best_model_info.json", replace(pointer, champion=file).to_json())


def test_a_new_champion_is_served_without_a_restart_and_a_corrupt_one_never_is(
    store: Store, settings: Settings, store_environ: Mapping[str, str], tmp_path: Path
) -> None:
    foreign.publish_to(store, BYTES[1], 1, PRICES)
    refresh(store, settings, datetime.now(UTC))
    environ = {**store_environ, "CHAMPION_MAX_AGE_S": "0.2"}
    with running(tmp_path, environ, "--refresh-every", "0.2") as server, Crowd(server) as crowd:
        crowd.until_each_sees(1)
        crowd.until_each_has_more(MORE)
        foreign.publish_to(store, BYTES[2], 2, PRICES)
        crowd.until_each_sees(2)
        publish_corrupt(store, 3)
        until(lambda: crowd.failed() or len(store.list("serving/refused")) == 1, "the refusal")
        crowd.until_each_has_more(MORE)
        foreign.publish_to(store, foreign.champion_bytes(drift=0.5), 4, PRICES)
        until(lambda: crowd.failed() or len(store.list("serving/refused")) == 2, "the second refusal")
        crowd.until_each_has_more(MORE)
        crowd.raise_failures()
        assert server.ask("GET", "/health").json["champion"]["generation"] == 2
        seen = [client.seen for client in crowd.clients]
    assert seen == [{"GET": [1, 2], "POST": [1, 2]}] * CLIENTS
    assert "Traceback" not in server.log.read_text()


def test_an_answer_of_the_other_champion_would_be_noticed() -> None:
    """The check of the swap test can fail: two champions, one question, different answers."""
    inputs = [input_arrays(table_inputs(champion, parse(PRICES))) for champion in CHAMPIONS.values()]
    first, second = (champion.forecast(each) for champion, each in zip(CHAMPIONS.values(), inputs, strict=True))
    assert np.abs(first.mean[0, :3] - second.mean[0, :3]).min() > 1e-4
