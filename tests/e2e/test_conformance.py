"""One API: the handler, the emulator, SAM's HTTP and REST API and the fallback answer the same requests alike."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.object_store import Store
from lambda_fn.web.errors import MAX_BODY
from tests.support import foreign
from tests.support.api_gateway import HttpRequest
from tests.support.e2e import front, sam
from tests.support.e2e.front import Ask, HttpFront, get, post
from tests.support.e2e.steps import Steps, until
from tests.support.server_process import HttpReply

Fronts = Mapping[str, Ask]
HEADERS = ("content-type", "cache-control", "retry-after", "allow")
# What may differ between two answers of one process: when it looked, and how old things then were.
MASKED = ("checked_at", "age_s", "as_of_age_days")
CLOSE = foreign.closes(foreign.WINDOW + 5).tolist()
JSON = [("host", "localhost"), ("content-type", "application/json")]
FORM = [("host", "localhost"), ("content-type", "application/octet-stream")]


def sent(body: object, query: str = "") -> HttpRequest:
    return post("/api/predict", body, query)


REQUESTS = {
    "index": (200, get("/")),
    "health": (200, get("/health")),
    "head": (200, HttpRequest("HEAD", "/health", "", JSON)),
    "forecast": (200, get("/api/predict")),
    "one day, two intervals": (200, get("/api/predict", "horizon=1&level=95,50")),
    "a repeated parameter": (200, get("/api/predict", "level=95&level=50")),
    "an encoded parameter": (200, get("/api/predict", "level=95%2C50")),
    "an unknown parameter": (400, get("/api/predict", "horizont=1")),
    "champion": (200, get("/api/champion")),
    "document": (200, get("/openapi.json")),
    "prices of the caller": (200, sent({"close": CLOSE, "as_of": "2026-10-29"}, "horizon=2")),
    "several series": (200, sent({"series": [{"close": CLOSE}, {"close": [2 * price for price in CLOSE]}]})),
    "prices as bytes": (200, HttpRequest("POST", "/api/predict", "", FORM, b'{"close": %s}' % str(CLOSE).encode())),
    "horizon too far": (400, get("/api/predict", "horizon=9")),
    "horizon is no number": (400, get("/api/predict", "horizon=tomorrow")),
    "an empty horizon": (400, get("/api/predict", "horizon=")),
    "level is no level": (400, get("/api/predict", "level=200")),
    "no body": (400, HttpRequest("POST", "/api/predict", "", JSON)),
    "no JSON": (400, sent(b'{"close": [1.1,')),
    "no UTF-8": (400, sent(b'{"close": "\xff\xfe"}')),
    "a list": (400, sent([1.1, 1.2])),
    "too few prices": (400, sent({"close": CLOSE[:5]})),
    "a price below zero": (400, sent({"close": [*CLOSE[:-1], -1.1]})),
    "text as a price": (400, sent({"close": [*CLOSE[:-1], "1.1"]})),
    "NaN as a price": (400, sent(b'{"close": [NaN]}')),
    "letters of other languages": (400, sent({"schluss\u00fc": CLOSE, "\u7d42\u5024": 1})),
    "too large": (413, sent(b" " * (MAX_BODY + 1))),
    "no such path": (404, get("/api/forecast")),
    "a path with a blank": (404, get("/api/pre dict")),
    "another method": (405, HttpRequest("DELETE", "/api/predict", "", JSON)),
    "a method of another path": (405, post("/health", {})),
}

# SAM's own server decodes every body as text: it fails before it calls the function, API Gateway would not.
NOT_BY_SAM = {"no UTF-8"}


@pytest.fixture
def fronts(
    image: str, sam_build: None, step: Steps, store_environ: Mapping[str, str], tmp_path: Path
) -> Iterator[Fronts]:
    """Five ways to the same store, all started. A REST API answers 502 for a key of an answer that it does not know."""
    with ExitStack() as stack:
        with step("the handler, the emulator, SAM's two APIs and the fallback start"):
            start = stack.enter_context
            cli = start(sam.on_store(tmp_path, store_environ))
            rest = sam.rest_template(tmp_path, image, {**store_environ, "REFUSE_EXPIRED": ""})
            found: dict[str, Ask] = {
                "handler": start(front.direct(store_environ)).ask,
                "emulator": start(front.emulator(image, store_environ)).ask,
                "fallback": start(front.fallback(image, store_environ)).ask,
                "SAM": HttpFront(start(cli.api())).ask,
                "SAM, REST": HttpFront(start(cli.api(rest))).ask,
            }
        yield found


def test_all_fronts_answer_alike(
    fronts: Fronts, step: Steps, store: Store, settings: Settings, subtests: pytest.Subtests
) -> None:
    request = get("/api/predict")
    with step("503 of an empty store"):
        answers = {front: ask(request) for front, ask in fronts.items()}
        assert_alike(answers, 503, request)
        assert answers["handler"].headers["retry-after"]
    foreign.publish_to(store)
    refresh(store, settings, datetime.now(UTC))
    with step("every front has looked into the store again"):
        until(lambda: {ask(request).status for ask in fronts.values()} == {200}, "the champion to be served")
    for name, (status, request) in REQUESTS.items():
        with subtests.test(name), step(f"{status} {name}"):
            asked = {front: ask for front, ask in fronts.items() if "SAM" not in front or name not in NOT_BY_SAM}
            assert_alike({front: ask(request) for front, ask in asked.items()}, status, request)
    with step("no front sends a body that its caller cannot read"):
        compressed = HttpRequest("GET", "/openapi.json", "", [("host", "localhost"), ("accept-encoding", "gzip")])
        answer = fronts["SAM, REST"](compressed)
        assert (answer.status, answer.headers.get("content-encoding")) == (200, None)
        assert answer.json["openapi"]


def assert_alike(answers: Mapping[str, HttpReply], status: int, request: HttpRequest) -> None:
    """Same status, headers that matter and JSON; to a HEAD no server sends a body."""
    assert {front: answer.status for front, answer in answers.items()} == dict.fromkeys(answers, status)
    headers = {front: {name: _header(answer, name) for name in HEADERS} for front, answer in answers.items()}
    assert headers == dict.fromkeys(answers, headers["handler"])
    if request.method != "HEAD":
        bodies = {front: masked(answer.json) for front, answer in answers.items()}
        assert bodies == dict.fromkeys(answers, bodies["handler"])


def _header(reply: HttpReply, name: str) -> str | None:
    """Without the seconds that an answer may be kept: they run down from the last look at the store."""
    value = reply.headers.get(name)
    return value if value is None else re.sub("max-age=[0-9]+", "max-age", value)


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "masked" if name in MASKED else masked(held) for name, held in value.items()}
    return [masked(held) for held in value] if isinstance(value, list) else value
